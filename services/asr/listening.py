"""Hears one stream of audio: finds its utterances, has each of them written down, and tells what happens in order.

    sounds ──► detector ──► started, progress, ended ──────────────────────► told ──► events
                  └─ audio of an utterance ──► engine ──► partials, final ────┘

The detector does not wait for the engine while that is less than a second behind: an end is told when it is heard, not
when all before it is written down. Of two utterances one is told after the other; that somebody speaks on is told as
`Progressed` meanwhile.
"""

import asyncio
import contextlib
import enum
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import numpy as np

from services.asr.decoding import Decoding
from services.asr.endpointing import Change, Endpointing, EndpointingSettings
from services.asr.engine import SAMPLE_RATE_HZ, Hypothesis, Samples, Session
from services.asr.vad import FRAME_S, FRAME_SAMPLES, VoiceStream
from services.kit.errors import EngineFailed

LEAD_FRAMES = 16
"""About half a second before the detector is sure belongs to the utterance: words begin softly, and an engine wants to
hear what silence sounds like (with half as much pocketsphinx made 4 errors in 71 words where it makes 1)."""
PARTIAL_FRAMES = 10
"""About 320 ms between partial results."""
AGAIN_FRAMES = 2
"""When one is asked for again that was not there yet."""
PAUSE_FRAMES = 4
"""About 130 ms of silence after which the engine hears that the utterance may be over."""
EAGER_FRAMES = 10
"""So long progress is told after each frame: whoever may be interrupted wants to know speech from a cough."""
ALIVE_FRAMES = 31
"""About a second: so often progress tells in silence that somebody listens."""
MAX_UNTOLD = 64
"""Events that nobody has taken; past it nothing more is heard."""
TAIL_SAMPLES = SAMPLE_RATE_HZ // 4
"""Silence that an utterance without a pause behind it is given: an engine wants a word to end."""


@dataclass(frozen=True, slots=True)
class Started:
    offset_s: float


@dataclass(frozen=True, slots=True)
class Heard:
    """A partial result."""

    text: str
    stable_characters: int


@dataclass(frozen=True, slots=True)
class Progressed:
    speech_until_s: float
    utterance_ended: bool = False
    """Whether it answers who asked for the end of an utterance."""


@dataclass(frozen=True, slots=True)
class Ended:
    offset_s: float


@dataclass(frozen=True, slots=True)
class Final:
    hypothesis: Hypothesis
    audio_offset_s: float
    """Where the utterance's audio begins; its words count from here."""
    start_s: float
    end_s: float


Event = Started | Heard | Progressed | Ended | Final


class EndUtterance(enum.Enum):
    """Among the audio: what is being said ends here."""

    HERE = enum.auto()


@dataclass(frozen=True, slots=True)
class Told:
    event: Event
    heard_s: float
    """How much audio had been heard when it was told."""


@dataclass(slots=True)
class _Spoken:
    """An utterance, from its beginning until its words are told."""

    decoding: Decoding
    first_frame: int
    start_s: float
    end_s: float = 0.0
    held: list[Event] | None = None
    """What is told of it once the words of the one before it are."""


