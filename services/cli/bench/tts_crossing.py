"""Thousands of calls in flight at once, each answer checked by its content: does anybody hear another's audio?"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import numpy as np
from ledge.tts.v1 import tts_pb2 as pb
from ledge.tts.v1 import tts_pb2_grpc as rpc

from services.cli.bench.report import Row
from services.cli.bench.running import RunningService
from services.kit.client import open_channel
from services.kit.errors import EngineFailed

CHANNELS = 8
WORDS = 4
FLITE_TEXTS = 500
LEAST_SHARE = 0.9
"""Of a tone's power that lies at its pitch; another word's tone has a hundredth of that there."""
NOUNS = (
    "pump", "valve", "meter", "filter", "tower", "gate", "tank", "well", "boiler", "sensor", "harbour", "bridge",
    "engine", "window", "kitchen", "garden", "station", "market", "river", "school",
)  # fmt: skip
PLACES = (
    "north", "south", "east", "west", "upper", "lower", "old", "new", "first", "second", "third", "fourth", "outer",
    "inner", "red", "green", "blue", "white", "small", "great", "dry", "wet", "cold", "warm", "main",
)  # fmt: skip

Stub = Any


async def scripted_rows(calls: int) -> list[Row]:
    """The scripted engine says each word as a tone of its own, so every call can have a text that no other has."""
    texts = [_letters(number) for number in range(calls)]

    async def check(stub: Stub, number: int) -> bool:
        response = await _whole(stub, texts[number], word_times=True)
        return heard_as(
            response.audio, [(word.text, word.start_ms, word.end_ms) for word in response.words], texts[number]
        )

    return await _measured("scripted", {"LEDGE_ENGINE": "scripted"}, calls, calls, check)


async def flite_rows(calls: int, workers: int) -> list[Row]:
    """flite says a text the same each time, so each answer must be that of its text spoken alone; no two are alike."""
    texts = [f"The {place} {noun}." for place, noun in itertools.product(PLACES, NOUNS)][: min(calls, FLITE_TEXTS)]
    alone: dict[str, bytes] = {}

    async def check(stub: Stub, number: int) -> bool:
        text = texts[number * 7 % len(texts)]
        if text not in alone:
            raise EngineFailed("a text was not spoken alone first")
        if number % 2:
            return bool((await _whole(stub, text)).audio == alone[text])
        return await _streamed(stub, text) == alone[text]

    async def speak_alone(stub: Stub) -> None:
        for text in texts:
            alone[text] = (await _whole(stub, text)).audio
        if len(set(alone.values())) != len(texts):
            raise EngineFailed("two texts sound the same: the check would prove nothing")

    settings = {"LEDGE_ENGINE": "flite", "LEDGE_WORKERS": str(workers)}
    return await _measured("flite", settings, calls, len(texts), check, speak_alone)


async def _measured(
    engine: str,
    settings: dict[str, str],
    calls: int,
    texts: int,
    check: Callable[[Stub, int], Awaitable[bool]],
    before: Callable[[Stub], Awaitable[None]] | None = None,
) -> list[Row]:
    many = str(2 * calls)
    limits = {"LEDGE_MAX_CONCURRENT_CALLS": many, "LEDGE_MAX_WAITING_CLAUSES": many}
    with RunningService("tts", {**settings, **limits}) as service:
        async with AsyncExitStack() as stack:
            stubs = [
                rpc.TtsServiceStub(await stack.enter_async_context(open_channel(service.address)))
                for _ in range(CHANNELS)
            ]
            if before is not None:
                await before(stubs[0])
            started_s = time.perf_counter()
            right = await asyncio.gather(*(check(stubs[number % CHANNELS], number) for number in range(calls)))
            elapsed_s = time.perf_counter() - started_s
    note = f"{texts} different texts, all calls in flight at once, {elapsed_s:.0f} s"
    return [
        Row(f"answers that are another caller's or wrong, {engine}", len(right) - sum(right), f"of {calls}", note=note)
    ]


async def _whole(stub: Stub, text: str, **speech: Any) -> pb.SynthesizeResponse:
    request = pb.SynthesizeRequest(speech=pb.Speech(**speech), input=pb.Input(text=text))
    response: pb.SynthesizeResponse = await stub.Synthesize(request)
    return response


async def _streamed(stub: Stub, text: str) -> bytes:
    async def requests() -> AsyncIterator[pb.SynthesizeStreamRequest]:
        yield pb.SynthesizeStreamRequest(config=pb.Speech())
        yield pb.SynthesizeStreamRequest(text=text)

    pieces: Sequence[bytes] = [response.audio async for response in stub.SynthesizeStream(requests())]
    return b"".join(pieces)


def _letters(number: int) -> str:
    """A text of its own for each number, in words of letters alone, which are spoken as they stand."""
    digits = f"{number:0{WORDS}d}"
    # With each of the letters behind them these are ten different tones.
    names = ("dan", "fal", "fen", "hes", "lin", "mon", "pam", "pim", "ror", "tar")
    return " ".join(f"{names[int(digit)]}{chr(97 + place)}" for place, digit in enumerate(digits))


def heard_as(audio: bytes, words: Sequence[tuple[str, int, int]], text: str) -> bool:
    """Whether the scripted engine's audio says the text: each word of it, with its tone where its times say."""
    # Here, because the other benches are read where no tts engine is installed.
    from services.tts.engines.scripted import SAMPLE_RATE_HZ, pitch_hz

    samples = np.frombuffer(audio, "<i2").astype(np.float64)
    if [word for word, _, _ in words] != text.split():
        return False
    for word, start_ms, end_ms in words:
        tone = samples[start_ms * SAMPLE_RATE_HZ // 1000 : end_ms * SAMPLE_RATE_HZ // 1000]
        turns = np.exp(-2j * np.pi * pitch_hz(word) / SAMPLE_RATE_HZ * np.arange(len(tone)))
        power = float((tone**2).sum())
        if not power or 2 * abs(complex((tone * turns).sum())) ** 2 / len(tone) / power < LEAST_SHARE:
            return False
    return True
