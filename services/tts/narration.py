"""Turns clauses into one unbroken piece of audio: the next clause is spoken while the last one is sent."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

import numpy as np

from services.tts.engine import Clause, Engine, Samples, SpokenWord, Voice
from services.tts.loudness import levelled
from services.tts.ssml import Passage

FRAME_MS = 100
"""What one message of a stream holds, at most."""
AUDIBLE = 0.003
"""Of full scale: some -50 dB."""
LEAD_S = 0.03
"""What is left of the silence that voices begin with (flite with a fifth of a second): a listener would wait for it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Some audio at the voice's rate, with the words that begin in the clause of which this is the first."""

    samples: Samples
    words: tuple[SpokenWord, ...] = ()


class Narrator:
    """Speaks for one request; `gain` makes its voice as loud as others.

    Of a listener who hears it while it is made, only the first clause is due at once: each later one when the audio
    before it has been heard, so that those who still wait for a first word go before.
    """

    def __init__(self, engine: Engine, voice: Voice, gain: float, rate: float, *, listened: bool) -> None:
        self._engine = engine
        self._voice = voice
        self._gain = gain
        self._rate = rate
        self._listened = listened
        self._begun_s: float | None = None
        self._spoken_samples = 0

    async def narrate(self, passages: AsyncIterator[Passage]) -> AsyncGenerator[Frame]:
        """The audio of all passages, at most `FRAME_MS` at a time."""
        ahead: asyncio.Task[tuple[Passage, Clause] | None] = asyncio.create_task(self._next(passages))
        try:
            while (spoken := await ahead) is not None:
                frames = self._frames(*spoken)
                ahead = asyncio.create_task(self._next(passages))
                for frame in frames:
                    yield frame
        finally:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)

    async def _next(self, passages: AsyncIterator[Passage]) -> tuple[Passage, Clause] | None:
        async for passage in passages:
            if not passage.text:
                return passage, Clause(np.zeros(0, np.float32))
            rate = min(4.0, max(0.25, self._rate * passage.rate))
            return passage, await self._engine.speak(passage.text, self._voice, rate, self._due_s())
        return None

    def _due_s(self) -> float | None:
        if not self._listened or self._begun_s is None:
            return None
        return self._begun_s + self._spoken_samples / self._voice.sample_rate_hz

    def _frames(self, passage: Passage, clause: Clause) -> list[Frame]:
        rate_hz = self._voice.sample_rate_hz
        self._begun_s = self._begun_s or time.monotonic()
        if not self._spoken_samples:
            clause = _at_once(clause, rate_hz)
        silence = np.zeros(round(passage.pause_s * rate_hz), np.float32)
        samples = np.concatenate([levelled(clause.samples, self._gain * passage.gain), silence])
        begun_s = self._spoken_samples / rate_hz
        words = tuple(SpokenWord(word.text, begun_s + word.start_s, begun_s + word.end_s) for word in clause.words)
        self._spoken_samples += len(samples)
        size = rate_hz * FRAME_MS // 1000
        return [
            Frame(samples[start : start + size], words if start == 0 else ()) for start in range(0, len(samples), size)
        ]


def _at_once(clause: Clause, rate_hz: int) -> Clause:
    """The clause without most of the silence before it."""
    audible = np.abs(clause.samples) > AUDIBLE
    cut = max(0, int(audible.argmax()) - round(LEAD_S * rate_hz)) if audible.any() else 0
    # Whole hundredths of a second, so that times in milliseconds stay exact.
    cut -= cut % (rate_hz // 100)
    cut_s = cut / rate_hz
    words = [
        SpokenWord(word.text, max(0.0, word.start_s - cut_s), max(0.0, word.end_s - cut_s)) for word in clause.words
    ]
    return Clause(clause.samples[cut:], words)
