"""One session's ears: a stream of `asr` that is opened when audio comes, and again after a failure.

Times are counted from the start of the session's audio, however often the stream was opened.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

import grpc
from ledge.asr.v1 import asr_pb2
from ledge.audio.v1 import audio_pb2
from ledge.voice.v1 import voice_pb2 as pb

from services.kit.errors import InvalidInput, LedgeError, NotFound, NotReady, TooSlow
from services.kit.relay import relay
from services.voice.faults import known_error
from services.voice.peers import Peers

PIECE_BYTES = 16 * 1024
MAX_WAITING_PIECES = 64
"""Audio that `asr` has not taken yet; past it the client is not read any further."""
PROGRESS_MS = 96
UNANSWERED_MS = 3000
"""Of silence `asr` tells every second; so much audio without a word from it means that it does not listen."""
RETRY_S = 1.0
"""After a failure, until `asr` is tried again; what is said meanwhile is not heard."""


@dataclass(frozen=True, slots=True)
class Began:
    offset_ms: int


@dataclass(frozen=True, slots=True)
class GoesOn:
    until_ms: int


@dataclass(frozen=True, slots=True)
class Partly:
    text: str
    stable_characters: int


@dataclass(frozen=True, slots=True)
class Paused:
    offset_ms: int
    silent_ms: int


@dataclass(frozen=True, slots=True)
class Uttered:
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class WhollyHeard:
    """An `end` was done."""


@dataclass(frozen=True, slots=True)
class Deaf:
    """The stream failed; what was open is lost."""

    error: LedgeError


@dataclass(frozen=True, slots=True)
class Finished:
    """All was heard."""


Sound = Began | GoesOn | Partly | Paused | Uttered | WhollyHeard | Deaf | Finished


class Hearing:
    """Fed by one task; tells by another, one thing at a time. `aclose` frees the stream."""

    def __init__(
        self,
        peers: Peers,
        settings: pb.Session,
        soft_end_ms: int,
        patience_s: float,
        tell: Callable[[Sound], Awaitable[None]],
    ) -> None:
        self._peers = peers
        self._soft_end_ms = soft_end_ms
        self._patience_s = patience_s
        self._tell = tell
        self._pieces: asyncio.Queue[bytes | int | None] = asyncio.Queue(MAX_WAITING_PIECES)
        self._task: asyncio.Task[None] | None = None
        self._fed_bytes = 0
        self._base_ms = 0
        self._retry_at_s = 0.0
        self._failure: LedgeError | None = None
        self._is_finishing = False
        self._settings = settings
        self._bytes_per_ms = bytes_per_ms(settings.input_format)
        self._before_ms = 0.0
        self._answered_ms = 0.0
        self._overdue: asyncio.Timeout | None = None
        self._ends_owed = 0
        self._final_owed = False

    @property
    def fed_ms(self) -> float:
        """How much audio has come."""
        return self._before_ms + self._fed_bytes / self._bytes_per_ms

    async def feed(self, audio: bytes) -> None:
        """Waits where `asr` does not keep up."""
        if self._task is None and asyncio.get_running_loop().time() >= self._retry_at_s:
            self._open()
        self._fed_bytes += len(audio)
        for start in range(0, len(audio), PIECE_BYTES):
            # It may fail, or be closed, while this waits.
            if self._task is None:
                return
            if self._pieces.full() or self.fed_ms - self._answered_ms > UNANSWERED_MS:
                self._expect_an_answer()
            await self._pieces.put(audio[start : start + PIECE_BYTES])

    async def end(self) -> None:
        """Ends what is being said; `WhollyHeard` follows, or `Deaf`."""
        if self._task is not None:
            self._ends_owed += 1
            self._expect_an_answer()
            await self._pieces.put(1)
        else:
            await self._tell(WhollyHeard() if self._failure is None else Deaf(self._failure))

    async def finish(self) -> None:
        """No more audio comes; `Finished` follows."""
        self._is_finishing = True
        if self._task is None:
            await self._tell(Finished())
        else:
            self._expect_an_answer()
            await self._pieces.put(None)

    async def change(self, settings: pb.Session) -> bool:
        """Another language, model or format is listened for from here on; whether what was being said is lost by it."""
        same = _config(settings, self._soft_end_ms) == _config(self._settings, self._soft_end_ms)
        self._settings = settings
        if same:
            return False
        await self.forget()
        self._bytes_per_ms = bytes_per_ms(settings.input_format)
        return True

    async def forget(self) -> None:
        """Drops what was said and not told yet."""
        await self.aclose()
        self._before_ms = self.fed_ms
        self._fed_bytes = 0
        self._retry_at_s = 0.0
        self._failure = None

    async def aclose(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _open(self) -> None:
        self._failure = None
        self._pieces = asyncio.Queue(MAX_WAITING_PIECES)
        self._base_ms = round(self.fed_ms)
        self._answered_ms, self._ends_owed, self._final_owed = self.fed_ms, 0, False
        self._task = asyncio.create_task(self._listen(self._pieces))

    async def _listen(self, pieces: asyncio.Queue[bytes | int | None]) -> None:
        try:
            call = self._peers.asr_streams.TranscribeStream()
            async with contextlib.aclosing(relay(call, self._messages(pieces))) as events:
                while (event := await self._next(events)) is not None:
                    for sound in _sounds(event, self._base_ms):
                        await self._tell(sound)
            if not self._is_finishing:
                raise NotReady("the service that hears has ended the stream")
            await self._tell(Finished())
        except (grpc.aio.AioRpcError, LedgeError) as error:
            await self._failed(known_error(error), pieces)

    async def _next(
        self, events: AsyncGenerator[asr_pb2.TranscribeStreamResponse]
    ) -> asr_pb2.TranscribeStreamResponse | None:
        """Raises TooSlow where `asr` owes an answer for too long."""
        owed = self._is_finishing or self._ends_owed or self._final_owed
        try:
            async with asyncio.timeout(self._patience_s if owed else None) as self._overdue:
                event = await anext(events, None)
        except TimeoutError:
            raise TooSlow("the service that hears does not answer") from None
        finally:
            self._overdue = None
        self._answered_ms = self.fed_ms
        if event is not None:
            self._ends_owed -= event.progress.utterance_ended
            self._final_owed = event.HasField("speech_ended") or (self._final_owed and not event.HasField("final"))
        return event

    def _expect_an_answer(self) -> None:
        """From now on it is waited for, and not for ever."""
        if self._overdue is not None and self._overdue.when() is None:
            self._overdue.reschedule(asyncio.get_running_loop().time() + self._patience_s)

    async def _failed(self, failure: LedgeError, pieces: asyncio.Queue[bytes | int | None]) -> None:
        self._task, self._failure = None, failure
        # What is asked for is not there, and will not be until it is asked for otherwise.
        for_good = isinstance(failure, InvalidInput | NotFound)
        self._retry_at_s = math.inf if for_good else asyncio.get_running_loop().time() + RETRY_S
        _drain(pieces)
        await self._tell(Deaf(failure))

    async def _messages(
        self, pieces: asyncio.Queue[bytes | int | None]
    ) -> AsyncGenerator[asr_pb2.TranscribeStreamRequest]:
        yield asr_pb2.TranscribeStreamRequest(config=_config(self._settings, self._soft_end_ms))
        while (piece := await pieces.get()) is not None:
            if isinstance(piece, bytes):
                yield asr_pb2.TranscribeStreamRequest(audio=piece)
            else:
                yield asr_pb2.TranscribeStreamRequest(end_utterance=asr_pb2.EndUtterance())


def bytes_per_ms(format: audio_pb2.RawFormat) -> float:
    """Of headerless audio."""
    sample_bytes = 2 if format.encoding in (audio_pb2.ENCODING_UNSPECIFIED, audio_pb2.PCM_S16LE) else 1
    return sample_bytes * max(1, format.channels) * format.sample_rate_hz / 1000


def _config(settings: pb.Session, soft_end_ms: int) -> asr_pb2.StreamConfig:
    transcription = settings.transcription
    return asr_pb2.StreamConfig(
        format=settings.input_format,
        recognition=asr_pb2.Recognition(
            model=transcription.model, language=settings.language, hotwords=transcription.hotwords
        ),
        # Words are wanted early also where nobody is shown them: they tell an interruption from a cough.
        partials=True,
        endpointing=asr_pb2.Endpointing(
            silence_ms=min(soft_end_ms, settings.turn_detection.silence_ms), threshold=settings.turn_detection.threshold
        ),
        progress_ms=PROGRESS_MS,
    )


def _sounds(event: asr_pb2.TranscribeStreamResponse, base_ms: int) -> list[Sound]:
    match event.WhichOneof("event"):
        case "speech_started":
            return [Began(base_ms + event.speech_started.offset_ms)]
        case "progress" if event.progress.utterance_ended:
            return [WhollyHeard()]
        case "progress":
            return [GoesOn(base_ms + event.progress.speech_until_ms)]
        case "partial":
            return [Partly(event.partial.text, event.partial.stable_characters)]
        case "speech_ended":
            silent_ms = max(0, event.heard_ms - event.speech_ended.offset_ms)
            return [Paused(base_ms + event.speech_ended.offset_ms, silent_ms)]
        case "final":
            return [Uttered(event.final.text, event.final.language)]
        case _:
            return []


def _drain(pieces: asyncio.Queue[bytes | int | None]) -> None:
    """Whoever waits to put something in goes on; nobody takes it out any more."""
    while not pieces.empty():
        pieces.get_nowait()
