"""The whole suite behind a gateway, and client programs in an environment of their own: see `make test-clients`."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients.speech_doors import python_of
from tests.clients.speech_doors import run as run_program
from tests.gateway.suite import KEY, PEER_KEY, Suite, closing_all, gateway_and_speech, talking_suite, whole_suite
from tests.processes import ServiceProcess
from tests.tts.conftest import need_flite

PROGRAMS = Path(__file__).parent / "programs"
TIMEOUT_S = 100
ALIASES = (
    "smollm2-135m-instruct=scripted,all-minilm-l6-v2=scripted,gpt-4o-mini=scripted,"
    "jina-reranker-v2-base-multilingual=scripted"
)
"""The default models' names, so that the snippets of the documentation run as they stand, and those of others."""


@pytest.fixture(scope="session")
def clients_python() -> str:
    """The Python that has the clients, and nothing of the suite."""
    python = os.environ.get("CLIENTS_PYTHON")
    if not python:
        pytest.skip("the clients are in an environment of their own: run `make test-clients`")
    return python


@pytest.fixture(scope="session")
def frameworks_python() -> str:
    """The Python that has the voice frameworks."""
    return python_of("FRAMEWORKS_PYTHON", "test-frameworks")


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """Where Node finds its framework."""
    modules = Path(os.environ.get("FRAMEWORKS_MODULES", "(not set)"))
    if not modules.is_dir():
        pytest.skip("a framework for Node is installed where npm is: run `make test-frameworks`")
    return modules


@pytest.fixture(scope="session")
def suite(clients_python: str) -> Iterator[Suite]:
    with whole_suite(LEDGE_MODEL_ALIASES=ALIASES) as running:
        yield running


@pytest.fixture(scope="session")
def speech_suite(clients_python: str) -> Iterator[Suite]:
    """flite and pocketsphinx behind a gateway."""
    need_flite()
    with gateway_and_speech() as running:
        yield running


@pytest.fixture(scope="session")
def open_suite(suite: Suite) -> Iterator[Suite]:
    """A gateway that wants no key, for clients that cannot send one."""
    services = {"llm": suite.llm, **suite.others}
    addresses = {f"LEDGE_{name.upper()}_ADDRESS": service.address for name, service in services.items()}
    settings = {"LEDGE_PEER_API_KEY": PEER_KEY, "LEDGE_MODEL_ALIASES": ALIASES}
    gateway = ServiceProcess("gateway", {**settings, **addresses})
    with closing_all(gateway):
        yield Suite(gateway.wait_ready(), suite.llm)


@pytest.fixture(scope="session")
def talking() -> Iterator[Suite]:
    """What hears with pocketsphinx, speaks with flite, and answers from the handbook."""
    need_flite()
    pytest.importorskip("pocketsphinx")
    with talking_suite("real", LEDGE_VOICE_ALIASES="alloy=slt, echo=rms") as running:
        yield running


@pytest.fixture(scope="session")
def question(talking: Suite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a question, spoken by flite."""
    folder = tmp_path_factory.mktemp("speech")
    body = {"model": "tts-1", "voice": "echo", "input": "How tall is the pump house?", "response_format": "wav"}
    headers = {"authorization": f"Bearer {KEY}"}
    spoken = httpx.post(f"{talking.url}/v1/audio/speech", json=body, headers=headers, timeout=60).raise_for_status()
    (folder / "pump_house.wav").write_bytes(spoken.content)
    return folder


@pytest.fixture(scope="session")
def talk(clients_python: str, question: Path) -> Callable[[Suite, str], Any]:
    """Runs a program that asks the question, with OpenAI's SDK, and gives the JSON that it writes."""
    return partial(_talked, [clients_python, "-I"], question)


@pytest.fixture(scope="session")
def node_talk(node_modules: Path, question: Path) -> Callable[[Suite, str], Any]:
    """The same with the framework for Node."""
    return partial(_talked, ["node"], question, MODULES=str(node_modules))


@pytest.fixture(scope="session")
def frameworks_talk(frameworks_python: str, question: Path) -> Callable[[Suite, str], Any]:
    """The same with the voice frameworks."""
    return partial(_talked, [frameworks_python, "-I"], question)


def _talked(interpreter: list[str], question: Path, suite: Suite, program: str, **more: str) -> Any:
    settings = {"URL": suite.url, "KEY": KEY, "SPEECH": str(question), "CHAT_MODEL": "scripted", **more}
    return json.loads(run_program([*interpreter, str(PROGRAMS / program)], **settings))


@pytest.fixture
def run(clients_python: str) -> Callable[[Suite, str], Any]:
    """Runs a program of `programs` against a suite and gives the JSON that it writes."""

    def run(suite: Suite, program: str) -> Any:
        environment = {"PATH": os.environ["PATH"], "URL": suite.url, "KEY": KEY, "HOME": os.environ.get("HOME", "/")}
        # Haystack tells its makers what is used, and waits for them.
        environment["HAYSTACK_TELEMETRY_ENABLED"] = "False"
        done = subprocess.run(
            [clients_python, "-I", str(PROGRAMS / program)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
