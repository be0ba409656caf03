"""What a reranking engine promises."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from services.kit.encoder.text import Vectors
from services.kit.token_vectors import TokenMatrix


@dataclass(frozen=True)
class Model:
    """The model an engine runs."""

    id: str
    engine: str
    max_tokens: int
    """The longest query, passage or segment, special tokens included."""
    dimensions: int | None = None
    """Width of the token vectors it takes; None: it takes none."""
    licence: str = ""
    """SPDX expression; empty without weights."""
    commercial_use: bool | None = None
    scores: Literal["similarity", "logit"] = "similarity"
    """What its scores are: similarities of at most 1, or logits."""

    def relevance(self, score: float) -> float:
        """A score as 0 to 1."""
        if self.scores == "similarity":
            return min(max(score, 0.0), 1.0)
        # Written so that no exponent grows without bound.
        return 0.5 * (1 + math.tanh(score / 2))


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked: a text, or its token vectors, or both."""

    text: str
    vectors: TokenMatrix | None = None
    """At least one row."""
    weights: Vectors | None = None
    """Shape (rows of `vectors`,), not negative, not all zero. None: all alike."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a passage: a text, or its token vectors, or both."""

    text: str
    vectors: TokenMatrix | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """What may answer. With segments, they are the passage; else its text is."""

    text: str
    segments: Sequence[Segment] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """Higher is better; comparable between calls of one model."""

    passage: float
    segments: Sequence[float]
    """One a segment, in order; empty where the engine scores whole passages only."""


class Engine(Protocol):
    """One model, shared by all calls of an event loop; never blocks the loop."""

    @property
    def model(self) -> Model:
        """What it runs."""

    async def score(self, query: Query, passages: Sequence[Passage], *, truncate: bool) -> list[Score]:
        """One score a passage, in order.

        Raises:
            InvalidInput: a text is too long and `truncate` is false; vectors that are not finite.
            Overloaded: the queue is full.
            EngineFailed: the model failed.
        """

    async def close(self) -> None:
        """Frees the model."""
