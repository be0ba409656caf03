"""What an embedding engine promises."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.kit.encoder.text import Truncation, Vectors


class InputType(enum.Enum):
    """What a text is. Models trained with prefixes or instructions get the right one."""

    QUERY = "query"
    PASSAGE = "passage"


@dataclass(frozen=True)
class Model:
    """The model an engine runs."""

    id: str
    engine: str
    max_tokens: int
    """The longest text, special tokens included."""
    dimensions: int
    licence: str = ""
    """SPDX expression; empty without weights."""
    commercial_use: bool | None = None


@dataclass(frozen=True, slots=True)
class Embedded:
    """One text's vectors; float32, L2-normalised."""

    dense: Vectors
    """Shape (dimensions,)."""
    tokens: Vectors | None
    """Shape (tokens, dimensions); None unless asked for. Special tokens and prefixes have no row."""
    offsets: Sequence[tuple[int, int]]
    """For each row of `tokens` its start and end in the text, in characters."""
    token_count: int
    """Tokens read, special tokens included."""
    truncated: bool


class Engine(Protocol):
    """One model, shared by all calls of an event loop; batches their texts and never blocks the loop."""

    @property
    def model(self) -> Model:
        """What it runs."""

    async def embed(
        self, texts: Sequence[str], input_type: InputType, truncation: Truncation, *, max_token_rows: int | None = None
    ) -> list[Embedded]:
        """One result a text, in order.

        Args:
            max_token_rows: make token vectors too, of all texts together so many at most. None: make none.

        Raises:
            InvalidInput: a text is too long and `truncation` is NONE, or there would be too many token vectors.
            Overloaded: the queue is full.
            EngineFailed: the model failed.
        """

    async def close(self) -> None:
        """Frees the model."""
