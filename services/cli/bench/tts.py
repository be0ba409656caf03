"""`ledge bench tts`: first audio and speed beside the engine alone; thousands of answers at once, each one checked."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

import typer
from ledge.tts.v1 import tts_pb2 as pb
from ledge.tts.v1 import tts_pb2_grpc as rpc

from services.cli.bench.counts import counts
from services.cli.bench.report import JsonFile, Report, Row, percentile
from services.cli.bench.running import RunningService
from services.cli.bench.tts_crossing import flite_rows, scripted_rows
from services.kit.client import open_channel

BASELINE = "the engine called directly"
ANSWERS = (
    "The pump house is twelve metres tall. It was built in 1931, beside the old harbour, and it holds three pumps.",
    "Yes, it is open on Sundays. Between ten and four you can walk up to the gallery; children pay nothing.",
    "Call the control room first, then wait at the gate. Nobody may open the hatch alone.",
    "The filter has to be washed every 36 hours. If the loss of head passes two metres, wash it at once.",
    "In 2025 we sold 14,200 cubic metres of water a day. That is 3.5 % more than in the year before.",
    "No. The reservoir was never painted, since its walls are of plain concrete.",
    "Good question: the meter stands in the cellar, behind the boiler, and the valve is right above it.",
    "There are 214 people who work here. Most of them are at the works; some thirty are on the road every day.",
)


class PartChoice(StrEnum):
    """What is measured."""

    speed = "speed"
    crossing = "crossing"
    all = "all"


def command(
    engine: Annotated[str, typer.Option(help="flite, or piper with --model.")] = "flite",
    model: Annotated[str, typer.Option(help="Id of Piper's voices in the catalogue.")] = "",
    callers: Annotated[str, typer.Option(help="How many speak at a time, comma-separated.")] = "1,8,32",
    answers: Annotated[int, typer.Option(min=1, help="Answers that each caller has spoken, a round.")] = 8,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds, ours and the engine's in turn.")] = 3,
    workers: Annotated[int, typer.Option(min=1, max=64, help="The engine's processes, on both sides.")] = 2,
    calls: Annotated[int, typer.Option(min=1, max=100_000, help="Calls at a time whose audio is checked.")] = 10_000,
    part: Annotated[PartChoice, typer.Option(help="What is measured.")] = PartChoice.all,
    json_file: JsonFile = None,
) -> None:
    """First audio and real-time factor through gRPC beside the engine alone; no answer is another caller's."""
    rows: list[Row] = []
    if part in (PartChoice.speed, PartChoice.all):
        rows += asyncio.run(_speed(engine, model, counts("--callers", callers), answers, rounds, workers))
    if part in (PartChoice.crossing, PartChoice.all):
        rows += asyncio.run(scripted_rows(calls))
        rows += asyncio.run(flite_rows(calls, workers))
    Report("tts", rows).publish(json_file)


@dataclass
class Measured:
    """What the rounds of one side gave."""

    first_ms: list[float] = field(default_factory=list)
    dry_ms: list[float] = field(default_factory=list)
    """The longest that a listener, who hears from the first audio on, had nothing to hear within an answer."""
    times_real: list[float] = field(default_factory=list)
    """Seconds of speech a second, one figure a round."""


@dataclass
class Heard:
    """An answer as its listener hears it, who begins with the first audio."""

    first_s: float = 0.0
    """On the clock."""
    length_s: float = 0.0
    dry_s: float = 0.0

    def more(self, length_s: float) -> None:
        """Some audio has come."""
        now_s = time.perf_counter()
        self.first_s = self.first_s or now_s
        self.dry_s = max(self.dry_s, now_s - self.first_s - self.length_s)
        self.length_s += length_s


Speak = Callable[[str, Heard], Awaitable[None]]


