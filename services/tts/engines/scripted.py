"""A deterministic engine without weights: each word is a tone whose pitch follows from its letters.

Whoever hears the tones can tell which words were spoken, so tests can prove whose audio they got.
"""

import asyncio
import re
from collections.abc import Sequence
from zlib import crc32

import numpy as np

from services.tts.engine import Clause, Gender, Model, Samples, SpokenWord, Voice

SAMPLE_RATE_HZ = 16_000
TONE_MS, GAP_MS = 80, 20
LOWEST_HZ, STEP_HZ, STEPS = 400, 25, 200
_WORD = re.compile(r"\w[\w'’-]*")


def pitch_hz(word: str) -> int:
    """The pitch of a word's tone; 400 to 5375 Hz, at 25 Hz from its nearest."""
    return LOWEST_HZ + STEP_HZ * (crc32(word.lower().encode()) % STEPS)


class Scripted:
    """Two voices, one twice as loud; the service makes them alike."""

    model = Model(id="scripted", engine="scripted")
    voices: Sequence[Voice] = (
        Voice("tone", "en-US", Gender.NEUTRAL, "Apache-2.0", SAMPLE_RATE_HZ),
        Voice("loud-tone", "en-US", Gender.NEUTRAL, "Apache-2.0", SAMPLE_RATE_HZ),
        Voice("tono", "es-ES", Gender.NEUTRAL, "Apache-2.0", SAMPLE_RATE_HZ),
    )

    def __init__(self, delay_ms: float = 0.0) -> None:
        self._delay_s = delay_ms / 1000

    async def speak(self, text: str, voice: Voice, rate: float, due_s: float | None = None) -> Clause:
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        amplitude = 0.4 if voice.id == "loud-tone" else 0.2
        pieces: list[Samples] = []
        words = []
        at_s = 0.0
        for word in _WORD.findall(text):
            tone = _tone(pitch_hz(word), round(TONE_MS * SAMPLE_RATE_HZ / 1000 / rate), amplitude)
            gap = np.zeros(round(GAP_MS * SAMPLE_RATE_HZ / 1000 / rate), np.float32)
            words.append(SpokenWord(word, at_s, at_s + len(tone) / SAMPLE_RATE_HZ))
            at_s += (len(tone) + len(gap)) / SAMPLE_RATE_HZ
            pieces += [tone, gap]
        return Clause(np.concatenate(pieces) if pieces else np.zeros(0, np.float32), words)

    async def close(self) -> None:
        """Holds nothing."""


def _tone(pitch: int, length: int, amplitude: float) -> Samples:
    phase = 2 * np.pi * pitch / SAMPLE_RATE_HZ * np.arange(length)
    sine: Samples = (amplitude * np.sin(phase)).astype(np.float32)
    return sine
