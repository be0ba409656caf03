"""Judges what Whisper wrote, since it writes something for any noise, and at times one phrase again and again.

The measures and thresholds are those of the Whisper paper (Radford et al., 2022, section 4.5); its remedy, to draw at
random until something passes, is not: what is said twice must be written the same way twice.
"""

import math
import zlib
from dataclasses import dataclass

MOST_COMPRESSION = 2.4
"""Text that zlib makes shorter than this repeats itself."""
LEAST_LOG_PROBABILITY = -1.0
"""Mean over the tokens."""
LIKELY_SILENCE = 0.6
UNREPEATED_TOKENS = 3
"""A text that repeats itself is decoded again without any sequence of so many tokens twice."""


@dataclass(frozen=True, slots=True)
class Written:
    """What one decoding gave."""

    tokens: list[int]
    text: str
    log_probability: float
    """Mean over the tokens, the end included."""
    silence: float
    """How likely the model finds it that nobody speaks."""

    @property
    def confidence(self) -> float:
        return math.exp(min(0.0, self.log_probability))


def log_probability(score: float, tokens: int) -> float:
    """From CTranslate2's score, which is divided by the number of tokens without the end."""
    return score * tokens / (tokens + 1)


def repeats_itself(written: Written) -> bool:
    text = written.text.encode()
    return len(text) > MOST_COMPRESSION * len(zlib.compress(text))


def is_silence(written: Written) -> bool:
    """Nobody spoke, and the words are made up."""
    return written.silence > LIKELY_SILENCE and written.log_probability < LEAST_LOG_PROBABILITY
