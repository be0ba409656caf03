"""Joins the lines of a PDF into headings, paragraphs and list items, across lines, columns and pages."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from services.rag.document import Block, Kind
from services.rag.ingest.parsers.characters import clean
from services.rag.ingest.parsers.pdf.lines import SAME_LINE, Line, line_of
from services.rag.ingest.parsers.pdf.list_markers import BULLETS, marker_of
from services.rag.ingest.parsers.pdf.profile import Profile, title_key
from services.rag.ingest.parsers.pdf.words import HYPHEN

LEADING = 1.75
"""A larger drop from line to line, in text sizes, ends a paragraph."""
SHORT = 0.85
"""A line that ends before this share of the paragraph's width may be its last."""

_SENTENCE_END = re.compile(r"[.!?:;。！？…][\"'”’)\]]*$")
_HYPHENATED = re.compile(r"([^\W\d_]+)[-\u2010\u00ad\x02]$")
_LEADERS = re.compile(r"(?:[.·…_]\s?){4,}\s*\d*\s*$")
_PAGE_REFERENCE = re.compile(r"\s+\d{1,5}$")


@dataclass(slots=True)
class _Open:
    """A block whose last line may not have come yet."""

    kind: Kind
    lines: list[Line]
    page: int
    level: int = 0
    marker: str = ""
    text_left: float = 0.0
    """Where the lines of an item begin, its marker aside."""


@dataclass(slots=True)
class Paragraphs:
    """Takes lines in reading order and gives blocks back. Holds one block at a time; `finish` gives the last."""

    profile: Profile
    _open: _Open | None = None
    _list_lefts: list[float] = field(default_factory=list)
    """Where the markers of the lists around the open item stand."""

    def feed(self, line: Line, page: int) -> Iterator[Block]:
        if _LEADERS.search(line.text) or self._is_contents(line):
            if self._open is not None and self._open.kind is Kind.HEADING:
                # "Contents": there is nothing under it.
                self._open = None
            yield from self.finish()
            return
        level = self.profile.heading_level(line)
        block = self._open
        marker = "" if level or self._in_mid_sentence(line) else marker_of(line.words[0].text)
        if block is not None and block.marker and self._beside(block, line) and len(block.lines[-1].words) == 1:
            # The text of an item whose marker stood apart.
            block.lines[-1] = line_of((*block.lines[-1].words, *line.words))
            block.text_left = line.words[0].left
            return
        if block is not None and self._continues(block, line, level, marker, page):
            block.lines.append(line)
            return
        yield from self.finish()
        if level:
            self._list_lefts.clear()
            self._open = _Open(Kind.HEADING, [line], page, level=level)
        elif marker:
            text_left = line.words[1].left if len(line.words) > 1 else line.right
            self._open = _Open(Kind.ITEM, [line], page, self._depth(line.left, line.size), marker, text_left)
        else:
            self._list_lefts.clear()
            self._open = _Open(Kind.PARAGRAPH, [line], page, text_left=line.left)

    def finish(self) -> Iterator[Block]:
        block, self._open = self._open, None
        if block is None:
            return
        lines = list(block.lines)
        text = clean(self._joined(lines, skip=1 if block.kind is Kind.ITEM else 0))
        if text:
            yield Block(block.kind, text, block.page, block.level, marker=block.marker)

    def _continues(self, block: _Open, line: Line, level: int, marker: str, page: int) -> bool:
        last = block.lines[-1]
        drop = last.baseline - line.baseline
        same_column = 0 < drop <= LEADING * max(last.size, line.size)
        if block.kind is Kind.HEADING:
            return level == block.level and same_column
        if level or marker or abs(line.size - last.size) > 1:
            return False
        if abs(drop) <= SAME_LINE * line.size and line.left >= last.right - line.size:
            return True
        if not same_column:
            # The next column or page: only what is plainly unfinished goes on there.
            unfinished = not _SENTENCE_END.search(last.text) and (
                line.text[0].islower() or last.text.endswith(("-", ","))
            )
            return unfinished and (drop < 0 or page != block.page)
        if block.kind is Kind.ITEM:
            return line.left > block.lines[0].left + 0.3 * line.size or not _SENTENCE_END.search(last.text)
        indented = line.left - min(earlier.left for earlier in block.lines) > 0.8 * line.size
        if len(block.lines) > 1 and indented and _SENTENCE_END.search(last.text):
            return False
        width = max(earlier.right for earlier in block.lines) - block.lines[0].left
        room = max(line.right, width + block.lines[0].left) - last.right
        first_word = line.words[0]
        fits = first_word.right - first_word.left + 0.3 * line.size < room
        ended = _SENTENCE_END.search(last.text) is not None
        return not (ended and fits and last.right - block.lines[0].left < SHORT * width)

    def _in_mid_sentence(self, line: Line) -> bool:
        """Whether a line goes on with a paragraph, so that "2." at its start ends a sentence and begins no item."""
        block = self._open
        if block is None or block.kind is not Kind.PARAGRAPH or line.words[0].text in BULLETS:
            return False
        last = block.lines[-1]
        below = 0 < last.baseline - line.baseline <= LEADING * line.size
        return below and abs(line.left - last.left) < 0.3 * line.size and not _SENTENCE_END.search(last.text)

    def _beside(self, block: _Open, line: Line) -> bool:
        last = block.lines[-1]
        return abs(last.baseline - line.baseline) <= SAME_LINE * line.size and line.left >= last.right

    def _depth(self, left: float, size: float) -> int:
        while self._list_lefts and self._list_lefts[-1] > left + 0.5 * size:
            self._list_lefts.pop()
        if not self._list_lefts or self._list_lefts[-1] < left - 0.5 * size:
            self._list_lefts.append(left)
        return min(8, len(self._list_lefts) - 1)

    def _is_contents(self, line: Line) -> bool:
        """Whether a line is one of the table of contents: a title of the outline and a page number."""
        text, found = _PAGE_REFERENCE.subn("", line.text)
        return (
            bool(found) and title_key(text) in self.profile.outline and title_key(line.text) not in self.profile.outline
        )

    def _joined(self, lines: list[Line], skip: int) -> str:
        parts = [" ".join(word.text for word in lines[0].words[skip:])]
        for line in lines[1:]:
            broken = _HYPHENATED.search(parts[-1])
            if broken and line.text[0].islower():
                parts[-1] = self._mended(parts[-1], broken, line.words[0].text)
                parts.append(line.text)
            else:
                parts += [" ", line.text]
        return "".join(parts).replace(HYPHEN, "-")

    def _mended(self, text: str, broken: "re.Match[str]", following: str) -> str:
        """The part before a broken word's rest: with its hyphen where the document writes the word so elsewhere."""
        rest = re.split(r"[^\w-]", following, maxsplit=1)[0].casefold()
        start = broken[1].casefold()
        known = self.profile.vocabulary
        if f"{start}-{rest}" in known and start + rest not in known:
            return text[: broken.end(1)] + "-"
        return text[: broken.end(1)]
