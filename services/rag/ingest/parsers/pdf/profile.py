"""What is typical of a document, learnt from a sample of its pages: body text, headings, running heads, its words."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.rag.ingest.parsers.pdf.lines import SAME_LINE, Line
from services.rag.ingest.parsers.pdf.words import Frame

MARGIN = 0.12
"""Running heads and feet stand within this share of the page's height from its edge."""
EDGE_GAP = 1.6
"""They stand apart from the text by more than this, in text sizes."""
MAX_EDGE_LINES = 6
REPEATED = 0.3
"""A line is a running head when it stands on at least this share of the pages (half of them may be left or right)."""
MAX_HEADING_CHARACTERS = 160
MAX_HEADING_LEVELS = 6

_DIGITS = re.compile(r"\d+")
_PAGE_NUMBER = re.compile(
    r"(?:(?:page|seite|p\.)\s*)?[-–—]?\s*(?:\d{1,5}|[ivxlc]{1,7})\s*[-–—]?(?:\s*(?:of|/|von)\s*\d+)?", re.I
)
_LETTER = re.compile(r"[^\W\d_]")

Style = tuple[float, bool]
"""Size in half points, and whether it is bold."""


@dataclass(frozen=True, slots=True)
class PageLines:
    """The lines of one page."""

    number: int
    """1-based."""
    frame: Frame
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    body_size: float
    heading_levels: Mapping[Style, int]
    """Styles that headings have: 1 is the outermost."""
    running: frozenset[str]
    """Lines that stand at the edge of many pages, digits as `#`."""
    vocabulary: frozenset[str]
    """Words, in lower case, that stand whole somewhere."""
    outline: frozenset[str]
    """Titles of the document's outline, normalised."""

    def body(self, page: PageLines) -> list[Line]:
        """The lines of a page without running heads and feet and page numbers."""
        edges = list(edge_lines(page))
        # What stands beside a page number (the chapter's title, often) goes with it.
        heights = [
            line.baseline
            for line in edges
            if normalised(line.text) in self.running or _PAGE_NUMBER.fullmatch(line.text)
        ]
        running = {
            id(line)
            for line in edges
            if any(abs(line.baseline - height) <= SAME_LINE * line.size for height in heights)
        }
        return [line for line in page.lines if id(line) not in running]

    def heading_level(self, line: Line) -> int:
        """0: no heading."""
        text = line.text
        if len(text) > MAX_HEADING_CHARACTERS or not _LETTER.search(text):
            return 0
        return self.heading_levels.get((line.size, line.bold), 0)


def normalised(text: str) -> str:
    return _DIGITS.sub("#", " ".join(text.split())).casefold()


def title_key(text: str) -> str:
    return " ".join(text.split()).casefold()


def learn(pages: Sequence[PageLines], outline: frozenset[str]) -> Profile:
    """The profile of a document from some of its pages, spread over it."""
    characters: Counter[float] = Counter()
    edges: Counter[str] = Counter()
    vocabulary: set[str] = set()
    for page in pages:
        for line in page.lines:
            characters[line.size] += len(line.text)
            vocabulary.update(word.text.strip(".,;:!?()[]\"'").casefold() for word in line.words)
        edges.update({normalised(line.text) for line in edge_lines(page)})
    least = max(2, REPEATED * len(pages))
    running = frozenset(text for text, count in edges.items() if count >= least)
    body_size = characters.most_common(1)[0][0] if characters else 0.0
    levels = _heading_levels(pages, body_size, running, outline)
    return Profile(body_size, levels, running, frozenset(vocabulary), outline)


def _heading_levels(
    pages: Sequence[PageLines], body_size: float, running: frozenset[str], outline: frozenset[str]
) -> dict[Style, int]:
    """Larger than the body or, at its size, bold throughout; and used for a few words, not for whole pages."""
    candidates: Counter[Style] = Counter()
    total = 0
    named: Counter[Style] = Counter()
    for page in pages:
        for line in page.lines:
            text = line.text
            if normalised(text) in running:
                continue
            style = (line.size, line.bold)
            total += len(text)
            if title_key(text) in outline:
                named[style] += 1
            if line.size >= body_size + 1 or (line.bold and line.size >= body_size):
                candidates[style] += len(text)
    # The body itself is no heading, even where the outline names a line of it.
    named.pop((body_size, False), None)
    styles = {style for style, count in candidates.items() if count <= 0.25 * total} | set(named)
    ordered = sorted(styles, reverse=True)[:MAX_HEADING_LEVELS]
    return {style: level for level, style in enumerate(ordered, start=1)}


def edge_lines(page: PageLines) -> Iterator[Line]:
    """The lines at the upper and at the lower edge that stand apart from the rest of the page."""
    height = page.frame.height
    downward = sorted(page.lines, key=lambda line: -line.baseline)
    for lines in (downward, downward[::-1]):
        apart: list[Line] = []
        for line in lines:
            if apart and abs(apart[-1].baseline - line.baseline) > EDGE_GAP * line.size:
                yield from apart
                break
            if MARGIN * height < line.baseline < (1 - MARGIN) * height or len(apart) == MAX_EDGE_LINES:
                break
            apart.append(line)
        else:
            yield from apart
