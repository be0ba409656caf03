"""What the voice bench talks with: the profile's speech and answers on sample documents, or engines that only wait."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from services.cli.bench.rag_suite import running_suite
from services.cli.bench.running import RunningService
from services.cli.local.config import LocalRunConfig
from services.cli.profile import open_profile
from services.kit.deploy import deploy_directory

SPEECH = ("asr", "tts")
Peers = Mapping[str, str]
"""LEDGE_…_ADDRESS of each service that voice calls."""


@contextmanager
def documents_suite() -> Iterator[Peers]:
    """The profile's engines, with the sample documents in collection `bench`."""
    _, plan, _ = open_profile(LocalRunConfig.read())
    with ExitStack() as stack:
        running = dict(stack.enter_context(running_suite(deploy_directory() / "samples" / "documents")))
        for name in SPEECH:
            planned = {
                key: value
                for key, value in plan.service(name).environment.items()
                if key not in ("LEDGE_PORT", "LEDGE_OPS_PORT")
            }
            running[name] = stack.enter_context(RunningService(name, planned))
        yield addresses(running)


def addresses(running: Mapping[str, RunningService]) -> Peers:
    return {f"LEDGE_{name.upper()}_ADDRESS": service.address for name, service in running.items()}


@contextmanager
def voice(peers: Peers, **settings: str) -> Iterator[RunningService]:
    """A voice service before these peers."""
    with RunningService("voice", {"LEDGE_MAX_SESSIONS": "256", **peers, **settings}) as running:
        yield running


SCRIPT = """
rules:
  - when: ""
    say: "%s"
    delay_s: %s
"""
"""Said to whatever is asked."""


@contextmanager
def scripted_suite(answer: str, *, asr_ms: float, llm_ms: float, tts_ms: float) -> Iterator[Peers]:
    """Engines that take just so long: for a final transcript, for the words, and for a clause."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ledge-bench-voice-")))
        script = folder / "script.yaml"
        script.write_text(SCRIPT % (answer, llm_ms / 1000))
        settings = {
            "asr": {"LEDGE_ENGINE": "scripted", "LEDGE_SCRIPT_DELAY_MS": str(asr_ms), "LEDGE_MAX_STREAMS": "256"},
            "tts": {"LEDGE_ENGINE": "scripted", "LEDGE_SCRIPT_DELAY_MS": str(tts_ms)},
            "llm": {
                "LEDGE_ENGINE": "scripted",
                "LEDGE_SCRIPT_FILE": str(script),
                "LEDGE_SCRIPT_TOKENS_PER_S": "0",
                "LEDGE_SLOTS": "256",
            },
        }
        running = {name: stack.enter_context(RunningService(name, chosen)) for name, chosen in settings.items()}
        yield addresses(running)
