"""Makes all voices equally loud by one gain a voice, so that loudness never changes from clause to clause."""

from collections.abc import Mapping

import numpy as np

from services.tts.engine import Engine, Samples

TARGET_DBFS = -20.0
"""Level of the loud half of speech; what leaves crest for its peaks."""
CEILING, KNEE = 0.98, 0.8
# All vowels and most consonants of English; voices of other languages read it as they may.
PHRASE = "The quick brown fox jumps over the lazy dog."
FRAME_SAMPLES = 512


async def measured_gains(engine: Engine) -> Mapping[str, float]:
    """Voice → factor that brings it to `TARGET_DBFS`."""
    return {voice.id: _gain((await engine.speak(PHRASE, voice, 1.0)).samples) for voice in engine.voices}


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
