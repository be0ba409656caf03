"""What the asr bench speaks: sentences by flite, whose words are known, as samples at 16 kHz."""

import asyncio

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
RATE_HZ = 16_000
VOICE = "rms"
AUDIBLE = 0.02
SENTENCES = (
    "what is the capital of france",
    "the meeting begins at nine in the morning",
    "please open the window",
    "how much does the ticket cost",
    "the water in the river is very cold today",
    "when does the next train to london leave",
    "we need more time to finish the work",
    "she bought a new house near the school",
    "turn off the light in the kitchen",
    "they will come back on monday afternoon",
)
LONG = "they will come back on monday afternoon when the water in the river is very cold and the light is off again"
"""Without a pause, and longer than the five seconds that are heard of it."""


def spoken(texts: tuple[str, ...]) -> list[Samples]:
    """Without the silence around them. Raises NotFound where flite is not installed."""
    return asyncio.run(_spoken(texts))


async def _spoken(texts: tuple[str, ...]) -> list[Samples]:
    # Here, because the other benches are read where no tts engine is installed.
    from services.tts.config import TtsConfig
    from services.tts.engines.flite import VOICES, load_flite

    engine = await load_flite(TtsConfig(workers=1))
    voice = next(voice for voice in VOICES if voice.id == VOICE)
    try:
        return [_trimmed((await engine.speak(f"{text}.", voice, 1.0)).samples) for text in texts]
    finally:
        await engine.close()


def _trimmed(samples: Samples) -> Samples:
    audible = np.flatnonzero(np.abs(samples) > AUDIBLE)
    return samples[audible[0] : audible[-1] + 1]


def pcm(samples: Samples) -> bytes:
    """Sixteen bits, little endian."""
    audio: bytes = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    return audio


def silence(length_s: float) -> Samples:
    return np.zeros(round(length_s * RATE_HZ), np.float32)


def word_errors(said: str, heard: str) -> int:
    """Words to put in, take out or change, at least (Levenshtein distance over words)."""
    reference, hypothesis = said.lower().split(), heard.lower().split()
    row = list(range(len(hypothesis) + 1))
    for number, word in enumerate(reference, 1):
        before, row[0] = row[0], number
        for place, other in enumerate(hypothesis, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (word != other))
    return row[-1]
