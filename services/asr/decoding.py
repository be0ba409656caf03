"""One utterance on its way to the engine: audio is taken at once, however long the engine takes over what came before.

feed, pause, resume, ask, finish ──► waiting, in order, AHEAD_SAMPLES at most ──► the engine's utterance ──► results
"""

import asyncio
import enum
from collections import deque
from collections.abc import AsyncGenerator

import numpy as np

from services.asr.engine import SAMPLE_RATE_HZ, Hypothesis, Samples, Session

AHEAD_SAMPLES = SAMPLE_RATE_HZ
"""What waits for the engine at most; past it whoever feeds waits too. An engine that begins anew, or shares its cores,
falls so far behind without anybody noticing: when speech begins and ends is told on time."""
STEP_SAMPLES = SAMPLE_RATE_HZ // 2
"""What the engine is given at a time, at most."""


class _Mark(enum.Enum):
    PAUSE = enum.auto()
    RESUME = enum.auto()
    ASK = enum.auto()
    FINISH = enum.auto()


class Decoding:
    """Filled by one task; emptied by another, which runs `results`."""

    def __init__(self) -> None:
        self._waiting: deque[Samples | _Mark] = deque()
        self._waiting_samples = 0
        self._changed = asyncio.Event()

    async def feed(self, samples: Samples) -> None:
        """Waits while there is too much."""
        while self._waiting_samples >= AHEAD_SAMPLES:
            self._changed.clear()
            await self._changed.wait()
        self._waiting_samples += len(samples)
        self._put(samples)

    def pause(self) -> None:
        self._put(_Mark.PAUSE)

    def resume(self) -> None:
        self._put(_Mark.RESUME)

    def ask(self) -> None:
        """For a partial result; it comes, or None does."""
        self._put(_Mark.ASK)

    def finish(self) -> None:
        self._put(_Mark.FINISH)

    async def results(self, session: Session) -> AsyncGenerator[str | Hypothesis | None]:
        """Partial results, each of which was asked for, and last what was said. Raises what the session raises."""
        async with session.listen() as utterance:
            while True:
                entry = await self._next()
                if not isinstance(entry, _Mark):
                    await utterance.feed(entry)
                elif entry is _Mark.PAUSE:
                    utterance.pause()
                elif entry is _Mark.RESUME:
                    utterance.resume()
                elif entry is _Mark.ASK:
                    yield await utterance.partial()
                else:
                    said = await utterance.finish()
                    break
        # Whoever is slow to take it keeps nobody else from the engine.
        yield said

    def _put(self, entry: Samples | _Mark) -> None:
        self._waiting.append(entry)
        self._changed.set()

    async def _next(self) -> Samples | _Mark:
        """A mark, or as much audio as comes before the next."""
        while not self._waiting:
            self._changed.clear()
            await self._changed.wait()
        entry = self._waiting.popleft()
        if isinstance(entry, _Mark):
            return entry
        pieces, length = [entry], len(entry)
        while (
            self._waiting and not isinstance(piece := self._waiting[0], _Mark) and length + len(piece) <= STEP_SAMPLES
        ):
            self._waiting.popleft()
            pieces.append(piece)
            length += len(piece)
        self._waiting_samples -= length
        self._changed.set()
        return np.concatenate(pieces)
