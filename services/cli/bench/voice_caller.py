"""Somebody who talks with the voice service as by telephone: audio at the pace of time, silence where nobody speaks.

What the caller says begins at a known sample of a known time, so that delays are counted from the true end of speech.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
import numpy as np
from ledge.audio.v1 import audio_pb2
from ledge.rag.v1 import rag_pb2
from ledge.voice.v1 import voice_pb2 as pb
from ledge.voice.v1 import voice_pb2_grpc as rpc

from services.cli.bench.asr_speech import RATE_HZ, Samples, pcm, silence
from services.kit.errors import EngineFailed, TooSlow

PIECE_S = 0.02
PLAYED_HZ = 24_000
SAMPLE_BYTES = 2
AUDIBLE = 300
"""Of 32768; below it is the silence that a voice begins with."""
ANSWER_S = 60.0


@dataclass(frozen=True)
class Heard:
    """An event, and when it came."""

    at_s: float
    event: Any

    @property
    def kind(self) -> str:
        return str(self.event.WhichOneof("event"))


@dataclass
class Answer:
    """What came of one response."""

    first_audible_s: float | None = None
    """On the clock; None: nothing could be heard."""
    text: str = ""
    audio_bytes: int = 0
    citations: list[rag_pb2.Citation] = field(default_factory=list)
    timings: pb.Timings = field(default_factory=pb.Timings)
    done: pb.ResponseState = field(default_factory=pb.ResponseState)


class Caller:
    """One session, used in `async with`; speaks by `say`, hears by `until`."""

    def __init__(self, voice: "rpc.VoiceServiceAsyncStub", piece_s: float = PIECE_S, **session: Any) -> None:
        self._voice = voice
        self._piece_samples = round(piece_s * RATE_HZ)
        self._silence = pcm(silence(piece_s))
        form = audio_pb2.RawFormat(encoding=audio_pb2.PCM_S16LE, sample_rate_hz=RATE_HZ)
        self._session = pb.Session(input_format=form, **session)
        self._pending = bytearray()
        self._sent_samples = 0
        self._began_s = 0.0
        self.heard: list[Heard] = []
        self._news = asyncio.Event()
        self._turn_ends: asyncio.Queue[asyncio.Future[float]] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self._began_s = time.perf_counter()
        self._call: Any = self._voice.Converse(self._requests())
        self._reading = asyncio.create_task(self._read())
        try:
            await self.until(lambda heard: heard.kind == "session_created")
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._call.cancel()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    def say(self, samples: Samples) -> tuple[float, float]:
        """When it begins and ends, on the clock: from now on, or behind what is being said."""
        begin_s = self._began_s + (self._sent_samples + len(self._pending) // SAMPLE_BYTES) / RATE_HZ
        self._pending += pcm(samples)
        return begin_s, begin_s + len(samples) / RATE_HZ

    async def end_turn(self) -> float:
        """Ends the turn and asks for its answer, with the next piece that leaves. When that was, on the clock."""
        left: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        await self._turn_ends.put(left)
        return await left

    async def reach(self, at_s: float) -> None:
        """Listens until a time on the clock."""
        await asyncio.sleep(max(0.0, at_s - time.perf_counter()))

    async def until(self, found: Callable[[Heard], bool], after: int = 0, timeout_s: float = ANSWER_S) -> Heard:
        """The first such event from the `after`-th on.

        Raises:
            TooSlow: it does not come.
            EngineFailed: the service has ended the session.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    for heard in self.heard[after:]:
                        if found(heard):
                            return heard
                    after = max(after, len(self.heard))
                    if self._reading.done():
                        self._reading.result()
                        raise EngineFailed("voice has ended the session")
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as error:
            kinds = " ".join(dict.fromkeys(heard.kind for heard in self.heard))
            raise TooSlow(f"voice did not do what was awaited; it told {kinds}") from error

    async def answer(self, after: int = 0) -> Answer:
        """The next response, when it is complete."""
        await self.until(lambda heard: heard.kind == "response_done", after)
        return answer_in(self.heard[after:])

    async def _requests(self) -> AsyncIterator[pb.ConverseRequest]:
        yield pb.ConverseRequest(session=self._session)
        self._began_s = time.perf_counter()
        while True:
            due_s = self._began_s + (self._sent_samples + self._piece_samples) / RATE_HZ
            # A microphone gives a piece when it is over.
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            piece = bytes(self._pending[: len(self._silence)])
            del self._pending[: len(self._silence)]
            self._sent_samples += self._piece_samples
            yield pb.ConverseRequest(audio=piece + self._silence[len(piece) :])
            while not self._turn_ends.empty():
                left = self._turn_ends.get_nowait()
                left.set_result(time.perf_counter())
                yield pb.ConverseRequest(commit_audio=pb.CommitAudio())
                yield pb.ConverseRequest(create_response=pb.CreateResponse())

    async def _read(self) -> None:
        try:
            async for event in self._call:
                self.heard.append(Heard(time.perf_counter(), event))
                self._news.set()
        except grpc.aio.AioRpcError as error:
            raise EngineFailed(f"voice answers {error.code().name}: {error.details()}") from error
        finally:
            self._news.set()


def is_idle(heard: Heard) -> bool:
    """Whether the conversation has come to rest."""
    return heard.kind == "state_changed" and bool(heard.event.state_changed.state == pb.IDLE)


def answer_in(heard: list[Heard]) -> Answer:
    """What the first response in these events came to."""
    answer = Answer()
    played_s = 0.0
    for one in heard:
        event = one.event
        match one.kind:
            case "audio_delta":
                audio = event.audio_delta.audio
                played_s = max(played_s, one.at_s)
                if answer.first_audible_s is None:
                    with contextlib.suppress(IndexError):
                        loud = np.flatnonzero(np.abs(np.frombuffer(audio, "<i2").astype(np.int32)) > AUDIBLE)
                        answer.first_audible_s = played_s + float(loud[0]) / PLAYED_HZ
                played_s += len(audio) / 2 / PLAYED_HZ
                answer.audio_bytes += len(audio)
            case "transcript_delta":
                answer.text += event.transcript_delta.text
            case "citation":
                answer.citations.append(event.citation.citation)
            case "timings":
                answer.timings = event.timings
            case "response_done":
                answer.done = event.response_done
                break
    return answer
