"""What a long operation on models tells whoever watches it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Progress:
    """`file` is a path of the catalogue or, while a wheel comes down, its requirement; empty while waiting."""

    stage: Literal["waiting", "fetching", "unpacking", "verifying", "bundling", "importing"]
    """`waiting`: another process works on the same model, and this one goes on when that is done.
    `unpacking`: the files come out of a wheel that is here."""
    model: str
    file: str
    done_bytes: int
    total_bytes: int | None
    """None where the source does not tell."""


Watch = Callable[[Progress], None]


def nobody(progress: Progress) -> None:
    """The watch of whoever does not want to know."""
