"""What a speech recognition engine promises."""

import enum
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000
Samples = NDArray[np.float32]
"""Mono, -1 to 1, at `SAMPLE_RATE_HZ`."""


class Task(enum.Enum):
    TRANSCRIBE = "transcribe"
    TRANSLATE = "translate"
    """Into English."""


@dataclass(frozen=True)
class Model:
    """What an engine runs, and can do."""

    id: str
    engine: str
    languages: Sequence[str]
    """BCP-47; the first is heard where none is asked for and none is detected."""
    detects_language: bool = False
    hotwords: bool = False
    translates: bool = False
    licence: str = ""
    """SPDX expression; empty without weights."""
    commercial_use: bool | None = None


@dataclass(frozen=True)
class Options:
    """How to listen; only what the model can do."""

    language: str = ""
    """One of the model's; empty: detect it."""
    task: Task = Task.TRANSCRIBE
    hotwords: Sequence[str] = ()
    word_times: bool = False
    """Whether anybody asks when the words were said; an engine that knows it anyway may tell."""


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    start_s: float
    """From the start of the utterance's audio."""
    end_s: float
    confidence: float | None = None
    """0 to 1."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What was said in an utterance."""

    text: str
    language: str
    words: Sequence[Word] = ()
    confidence: float | None = None


class Utterance(Protocol):
    """Speech between two pauses; used by one task."""

    async def feed(self, samples: Samples) -> None:
        """More of it; may be any length."""

    async def partial(self) -> str | None:
        """What has been heard so far; None where the engine cannot tell now."""

    def pause(self) -> None:
        """The speaker falls silent: the utterance may be over."""

    def resume(self) -> None:
        """It was not: the speaker goes on."""

    async def finish(self) -> Hypothesis:
        """What was said. The utterance is over."""


class Session(Protocol):
    """What an engine remembers of one stream: how its microphone sounds, for one. Used by one task."""

    def listen(self) -> AbstractAsyncContextManager[Utterance]:
        """The next utterance; leaving it early drops it and frees what it held.

        Raises (also from the utterance's methods):
            Overloaded: too many utterances wait.
            EngineFailed: the engine failed.
        """


class Engine(Protocol):
    """One model, shared by all streams of an event loop; never blocks the loop."""

    @property
    def model(self) -> Model:
        """What it runs."""

    def session(self, options: Options, *, live: bool) -> Session:
        """For one stream; holds nothing that must be freed.

        Args:
            live: whether somebody is speaking now, and waits for the end; else the audio is all there.
        """

    async def close(self) -> None:
        """Frees the model."""