async def _speed(engine: str, model: str, callers: Sequence[int], answers: int, rounds: int, workers: int) -> list[Row]:
    # Here, because the other benches are read where no tts engine is installed.
    from services.tts.clauses import Clauses
    from services.tts.config import TtsConfig
    from services.tts.engines import load
    from services.tts.speakable import speakable
    from services.tts.voices import Voices

    config = TtsConfig(engine=engine, model=model, workers=workers, max_waiting_clauses=10_000)
    direct = await load(config)
    voice = Voices(direct.voices, config.language).pick("", "")

    def clauses_of(text: str) -> list[str]:
        cut = Clauses(voice.language)
        return [said for one in [*cut.feed(text), *cut.finish()] if (said := speakable(one, voice.language))]

    clauses = {text: clauses_of(text) for text in ANSWERS}

    async def directly(text: str, heard: Heard) -> None:
        for clause in clauses[text]:
            heard.more(len((await direct.speak(clause, voice, 1.0)).samples) / voice.sample_rate_hz)

    settings = {
        "LEDGE_ENGINE": engine,
        "LEDGE_MODEL": model,
        "LEDGE_WORKERS": str(workers),
        "LEDGE_MAX_WAITING_CLAUSES": "10000",
    }
    rows = []
    try:
        with RunningService("tts", settings) as service:
            async with open_channel(service.address) as channel:
                through = _through(rpc.TtsServiceStub(channel))
                for number in callers:
                    ours, theirs = Measured(), Measured()
                    await _round(through, number, 1, Measured())
                    await _round(directly, number, 1, Measured())
                    for _ in range(rounds):
                        await _round(through, number, answers, ours)
                        await _round(directly, number, answers, theirs)
                    rows += _rows(engine, number, ours, theirs)
    finally:
        await direct.close()
    return rows


def _through(stub: "rpc.TtsServiceAsyncStub") -> Speak:
    async def speak(text: str, heard: Heard) -> None:
        async def requests() -> AsyncIterator[pb.SynthesizeStreamRequest]:
            yield pb.SynthesizeStreamRequest(config=pb.Speech())
            yield pb.SynthesizeStreamRequest(text=text)

        rate_hz = 1
        call: Any = stub.SynthesizeStream(requests())
        async for response in call:
            rate_hz = response.format.sample_rate_hz or rate_hz
            heard.more(len(response.audio) / 2 / rate_hz)

    return speak


async def _round(speak: Speak, callers: int, answers: int, measured: Measured) -> None:
    """Each caller asks for its next answer when it has heard the last."""
    spoken_s = 0.0

    async def caller(number: int) -> None:
        nonlocal spoken_s
        for place in range(answers):
            asked_s, heard = time.perf_counter(), Heard()
            await speak(ANSWERS[(number * 3 + place) % len(ANSWERS)], heard)
            measured.first_ms.append(1000 * (heard.first_s - asked_s))
            measured.dry_ms.append(1000 * heard.dry_s)
            spoken_s += heard.length_s

    started_s = time.perf_counter()
    await asyncio.gather(*(caller(number) for number in range(callers)))
    measured.times_real.append(spoken_s / (time.perf_counter() - started_s))


def _rows(engine: str, callers: int, ours: Measured, theirs: Measured) -> list[Row]:
    who = f"{engine}, {callers} caller{'s' if callers > 1 else ''}"
    rows = []
    for percent in (50, 95):
        mine, direct = percentile(ours.first_ms, percent), percentile(theirs.first_ms, percent)
        note = f"{mine - direct:+.1f} ms; {len(ours.first_ms)} answers"
        rows.append(Row(f"first audio p{percent}, {who}", mine, "ms", BASELINE, direct, note=note))
    mine, direct = percentile(ours.dry_ms, 99), percentile(theirs.dry_ms, 99)
    rows.append(Row(f"nothing to hear within an answer p99, {who}", mine, "ms", BASELINE, direct))
    speed, direct_speed = statistics.median(ours.times_real), statistics.median(theirs.times_real)
    note = f"real-time factor {1 / speed:.4f}, of all callers together"
    rows.append(Row(f"speech a second, {who}", speed, "× real time", BASELINE, direct_speed, note=note))
    return rows
