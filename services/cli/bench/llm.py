"""`ledge bench llm`: what the service adds to its engine, and what keeps it alive beside busy neighbours."""

import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Annotated, Any

import typer
from ledge.embedding.v1 import embedding_pb2, embedding_pb2_grpc

from services.cli.bench.counts import counts
from services.cli.bench.llm_through_grpc import TOPICS, Measured, prompts, through_grpc, workload
from services.cli.bench.report import JsonFile, Report, Row
from services.cli.bench.running import RunningService
from services.kit.client import open_channel
from services.kit.errors import EngineFailed, InvalidInput
from services.kit.models import ModelStore
from services.kit.profiles import DEFAULT_PROFILE, Profile

LIBRARY_DEFAULTS = {"LEDGE_THREADS": "0"}
"""As the library comes: a thread a core, spinning while it waits."""
BUSY_CALLERS = 4


def command(
    streams: Annotated[str, typer.Option(help="Calls side by side, comma-separated.")] = "1,16",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each; medians are told.")] = 7,
    tokens: Annotated[int, typer.Option(min=8, help="Generated tokens a call.")] = 96,
    busy: Annotated[bool, typer.Option(help="Also measure beside a busy embedding service.")] = False,
    engine: Annotated[
        str, typer.Option(help="llamacpp as the profile has it, or vllm beside vllm serve.")
    ] = "llamacpp",
    model: Annotated[str, typer.Option(help="Of vllm.")] = "llama-3.1-8b-instruct",
    profile: Annotated[str, typer.Option(help="Whose settings are measured.")] = DEFAULT_PROFILE,
    through: Annotated[str, typer.Option(help="`hybrid`: through it, in mode local, beside the service itself.")] = "",
    json_file: JsonFile = None,
) -> None:
    """Tokens per second and first token through gRPC, beside the same engine in process."""
    if engine == "vllm":
        if find_spec("vllm") is None:
            raise InvalidInput("vLLM is not installed in this environment; see `make test-torch`")
        from services.cli.bench.llm_vllm import measure

        rows, of = measure(model, counts("--streams", streams), rounds, tokens)
        Report("llm", rows, workload=of).publish(json_file)
        return
    settings = _settings(profile, "llm")
    rows = []
    if through:
        if through != "hybrid":
            raise InvalidInput(f"--through is {through!r}: there is `hybrid`")
        with contextlib.ExitStack() as stack:
            llm = stack.enter_context(RunningService("llm", settings))
            front = {"LEDGE_LITTLE_ADDRESS": llm.address, "LEDGE_MODE": "local"}
            hybrid = stack.enter_context(RunningService("hybrid", front))
            for count in counts("--streams", streams):
                rows += _through(hybrid.address, llm.address, count, rounds, tokens)
        Report("llm", rows).publish(json_file)
        return
    with RunningService("llm", settings) as service, InProcess(settings) as library:
        measured = {count: Measured() for count in counts("--streams", streams)}
        for count, mine in measured.items():
            rows += _overhead(service.address, library, count, rounds, tokens, mine)
        of = asyncio.run(workload(service.address, prompts(max(measured)), list(measured.values())))
    if busy:
        rows += _beside_busy_services(profile, rounds, tokens)
    Report("llm", rows, workload=of).publish(json_file)


