"""What a text-to-speech engine promises."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""Mono, -1 to 1."""


class Gender(enum.Enum):
    UNKNOWN = "unknown"
    FEMALE = "female"
    MALE = "male"
    NEUTRAL = "neutral"


@dataclass(frozen=True)
class Model:
    """What speaks."""

    id: str
    engine: str
    licence: str = ""
    """SPDX expression; empty without weights."""
    commercial_use: bool | None = None


@dataclass(frozen=True)
class Voice:
    id: str
    language: str
    """BCP-47."""
    gender: Gender
    licence: str
    """SPDX expression."""
    sample_rate_hz: int


@dataclass(frozen=True, slots=True)
class SpokenWord:
    text: str
    start_s: float
    """From the start of the clause."""
    end_s: float


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause, spoken."""

    samples: Samples
    """At the voice's own sample rate; empty where nothing in the text can be spoken."""
    words: Sequence[SpokenWord] = ()
    """Empty where the engine cannot tell."""


class Engine(Protocol):
    """All voices of one model, shared by the calls of an event loop; never blocks the loop."""

    @property
    def model(self) -> Model:
        """What it runs."""

    @property
    def voices(self) -> Sequence[Voice]:
        """At least one; the first of a language is its default."""

    async def speak(self, text: str, voice: Voice, rate: float, due_s: float | None = None) -> Clause:
        """One clause of speakable text (`services.tts.speakable`), at most a few hundred characters.

        Args:
            rate: how fast; 2 takes half the time.
            due_s: when it is to be heard, on the monotonic clock; of those who wait the first due is served first.
                Absent: now.

        Raises:
            Overloaded: too many callers wait.
            EngineFailed: the engine failed.
        """

    async def close(self) -> None:
        """Frees the model."""