class Listening:
    """One stream, used once."""

    def __init__(
        self,
        session: Session,
        voice: VoiceStream,
        settings: EndpointingSettings,
        *,
        partials: bool,
        progress_s: float | None = None,
    ) -> None:
        self._session = session
        self._voice = voice
        self._endpointing = Endpointing(settings)
        self._partials = partials
        self._progress_frames = None if progress_s is None else max(1, round(progress_s / FRAME_S))
        self._rest: Samples = np.zeros(0, np.float32)
        self._lead: deque[Samples] = deque(maxlen=LEAD_FRAMES)
        self._frames = 0
        self._open: _Spoken | None = None
        """The utterance that is being said."""
        self._writing: asyncio.Task[None] | None = None
        """Of the last utterance, which may have ended."""
        self._before: asyncio.Task[None] | None = None
        """Of the one before it, where its words were not told when the last began."""
        self._last: _Spoken | None = None
        self._next_partial = 0
        self._last_words: list[str] = []
        self._paused = False
        self._untold: asyncio.Queue[Told | Exception | None] = asyncio.Queue(MAX_UNTOLD)
        self._telling = asyncio.Lock()

    @property
    def heard_s(self) -> float:
        return self._frames * FRAME_S + len(self._rest) / SAMPLE_RATE_HZ

    async def events(self, sounds: AsyncGenerator[Samples | EndUtterance]) -> AsyncGenerator[Told]:
        """What happens, until all is heard; their end ends the utterance that is open. Closing it frees everything.

        Raises what `sounds` raises, and the engine.
        """
        hearing = asyncio.create_task(self._hear_all(sounds))
        try:
            while (told := await self._untold.get()) is not None:
                if isinstance(told, Exception):
                    raise told
                yield told
        finally:
            tasks = [task for task in (hearing, self._before, self._writing) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _hear_all(self, sounds: AsyncGenerator[Samples | EndUtterance]) -> None:
        try:
            async with contextlib.aclosing(sounds):
                async for sound in sounds:
                    if isinstance(sound, EndUtterance):
                        await self._end_utterance()
                        if self._progress_frames is not None:
                            await self._tell(Progressed(self._speech_until_s, utterance_ended=True))
                    else:
                        await self._hear(sound)
            await self._end_utterance()
            await self._untold.put(None)
        except Exception as error:
            if self._open is None:
                with contextlib.suppress(EngineFailed):
                    await self._written()
            await self._untold.put(error)

    async def _hear(self, samples: Samples) -> None:
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) // FRAME_SAMPLES * FRAME_SAMPLES
        self._rest = samples[whole:]
        if not whole:
            return
        for frame, likely in zip(
            samples[:whole].reshape(-1, FRAME_SAMPLES), await self._voice.probabilities(samples[:whole]), strict=True
        ):
            self._frames += 1
            change = self._endpointing.hear(float(likely))
            self._lead.append(frame)
            if change is Change.STARTED:
                await self._begin()
            elif self._open is not None:
                await self._go_on(self._open, frame, change)
            elif self._is_silence_due():
                await self._tell(Progressed(self._speech_until_s))

    async def _begin(self) -> None:
        if self._before is not None and self._last is not None:
            # Of two utterances that wait for their words, the first.
            await asyncio.wait([self._before])
            await self._tell_held(self._last)
        is_written = self._writing is None or self._writing.done()
        self._before = None if is_written else self._writing
        start_s = self._endpointing.started_frame * FRAME_S
        self._open = self._last = _Spoken(
            Decoding(), self._frames - len(self._lead), start_s, held=None if is_written else []
        )
        self._next_partial, self._last_words = self._frames + PARTIAL_FRAMES, []
        self._paused = False
        await self._tell(Started(start_s), self._open)
        self._writing = asyncio.create_task(self._write(self._open, self._before))
        for frame in self._lead:
            await self._open.decoding.feed(frame)

    async def _go_on(self, spoken: _Spoken, frame: Samples, change: Change) -> None:
        if change is Change.NOTHING and self._is_progress_due():
            # At once, also where the beginning is not told yet: whoever waits to speak wants to know.
            await self._tell(Progressed(self._speech_until_s))
        silent_frames = self._frames - self._endpointing.spoken_frame
        if self._paused and not silent_frames:
            spoken.decoding.resume()
            self._paused = False
        if change is Change.ENDED:
            await self._end(spoken, frame)
            return
        await spoken.decoding.feed(frame)
        if silent_frames >= PAUSE_FRAMES and not self._paused:
            spoken.decoding.pause()
            self._paused = True
        elif self._partials and not silent_frames and self._frames >= self._next_partial:
            self._next_partial = self._frames + PARTIAL_FRAMES
            spoken.decoding.ask()

    async def _end_utterance(self) -> None:
        """Where one is open; and waits for the words of the last, which silence may have ended before."""
        if (spoken := self._open) is not None:
            self._endpointing.end()
            await self._end(spoken, np.concatenate([self._rest, np.zeros(TAIL_SAMPLES, np.float32)]))
        await self._written()

    async def _end(self, spoken: _Spoken, last: Samples) -> None:
        # Nothing that the engine tells now is partial.
        self._open = None
        spoken.end_s = self._speech_until_s
        await self._tell(Ended(spoken.end_s), spoken)
        await spoken.decoding.feed(last)
        spoken.decoding.finish()
        self._lead.clear()

    async def _written(self) -> None:
        """Waits until what was said last is written down and told."""
        if self._writing is not None:
            await asyncio.wait([self._writing])
            if self._writing.cancelled():
                raise EngineFailed("the engine ended before it had written down what was said")

    async def _write(self, spoken: _Spoken, before: asyncio.Task[None] | None) -> None:
        """Waits for the one before."""
        try:
            if before is not None:
                await asyncio.wait([before])
                await self._tell_held(spoken)
            async with contextlib.aclosing(spoken.decoding.results(self._session)) as results:
                async for result in results:
                    if isinstance(result, Hypothesis):
                        final = Final(result, spoken.first_frame * FRAME_S, spoken.start_s, spoken.end_s)
                        await self._tell(final)
                    else:
                        await self._tell_partial(spoken, result)
        except Exception as error:
            await self._untold.put(error)

    async def _tell_partial(self, spoken: _Spoken, text: str | None) -> None:
        """Stable is what two partial results in a row agree on."""
        if not text:
            self._next_partial = min(self._next_partial, self._frames + AGAIN_FRAMES)
            return
        words = text.split(" ")
        agreed = 0
        while agreed < min(len(words), len(self._last_words)) and words[agreed] == self._last_words[agreed]:
            agreed += 1
        self._last_words = words
        async with self._telling:
            if spoken is self._open:
                await self._untold.put(Told(Heard(text, len(" ".join(words[:agreed]))), self.heard_s))

    async def _tell(self, event: Event, of: _Spoken | None = None) -> None:
        """One after the other; of an utterance that is held, later."""
        async with self._telling:
            if of is not None and of.held is not None:
                of.held.append(event)
            else:
                await self._untold.put(Told(event, self.heard_s))

    async def _tell_held(self, spoken: _Spoken) -> None:
        async with self._telling:
            held, spoken.held = spoken.held or [], None
            for event in held:
                await self._untold.put(Told(event, self.heard_s))

    @property
    def _speech_until_s(self) -> float:
        """Where speech was heard last."""
        return min(self.heard_s, self._endpointing.spoken_frame * FRAME_S)

    def _is_progress_due(self) -> bool:
        frames = self._frames - self._endpointing.started_frame
        every = self._progress_frames
        return every is not None and (frames <= EAGER_FRAMES or frames % every == 0)

    def _is_silence_due(self) -> bool:
        is_written = self._writing is None or self._writing.done()
        return self._progress_frames is not None and is_written and self._frames % ALIVE_FRAMES == 0