class InProcess:
    """The baseline's process (`llm_in_process`), started and stopped by the context manager."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._environment = {**os.environ, **settings}

    def __enter__(self) -> "InProcess":
        self._process = subprocess.Popen(
            [sys.executable, "-m", "services.cli.bench.llm_in_process"],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def measure(self, prompts: Sequence[str], max_tokens: int) -> dict[str, Any]:
        if self._process.stdin is None:
            raise EngineFailed("the baseline's process has no input")
        self._process.stdin.write(json.dumps({"prompts": prompts, "max_tokens": max_tokens}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise EngineFailed("the baseline's process ended; its last words are above")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _overhead(address: str, library: InProcess, count: int, rounds: int, tokens: int, mine: Measured) -> list[Row]:
    """The two sides take turns, so that what else the machine does falls on both. Fills `mine`."""
    asked = prompts(count)
    in_process = Measured()
    for _ in range(rounds):
        mine.add(*asyncio.run(through_grpc(address, asked, tokens)))
        in_process.add(**library.measure(asked, tokens))
    name = f"{count} stream{'s' if count > 1 else ''}"
    speeds = statistics.median(mine.tokens_per_s), statistics.median(in_process.tokens_per_s)
    firsts = statistics.median(mine.first_token_ms), statistics.median(in_process.first_token_ms)
    pairs = zip(mine.tokens_per_s, in_process.tokens_per_s, strict=True)
    return [
        Row(
            f"tokens per second, {name}",
            speeds[0],
            "tokens/s",
            baseline="same engine in process",
            baseline_value=speeds[1],
            ratio=statistics.median(ours / its for ours, its in pairs),
            note="ratio: median of the rounds' ratios",
        ),
        Row(
            f"first token p50, {name}",
            firsts[0],
            "ms",
            baseline="same engine in process",
            baseline_value=firsts[1],
            note=f"adds {firsts[0] - firsts[1]:.1f} ms; prompts in the prefix cache on both sides",
        ),
    ]


def _through(address: str, direct: str, count: int, rounds: int, tokens: int) -> list[Row]:
    """A service in front of the engine's own, and the engine's own; they take turns."""
    asked = prompts(count)
    mine, its = Measured(), Measured()
    for _ in range(rounds):
        mine.add(*asyncio.run(through_grpc(address, asked, tokens)))
        its.add(*asyncio.run(through_grpc(direct, asked, tokens)))
    name = f"{count} stream{'s' if count > 1 else ''}"
    pairs = zip(mine.tokens_per_s, its.tokens_per_s, strict=True)
    firsts = statistics.median(mine.first_token_ms), statistics.median(its.first_token_ms)
    return [
        Row(
            f"tokens per second through hybrid, {name}",
            statistics.median(mine.tokens_per_s),
            "tokens/s",
            baseline="llm itself",
            baseline_value=statistics.median(its.tokens_per_s),
            ratio=statistics.median(one / other for one, other in pairs),
            note="ratio: median of the rounds' ratios",
        ),
        Row(
            f"first token p50 through hybrid, {name}",
            firsts[0],
            "ms",
            baseline="llm itself",
            baseline_value=firsts[1],
            note=f"adds {firsts[0] - firsts[1]:.1f} ms",
        ),
    ]


def _beside_busy_services(profile: str, rounds: int, tokens: int) -> list[Row]:
    """One stream, alone and beside a busy embedding service, as the profile has it and as the library comes."""
    mine = _settings(profile, "llm")
    plain = {key: value for key, value in mine.items() if not key.startswith(("OMP_", "GOMP_"))} | LIBRARY_DEFAULTS
    speeds = {}
    for name, settings in (("profile", mine), ("library", plain)):
        with RunningService("llm", settings) as service:
            speeds[name, "alone"] = _speed(service.address, rounds, tokens)
            with _busy_embedding(profile):
                speeds[name, "busy"] = _speed(service.address, rounds, tokens)
    return [
        Row(
            "tokens per second, 1 stream, alone",
            speeds["profile", "alone"],
            "tokens/s",
            baseline="library's default threads, alone",
            baseline_value=speeds["library", "alone"],
        ),
        Row(
            "tokens per second, 1 stream, embedding service busy",
            speeds["profile", "busy"],
            "tokens/s",
            baseline="library's default threads, embedding service busy",
            baseline_value=speeds["library", "busy"],
            note=f"{speeds['profile', 'busy'] / speeds['profile', 'alone']:.2f} of itself alone",
        ),
    ]


def _speed(address: str, rounds: int, tokens: int) -> float:
    measured = Measured()
    for _ in range(rounds):
        measured.add(*asyncio.run(through_grpc(address, prompts(1), tokens)))
    return statistics.median(measured.tokens_per_s)


@contextlib.contextmanager
def _busy_embedding(profile: str) -> Iterator[None]:
    """An embedding service that callers in a process of their own never leave idle."""
    with RunningService("embedding", _settings(profile, "embedding")) as embedding:
        callers = subprocess.Popen([sys.executable, "-m", __name__, embedding.address], stdout=subprocess.PIPE)
        try:
            # It speaks once its first call is answered.
            if callers.stdout is None or not callers.stdout.readline():
                raise EngineFailed("the callers of the embedding service ended")
            yield
        finally:
            callers.terminate()
            callers.wait()
            if callers.stdout is not None:
                callers.stdout.close()


async def _keep_busy(address: str) -> None:
    texts = [f"Line {number} of a handbook about {topic}." * 4 for number in range(2) for topic in TOPICS]
    async with open_channel(address) as channel:
        stub = embedding_pb2_grpc.EmbeddingServiceStub(channel)
        request = embedding_pb2.EmbedRequest(inputs=texts)
        await stub.Embed(request)
        print("busy", flush=True)

        async def call_for_ever() -> None:
            while True:
                await stub.Embed(request)

        await asyncio.gather(*(call_for_ever() for _ in range(BUSY_CALLERS)))


def _settings(profile_name: str, service: str) -> dict[str, str]:
    profile = Profile.load(profile_name, ModelStore.from_environment().catalog)
    found = next((entry for name, entry in profile.services.items() if name == service), None)
    if found is None:
        raise InvalidInput(f"profile {profile_name!r} has no service {service!r}")
    named = {"LEDGE_ENGINE": found.engine, "LEDGE_MODEL": found.model}
    return {**{key: value for key, value in named.items() if value}, **found.env}


if __name__ == "__main__":
    asyncio.run(_keep_busy(sys.argv[1]))
