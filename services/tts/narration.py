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
        silence = np.zeros(round(passage.pause_s * rate_hz), np.float32)
        samples = np.concatenate([levelled(clause.samples, self._gain * passage.gain), silence])
        begun_s = self._spoken_samples / rate_hz
        words = tuple(SpokenWord(word.text, begun_s + word.start_s, begun_s + word.end_s) for word in clause.words)
        self._spoken_samples += len(samples)
        size = rate_hz * FRAME_MS // 1000
        return [
            Frame(samples[start : start + size], words if start == 0 else ()) for start in range(0, len(samples), size)
        ]
