"""Whisper by many callers at once: the asr service beside wyoming-faster-whisper, and what each of its means gives.

The models have the shape of `tiny` or `base` and random weights, and say 24 words whatever they hear: both sides
compute what they would for a trained model, every answer can be checked, and how well speech is heard is not measured.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from ledge.asr.v1 import asr_pb2 as pb
from ledge.asr.v1 import asr_pb2_grpc as rpc
from ledge.audio.v1 import audio_pb2

from services.cli.bench import asr_baseline
from services.cli.bench.asr_speech import LONG, RATE_HZ, pcm, spoken
from services.cli.bench.random_whisper import SHAPES, make_catalogue, make_whisper
from services.cli.bench.report import Row, percentile
from services.cli.bench.running import RunningService
from services.kit.client import open_channel
from services.kit.errors import EngineFailed

WORDS = (
    "the river under the old bridge is cold and wide so they close the gate at night and open the gate again at nine"
).split()
UTTERANCE_S = 5
GAIN_CALLERS = 8
Hear = Callable[[bytes], Awaitable[str]]


@dataclass
class Measured:
    """What the rounds of one side gave."""

    final_ms: list[float] = field(default_factory=list)
    elapsed_s: float = 0.0

    @property
    def utterances_per_s(self) -> float:
        return len(self.final_ms) / self.elapsed_s


def make_model(folder: Path, shape: str) -> dict[str, str]:
    """Settings of an asr service that runs a made model of this shape, which lies in `folder/random-<shape>`."""
    directory = folder / f"random-{shape}"
    make_whisper(directory, SHAPES[shape], WORDS)
    return make_catalogue(folder, [directory]) | {
        "LEDGE_ENGINE": "faster-whisper",
        "LEDGE_MODEL": directory.name,
        "LEDGE_WORKERS": str(cores()),
        "LEDGE_FINAL_OBJECTIVE_S": "600",
    }


def cores() -> int:
    return len(os.sched_getaffinity(0))


def utterance() -> bytes:
    """Five seconds of speech without a pause."""
    (samples,) = spoken((LONG,))
    if len(samples) < UTTERANCE_S * RATE_HZ:
        raise EngineFailed(f"the sentence is {len(samples) / RATE_HZ:.1f} s long, and {UTTERANCE_S} s are wanted")
    return pcm(samples[: UTTERANCE_S * RATE_HZ])


def caller_rows(folder: Path, shape: str, callers: Sequence[int], utterances: int, rounds: int) -> list[Row]:
    """Utterances a second and time to the final transcript, both sides in turn."""
    settings, audio = make_model(folder, shape), utterance()
    rows = []
    with (
        RunningService("asr", settings) as service,
        asr_baseline.serving(folder / f"random-{shape}", cores()) as port,
    ):
        for number in callers:
            ours, theirs = Measured(), Measured()
            for _ in range(rounds):
                asyncio.run(_ours(service.address, audio, number, utterances, ours))
                asyncio.run(_theirs(port, audio, number, utterances, theirs))
            rows += _rows(f"{shape}, {number} caller{'s' if number > 1 else ''}", ours, theirs)
    return rows


def gain_rows(folder: Path, shape: str, utterances: int, rounds: int) -> list[Row]:
    """The same utterances with one means after the other, each beside the one before."""
    settings, audio = make_model(folder, shape), utterance()
    whole = {"LEDGE_WINDOW_S": "30", "LEDGE_WORKERS": "1", "LEDGE_THREADS": str(cores()), "LEDGE_BATCH_WINDOWS": "1"}
    ten = {**whole, "LEDGE_WINDOW_S": "10"}
    each = {**ten, "LEDGE_WORKERS": str(cores()), "LEDGE_THREADS": "1"}
    steps: Mapping[str, Mapping[str, str]] = {
        f"30 s windows, one worker of {cores()} threads": whole,
        "10 s windows": ten,
        "a worker for each core": each,
        "batches of 8 at most": {**each, "LEDGE_BATCH_WINDOWS": "8"},
    }
    rows: list[Row] = []
    for step, more in steps.items():
        measured = Measured()
        with RunningService("asr", {**settings, **more}) as service:
            for _ in range(rounds):
                asyncio.run(_ours(service.address, audio, GAIN_CALLERS, utterances, measured))
        before = rows[-1].value if rows else None
        figure = f"utterances a second, {shape}, {GAIN_CALLERS} callers, {step}"
        rows.append(
            Row(figure, measured.utterances_per_s, "/s", "the line before" if rows else "", baseline_value=before)
        )
    return rows


async def _ours(address: str, audio: bytes, callers: int, utterances: int, measured: Measured) -> None:
    raw = audio_pb2.RawFormat(sample_rate_hz=RATE_HZ)
    request = pb.TranscribeRequest(audio=audio, raw=raw, recognition=pb.Recognition(language="en"))
    async with open_channel(address) as channel:
        stub = rpc.AsrServiceStub(channel)

        async def hear(_: bytes) -> str:
            try:
                response = await stub.Transcribe(request)
            except grpc.aio.AioRpcError as error:
                raise EngineFailed(f"asr answers {error.code().name}: {error.details()}") from error
            return str(response.text)

        await _round(hear, audio, callers, utterances, measured)


async def _theirs(port: int, audio: bytes, callers: int, utterances: int, measured: Measured) -> None:
    async def hear(audio: bytes) -> str:
        return (await asr_baseline.transcribe(port, audio)).strip()

    await _round(hear, audio, callers, utterances, measured)


async def _round(hear: Hear, audio: bytes, callers: int, utterances: int, measured: Measured) -> None:
    """Each caller has its next utterance heard when it has been told the last; one before does not count."""

    async def caller(times: int) -> None:
        for _ in range(times):
            asked_s = time.perf_counter()
            text = await hear(audio)
            if text.split() != WORDS:
                raise EngineFailed(f"an answer that the model does not give: {text[:80]!r}")
            measured.final_ms.append(1000 * (time.perf_counter() - asked_s))

    counted = len(measured.final_ms)
    await caller(1)
    del measured.final_ms[counted:]
    started_s = time.perf_counter()
    await asyncio.gather(*(caller(utterances) for _ in range(callers)))
    measured.elapsed_s += time.perf_counter() - started_s


def _rows(who: str, ours: Measured, theirs: Measured) -> list[Row]:
    name = asr_baseline.NAME
    note = f"{len(ours.final_ms)} utterances of {UTTERANCE_S} s, each answer checked"
    rows = [
        Row(f"utterances a second, {who}", ours.utterances_per_s, "/s", name, theirs.utterances_per_s, note=note),
    ]
    for percent in (50, 95):
        mine, its = percentile(ours.final_ms, percent), percentile(theirs.final_ms, percent)
        rows.append(Row(f"time to the final p{percent}, {who}", mine, "ms", name, its))
    return rows
