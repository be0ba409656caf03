"""Hears one stream of audio: finds its utterances, has each of them written down, and tells what happens in order."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import numpy as np

from services.asr.endpointing import Change, Endpointing, EndpointingSettings
from services.asr.engine import SAMPLE_RATE_HZ, Hypothesis, Samples, Session, Utterance
from services.asr.vad import FRAME_S, FRAME_SAMPLES, VoiceStream

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


class Listening:
    """One stream; used by one task. `aclose` frees what an open utterance holds."""

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
        self._stack = AsyncExitStack()
        self._utterance: Utterance | None = None
        self._first_frame = 0
        self._next_partial = 0
        self._last_words: list[str] = []
        self._paused = False

    @property
    def heard_s(self) -> float:
        return self._frames * FRAME_S + len(self._rest) / SAMPLE_RATE_HZ

    @property
    def speech_until_s(self) -> float:
        """Where speech was heard last."""
        return self._endpointing.spoken_frame * FRAME_S

    async def hear(self, samples: Samples) -> AsyncIterator[Event]:
        """More audio; what it changes."""
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) // FRAME_SAMPLES * FRAME_SAMPLES
        self._rest = samples[whole:]
        if not whole:
            return
        unfed: list[Samples] = []
        for frame, likely in zip(
            samples[:whole].reshape(-1, FRAME_SAMPLES), await self._voice.probabilities(samples[:whole]), strict=True
        ):
            self._frames += 1
            change = self._endpointing.hear(float(likely))
            self._lead.append(frame)
            if change is Change.STARTED:
                self._utterance = await self._stack.enter_async_context(self._session.listen())
                self._first_frame = self._frames - len(self._lead)
                self._next_partial, self._last_words = self._frames + PARTIAL_FRAMES, []
                self._paused = False
                unfed = list(self._lead)
                yield Started(self._endpointing.started_frame * FRAME_S)
            elif self._utterance is not None:
                unfed.append(frame)
            if self._utterance is None:
                if self._progress_frames is not None and self._frames % ALIVE_FRAMES == 0:
                    yield Progressed(self.speech_until_s)
                continue
            if change is Change.NOTHING and self._is_progress_due():
                yield Progressed(self.speech_until_s)
            silent_frames = self._frames - self._endpointing.spoken_frame
            if self._paused and not silent_frames:
                self._utterance.resume()
                self._paused = False
            partial_due = self._frames >= self._next_partial and not silent_frames
            pauses = silent_frames >= PAUSE_FRAMES and not self._paused
            if change is not Change.ENDED and not partial_due and not pauses:
                continue
            await self._utterance.feed(np.concatenate(unfed))
            unfed = []
            if change is Change.ENDED:
                async for event in self._finished(self._utterance):
                    yield event
            elif pauses:
                self._utterance.pause()
                self._paused = True
            else:
                partial = await self._partial(self._utterance) if self._partials else None
                self._next_partial = self._frames + (PARTIAL_FRAMES if partial is not None else AGAIN_FRAMES)
                if partial is not None:
                    yield partial
        if self._utterance is not None and unfed:
            await self._utterance.feed(np.concatenate(unfed))

    async def end_utterance(self) -> AsyncIterator[Event]:
        """Ends the utterance that is open, if any."""
        if self._utterance is None:
            return
        self._endpointing.end()
        await self._utterance.feed(np.concatenate([self._rest, np.zeros(TAIL_SAMPLES, np.float32)]))
        async for event in self._finished(self._utterance):
            yield event

    async def aclose(self) -> None:
        await self._stack.aclose()

    def _is_progress_due(self) -> bool:
        frames = self._frames - self._endpointing.started_frame
        every = self._progress_frames
        return every is not None and (frames <= EAGER_FRAMES or frames % every == 0)

    async def _partial(self, utterance: Utterance) -> Heard | None:
        """Stable is what two partial results in a row agree on."""
        if not (text := await utterance.partial()):
            return None
        words = text.split(" ")
        agreed = 0
        while agreed < min(len(words), len(self._last_words)) and words[agreed] == self._last_words[agreed]:
            agreed += 1
        self._last_words = words
        return Heard(text, len(" ".join(words[:agreed])))

    async def _finished(self, utterance: Utterance) -> AsyncIterator[Event]:
        start_s = self._endpointing.started_frame * FRAME_S
        end_s = min(self.heard_s, self._endpointing.spoken_frame * FRAME_S)
        yield Ended(end_s)
        hypothesis = await utterance.finish()
        self._utterance = None
        await self._stack.aclose()
        self._lead.clear()
        yield Final(hypothesis, self._first_frame * FRAME_S, start_s, end_s)
