"""Makes all voices equally loud by one gain a voice, so that loudness never changes from clause to clause."""

import asyncio
from functools import partial

import numpy as np

from services.tts.engine import Engine, Samples, Voice

TARGET_DBFS = -20.0
"""Level of the loud half of speech; what leaves crest for its peaks."""
CEILING, KNEE = 0.98, 0.8
# All vowels and most consonants of English; voices of other languages read it as they may.
PHRASE = "The quick brown fox jumps over the lazy dog."
FRAME_SAMPLES = 512
MEASURED_AT_START = 16


class Gains:
    """The factor of each voice that brings it to `TARGET_DBFS`, measured once; for the tasks of one event loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._measured: dict[str, asyncio.Task[float]] = {}

    async def prime(self) -> None:
        """Measures the voices that are likely; where there are hundreds, the others when they are first asked for."""
        for voice in self._engine.voices[:MEASURED_AT_START]:
            await self.of(voice)

    async def of(self, voice: Voice) -> float:
        measuring = self._measured.get(voice.id)
        if measuring is None:
            measuring = self._measured[voice.id] = asyncio.create_task(self._measure(voice))
            measuring.add_done_callback(partial(self._forget_failure, voice.id))
        # Others may wait for it too.
        return await asyncio.shield(measuring)

    def _forget_failure(self, voice_id: str, measured: asyncio.Task[float]) -> None:
        if measured.cancelled() or measured.exception() is not None:
            del self._measured[voice_id]

    async def _measure(self, voice: Voice) -> float:
        return _gain((await self._engine.speak(PHRASE, voice, 1.0)).samples)


def _gain(samples: Samples) -> float:
    frames = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    powers = np.sort((frames**2).mean(axis=1))
    loud = float(powers[len(powers) // 2 :].mean()) if len(powers) else 0.0
    return float(10 ** (TARGET_DBFS / 20) / np.sqrt(loud)) if loud > 1e-8 else 1.0


def levelled(samples: Samples, gain: float) -> Samples:
    """The samples times the gain; peaks are rounded off above `KNEE` instead of being cut."""
    louder = samples * np.float32(gain)
    above = np.abs(louder) > KNEE
    if above.any():
        room = CEILING - KNEE
        rounded = KNEE + room * np.tanh((np.abs(louder[above]) - KNEE) / room)
        louder[above] = np.copysign(rounded, louder[above])
    return louder
