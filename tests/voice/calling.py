"""A caller of a voice service: says things at the pace of speech, and remembers what it was told and when."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
import pytest
from ledge.voice.v1 import voice_pb2 as pb
from ledge.voice.v1 import voice_pb2_grpc as rpc

from services.kit import refused_uploads
from services.tts.engines.scripted import TONE_MS, pitch_hz
from tests.asr.asking import PCM_16K, RATE_HZ, Samples, pcm, silence, speech

PIECE_MS = 40
PIECE_BYTES = RATE_HZ * 2 * PIECE_MS // 1000
SPOKEN_HZ = 24_000
TIMEOUT_S = 20.0
refused_uploads.mend()


@dataclass
class Caller:
    """One conversation under way."""

    call: Any
    told: list[pb.ConverseResponse] = field(default_factory=list)
    told_at_s: list[float] = field(default_factory=list)
    failure: grpc.aio.AioRpcError | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _is_over: bool = False

    async def send(self, **event: Any) -> None:
        await self.call.write(pb.ConverseRequest(**event))

    async def say(self, samples: Samples) -> None:
        """At the pace of speech."""
        audio = pcm(samples)
        begun_s = time.monotonic()
        for number, start in enumerate(range(0, len(audio), PIECE_BYTES)):
            await asyncio.sleep(max(0.0, begun_s + number * PIECE_MS / 1000 - time.monotonic()))
            await self.send(audio=audio[start : start + PIECE_BYTES])

    async def write(self, text: str) -> None:
        """A typed message of the user."""
        content = [pb.Content(text=text)]
        await self.send(create_item=pb.CreateItem(item=pb.Item(message=pb.Message(role=pb.Item.USER, content=content))))

    async def ask(self, text: str, **response: Any) -> pb.ResponseState:
        """A typed question, and how its response ended."""
        before = len(self.of("response_done"))
        await self.write(text)
        await self.send(create_response=pb.CreateResponse(**response))
        return await self.done(before + 1)

    async def wait(
        self, kind: str, count: int = 1, fits: Callable[[Any], bool] = lambda _: True, timeout_s: float = TIMEOUT_S
    ) -> Any:
        """The event of a kind, the `count`th of those that fit."""

        def found() -> list[Any]:
            return [event for event in self.of(kind) if fits(event)]

        try:
            async with asyncio.timeout(timeout_s):
                while len(found()) < count and not self._is_over:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        if len(found()) < count:
            raise AssertionError(f"never told {count} {kind}; told was {self.kinds()}; {self.failure}")
        return found()[count - 1]

    async def done(self, count: int = 1) -> pb.ResponseState:
        """The end of a response."""
        state: pb.ResponseState = await self.wait("response_done", count)
        return state

    async def in_state(self, state: str, count: int = 1) -> None:
        await self.wait("state_changed", count, lambda changed: pb.State.Name(changed.state) == state)

    def of(self, kind: str) -> list[Any]:
        return [getattr(event, kind) for event in self.told if event.WhichOneof("event") == kind]

    def kinds(self) -> list[str]:
        """In order; what repeats itself once."""
        names = [event.WhichOneof("event") or "" for event in self.told]
        return [name for place, name in enumerate(names) if place == 0 or names[place - 1] != name]

    def at_s(self, kind: str, number: int = 0) -> float:
        times = [at for event, at in zip(self.told, self.told_at_s, strict=True) if event.WhichOneof("event") == kind]
        return times[number]

    def audio(self, response_id: str = "") -> bytes:
        return b"".join(delta.audio for delta in self.of("audio_delta") if response_id in ("", delta.response_id))

    def covered_ms(self, response_id: str) -> int:
        """How far an answer's audio reaches; fails where some of it is left out. What is sent again counts once."""
        until_ms = 0
        for delta in self.of("audio_delta"):
            if delta.response_id == response_id:
                assert delta.offset_ms <= until_ms + 2, "nothing is left out"
                until_ms = max(until_ms, delta.offset_ms + len(delta.audio) // (SPOKEN_HZ * 2 // 1000))
        return until_ms

    def actions(self) -> list[str]:
        """What the player was told to do."""
        return [pb.PlaybackControl.Action.Name(control.action) for control in self.of("playback_control")]

    def text(self, response_id: str = "") -> str:
        deltas = [*self.of("transcript_delta"), *self.of("text_delta")]
        return "".join(delta.text for delta in deltas if response_id in ("", delta.response_id))

    async def read(self) -> None:
        try:
            async for event in self.call:
                self.told.append(event)
                self.told_at_s.append(time.monotonic())
                self._changed.set()
        except grpc.aio.AioRpcError as error:
            self.failure = error
        self._is_over = True
        self._changed.set()

    async def finish(self) -> None:
        """Half-closes, and waits for the end."""
        await self.call.done_writing()
        async with asyncio.timeout(TIMEOUT_S):
            while not self._is_over:
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def calling(address: str, **session: Any) -> AsyncIterator[Caller]:
    """A conversation that has begun; it is cancelled at the end where it is still open."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = rpc.VoiceServiceStub(channel)
        caller = Caller(stub.Converse())
        await caller.send(session=pb.Session(**{"input_format": PCM_16K, **session}))
        reading = asyncio.create_task(caller.read())
        try:
            await caller.wait("session_created")
            yield caller
        finally:
            caller.call.cancel()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def refusal(address: str, first: pb.ConverseRequest) -> grpc.aio.AioRpcError:
    """How a stream ends that begins with this message."""

    async def requests() -> AsyncIterator[pb.ConverseRequest]:
        yield first

    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = rpc.VoiceServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await anext(stub.Converse(requests()).__aiter__())
    return refused.value


def saying(*words: str, **more: Any) -> pb.Transcription:
    """What the scripted engine hears in whatever is said: a word in each half second."""
    return pb.Transcription(hotwords=words, **more)


def spoken_for(length_s: float) -> Samples:
    """Speech of about so long (two seconds at most), and silence behind it."""
    said = speech("capital")[RATE_HZ // 10 : RATE_HZ // 10 + round(length_s * RATE_HZ)]
    return np.concatenate([said, silence(0.9)])


def heard_words(audio: bytes, words: list[str], rate_hz: int = SPOKEN_HZ) -> list[str]:
    """What of these words is heard, in order: the scripted voice has a pitch for each."""
    samples = np.frombuffer(audio, "<i2").astype(np.float32)
    size = rate_hz * TONE_MS // 1000 // 2
    heard: list[str] = []
    for start in range(0, len(samples) - size, size // 2):
        piece = samples[start : start + size]
        if np.abs(piece).max() < 500:
            heard.append("")
            continue
        loudest_hz = float(np.argmax(np.abs(np.fft.rfft(piece * np.hanning(size), rate_hz)))) * rate_hz / rate_hz
        heard += [word for word in words if abs(pitch_hz(word) - loudest_hz) < 12]
    return [word for place, word in enumerate(heard) if word and (place == 0 or heard[place - 1] != word)]
