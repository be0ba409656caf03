"""What a document is made of: blocks as a parser reads them, chunks as they are stored, segments as they are quoted."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a block, and each segment cut from it, is."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    ITEM = "item"
    ROW = "row"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of a document in reading order. Its text is clean, and one line but for code."""

    kind: Kind
    text: str
    page: int | None = None
    """1-based; None in formats without pages."""
    level: int = 0
    """Headings: 1 (outermost) to 9. List items: how deep, from 0."""
    lead_in: str = ""
    """What introduces a list item or a table row and is not part of it."""
    marker: str = ""
    """List items: what stands before the text, `-` or `3.`."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The unit of evidence: a sentence, a list item, a table row or a few lines of code.

    It covers characters [start, end) of its chunk's body; segments of a chunk are in order and do not overlap.
    """

    start: int
    end: int
    kind: Kind
    lead_in: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage: the unit that is searched, reranked and cited."""

    index: int
    """Position in the document, from 0."""
    headings: tuple[str, ...]
    """Headings above it, outermost first."""
    body: str
    segments: tuple[Segment, ...]
    page: int | None = None
    """Page on which the body begins."""

    def text_of(self, segment: Segment) -> str:
        return self.body[segment.start : segment.end]
