"""Speakers at the speed of speech: when finals come after the end of speech, and how many speakers are too many."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
from ledge.asr.v1 import asr_pb2 as pb
from ledge.asr.v1 import asr_pb2_grpc as rpc
from ledge.audio.v1 import audio_pb2

from services.cli.bench.asr_callers import cores, make_model, utterance
from services.cli.bench.asr_speech import RATE_HZ, SENTENCES, Samples, pcm, silence, spoken
from services.cli.bench.report import Row, percentile
from services.cli.bench.running import RunningService
from services.kit.client import open_channel
from services.kit.errors import EngineFailed

PIECE_SAMPLES = RATE_HZ // 10
PAUSE_S = 1.5
ENDPOINT_S = 0.5
"""Silence that ends an utterance, as the service has it by default: it is part of every figure here."""
OBJECTIVE_MS = 1000.0
ANSWER_S = 30.0


@dataclass(frozen=True)
class Speech:
    """What a speaker says, and when each of its utterances ends."""

    samples: Samples
    ends_s: Sequence[float]


def speech_of(utterances: Sequence[Samples]) -> Speech:
    """With a pause behind each."""
    parts: list[Samples] = []
    ends_s: list[float] = []
    at = 0
    for samples in utterances:
        ends_s.append((at + len(samples)) / RATE_HZ)
        parts += [samples, silence(PAUSE_S)]
        at += len(samples) + len(parts[-1])
    return Speech(np.concatenate(parts), ends_s)


def stream_rows(folder: Path, shape: str, counts: Sequence[int], utterances: int) -> list[Row]:
    """More and more streams, until the finals of one in twenty come later than a second after the end of speech."""
    settings = make_model(folder, shape)
    said = np.frombuffer(utterance(), "<i2").astype(np.float32) / np.float32(32768)
    speech = speech_of([said] * utterances)
    rows = []
    with RunningService("asr", settings) as service:
        for partials in (False, True):
            what = f"{shape}, {'with' if partials else 'without'} partial results"
            held = 0
            for count in counts:
                final_ms = asyncio.run(_streams(service.address, speech, count, partials))
                late_ms = percentile(final_ms, 95)
                rows.append(
                    Row(
                        f"end of speech to the final p95, {what}, {count} streams",
                        late_ms,
                        "ms",
                        note=f"p50 {percentile(final_ms, 50):.0f} ms; {len(final_ms)} utterances",
                    )
                )
                if late_ms > OBJECTIVE_MS:
                    break
                held = count
            note = f"{held / cores():g} a core; the steps were {', '.join(map(str, counts))}"
            rows.append(Row(f"streams at real time with p95 ≤ 1 s, {what}", held, "streams", note=note))
    return rows


def barge_rows(folder: Path, shapes: Sequence[str]) -> list[Row]:
    """One speaker, each engine."""
    engines = {"scripted": {"LEDGE_ENGINE": "scripted"}, "pocketsphinx": {"LEDGE_ENGINE": "pocketsphinx"}}
    engines |= {f"faster-whisper, {shape}": make_model(folder / shape, shape) for shape in shapes}
    speech = speech_of(spoken(SENTENCES))
    rows = []
    for engine, settings in engines.items():
        with RunningService("asr", settings) as service:
            final_ms = asyncio.run(_streams(service.address, speech, 1, partials=True))
        note = f"{ENDPOINT_S * 1000:.0f} ms of it is the silence that ends an utterance; {len(final_ms)} sentences"
        for percent in (50, 95):
            figure = f"end of speech to the final p{percent}, {engine}"
            rows.append(Row(figure, percentile(final_ms, percent), "ms", note=note))
    return rows


async def _streams(address: str, speech: Speech, count: int, partials: bool) -> list[float]:
    """Milliseconds from the end of each utterance to its final; the speakers begin one after the other."""
    first_s = speech.ends_s[0] + PAUSE_S
    async with open_channel(address) as channel:
        stub = rpc.AsrServiceStub(channel)
        speaking = (_speaker(stub, speech, number * first_s / count, partials) for number in range(count))
        return [final_ms for heard in await asyncio.gather(*speaking) for final_ms in heard]


async def _speaker(stub: "rpc.AsrServiceAsyncStub", speech: Speech, delay_s: float, partials: bool) -> list[float]:
    await asyncio.sleep(delay_s)
    began_s = time.perf_counter()

    async def requests() -> AsyncIterator[pb.TranscribeStreamRequest]:
        config = pb.StreamConfig(
            format=audio_pb2.RawFormat(sample_rate_hz=RATE_HZ),
            recognition=pb.Recognition(language="en"),
            partials=partials,
        )
        yield pb.TranscribeStreamRequest(config=config)
        for start in range(0, len(speech.samples), PIECE_SAMPLES):
            piece = speech.samples[start : start + PIECE_SAMPLES]
            # A microphone gives a piece when it is over.
            await asyncio.sleep(max(0.0, began_s + (start + len(piece)) / RATE_HZ - time.perf_counter()))
            yield pb.TranscribeStreamRequest(audio=pcm(piece))

    finals_s = []
    try:
        async for response in stub.TranscribeStream(requests()):
            if response.WhichOneof("event") == "final":
                finals_s.append(time.perf_counter() - began_s)
    except grpc.aio.AioRpcError as error:
        raise EngineFailed(f"asr answers {error.code().name}: {error.details()}") from error
    if len(finals_s) != len(speech.ends_s):
        raise EngineFailed(f"{len(speech.ends_s)} utterances were said, and {len(finals_s)} heard")
    return [1000 * (final_s - end_s) for final_s, end_s in zip(finals_s, speech.ends_s, strict=True)]
