"""The lines of a PDF page: words that stand beside each other, cut where a gap is too wide for a space."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from services.rag.ingest.parsers.pdf.words import Word

SAME_LINE = 0.35
"""Two baselines are the same when they differ by less than this share of the text's size."""
WIDE_GAP = 1.1
"""A gap between words wider than this share of the size separates cells. Justified text stays below."""
LEADER_GAP = 10.0
"""The same before dots that lead the eye to a page number."""
LEADERS = ".·…_"


@dataclass(frozen=True, slots=True)
class Line:
    """A piece of text on one baseline. Coordinates as in `Word`."""

    words: tuple[Word, ...]
    text: str
    left: float
    right: float
    baseline: float
    size: float
    """Of most of its text, in half points."""
    bold: bool
    """Whether all of it is bold."""


def line_of(words: Sequence[Word]) -> Line:
    sizes: dict[float, int] = {}
    for word in words:
        sizes[word.size] = sizes.get(word.size, 0) + len(word.text)
    size = max(sizes, key=lambda size: sizes[size])
    baseline = next(word.baseline for word in words if word.size == size)
    return Line(
        words=tuple(words),
        text=" ".join(word.text for word in words),
        left=words[0].left,
        right=words[-1].right,
        baseline=baseline,
        size=round(size * 2) / 2,
        bold=all(word.bold for word in words),
    )


def lines_of(words: Iterable[Word]) -> Iterator[Line]:
    """The lines in the order the page draws them; cells of a table row are lines of their own."""
    line: list[Word] = []
    for word in words:
        if line and not _continues(line[-1], word):
            yield line_of(line)
            line = []
        line.append(word)
    if line:
        yield line_of(line)


def _continues(previous: Word, word: Word) -> bool:
    size = max(previous.size, word.size)
    rise = abs(word.baseline - previous.baseline)
    if rise > size or (word.begins_line and rise > SAME_LINE * size):
        return False
    widest = size * (LEADER_GAP if not word.text.strip(LEADERS) else WIDE_GAP)
    return -size < word.left - previous.right < widest
