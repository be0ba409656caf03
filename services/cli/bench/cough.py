"""A cough as it sounds: a burst of breath, then the voice behind it, which a detector of voices takes for speech."""

import numpy as np
from numpy.typing import NDArray

from services.cli.bench.asr_speech import RATE_HZ, Samples

BREATH_S, VOICE_S = 0.08, 0.2
PITCHES_HZ = (100, 125)
FORMANTS_HZ, WIDTH_HZ = (700, 1150, 2500), 100
"""Of an open mouth."""
LOUDEST = 0.6
Sound = NDArray[np.float64]


def cough(seed: int) -> Samples:
    """Each seed coughs a little otherwise; at 16 kHz, 0.28 s long."""
    random = np.random.default_rng(seed)
    breath = random.normal(size=round(BREATH_S * RATE_HZ))
    length = round(VOICE_S * RATE_HZ)
    turns = np.cumsum(np.linspace(1.15, 0.8, length) * random.uniform(*PITCHES_HZ) / RATE_HZ)
    voice = _through_the_mouth(2 * (turns % 1) - 1 + random.normal(0, 0.05, length))
    whole = np.concatenate([_fading(breath, 0.04), 0.8 * _fading(voice, 0.1)])
    return (LOUDEST * whole).astype(np.float32)


def _through_the_mouth(sound: Sound) -> Sound:
    hz = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    lets_through = 0.02 + sum(1 / (1 + ((hz - formant_hz) / WIDTH_HZ) ** 2) for formant_hz in FORMANTS_HZ)
    return np.asarray(np.fft.irfft(np.fft.rfft(sound) * lets_through, len(sound)))


def _fading(sound: Sound, within_s: float) -> Sound:
    at_s = np.arange(len(sound)) / RATE_HZ
    return np.asarray(sound / np.abs(sound).max() * np.minimum(1, at_s / 0.005) * np.exp(-at_s / within_s))
