"""The nouns of encoding: what happens to a long text, what is read of a text, and its vectors."""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


class Truncation(enum.Enum):
    """What happens to a text that is longer than the model reads."""

    NONE = "none"
    """InvalidInput, naming both lengths."""
    START = "start"
    """Tokens are dropped from the start."""
    END = "end"
    """Tokens are dropped from the end."""


@dataclass(frozen=True, slots=True)
class TokenisedText:
    """What the model reads of one text."""

    ids: Sequence[int]
    """Special tokens included."""
    rows: slice
    """Which of `ids` are tokens of the text itself: neither special tokens nor the prefix."""
    offsets: Sequence[tuple[int, int]]
    """Start and end of each of these in the text, in characters; empty unless asked for."""
    truncated: bool

    @property
    def token_count(self) -> int:
        """Special tokens included."""
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class EncodedText:
    """The vectors of one text; float32, L2-normalised."""

    dense: Vectors
    """Shape (dimensions,)."""
    tokens: Vectors | None
    """Shape (tokens, dimensions), without special tokens and prefix. None unless asked for."""


def input_name(index: int) -> str:
    """How errors name a text unless the caller knows better."""
    return f"input {index}"


class TextTokeniser(Protocol):
    """Thread-safe; blocks."""

    max_tokens: int
    """The most tokens the model reads of one text, special tokens included."""

    def tokenise(
        self,
        texts: Sequence[str],
        truncation: Truncation,
        *,
        prefix: str = "",
        offsets: bool = False,
        name: Callable[[int], str] = input_name,
    ) -> list[TokenisedText]:
        """What the model reads of each text.

        Args:
            prefix: put before each text, for models trained so. Kept when a text is truncated.
            offsets: whether to say where the tokens stand.
            name: names a text in an error, by its index.

        Raises:
            InvalidInput: a text is too long.
        """


class TextEncoder(Protocol):
    """One loaded model; thread-safe."""

    dimensions: int

    @property
    def tokeniser(self) -> TextTokeniser:
        """The model's own."""

    def encode(self, texts: Sequence[TokenisedText], tokens: Sequence[bool]) -> list[EncodedText]:
        """Encodes one batch; blocks.

        Args:
            tokens: for each text whether its token vectors are wanted.

        Raises:
            EngineFailed: the model failed.
        """


def normalised(rows: Vectors) -> Vectors:
    """Rows of length 1 (L2). A row of zeros stays."""
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    unit: Vectors = rows / np.maximum(lengths, np.float32(1e-12))[:, np.newaxis]
    return unit
