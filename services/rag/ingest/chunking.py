"""Cuts a document into chunks along its structure: no chunk crosses a heading, no cut falls inside a sentence.

A section that is too long for one chunk is cut into pieces of about the same size. Nothing is lost and nothing
is said twice: the bodies of all chunks, one after the other, are the document without its headings (a heading
with nothing under it becomes a chunk of its own).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from services.rag.document import Block, Chunk, Kind, Segment
from services.rag.ingest.lead_ins import with_lead_ins
from services.rag.sentences import sentences

TARGET_TOKENS = 150
MAX_TOKENS = 190
"""Of a body, estimated. With its headings a chunk stays below the 256 tokens that a small encoder reads."""
MAX_SEGMENTS = 32
"""Of a chunk, however short they are: each takes a vector."""
MAX_HEADING_CHARACTERS = 250
"""What is longer is no heading, whatever it is set in."""
MAX_CODE_CHARACTERS = 300

_WORD = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|_")
_DENSE_SCRIPT = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Scripts that put no spaces between words: about a token a character."""


def estimated_tokens(text: str) -> int:
    """About how many word pieces a text has; rather too many than too few."""
    count = 0
    for word in _WORD.findall(text):
        if word.isdigit():
            count += 1 + (len(word) - 1) // 3
        elif word.isascii():
            count += 1 + (len(word) - 1) // 7
        elif _DENSE_SCRIPT.search(word):
            count += len(word)
        else:
            count += 1 + (len(word) - 1) // 3
    return count


@dataclass(slots=True)
class _Piece:
    """A segment before it has a place."""

    text: str
    kind: Kind
    lead_in: str
    before: str
    """What joins it to the piece before it: white space, and a list item's marker."""
    tokens: int
    page: int | None


def chunks(blocks: Iterable[Block], language: str = "en") -> Iterator[Chunk]:
    """Cuts blocks as they come; holds about two chunks at a time.

    Args:
        language: ISO 639 code; whose abbreviations and full stops sentences follow.
    """
    index = 0
    headings: list[tuple[int, str]] = []
    bare: Block | None = None
    waiting: list[_Piece] = []

    def path() -> tuple[str, ...]:
        return tuple(text for _, text in headings)

    for block in with_lead_ins(map(_honest, blocks), language):
        if block.kind is not Kind.HEADING:
            bare = None
            for piece in _pieces(block, language):
                waiting.append(piece)
                if len(waiting) > 2 * MAX_SEGMENTS or sum(piece.tokens for piece in waiting) > 2 * MAX_TOKENS:
                    cut = _cut_after(waiting, TARGET_TOKENS)
                    yield _chunk(index, path(), waiting[:cut])
                    index += 1
                    waiting = waiting[cut:]
            continue
        for part in _balanced(waiting):
            yield _chunk(index, path(), part)
            index += 1
        waiting = []
        if bare is not None and bare.level >= block.level:
            yield _heading_alone(index, path()[:-1], bare)
            index += 1
        while headings and headings[-1][0] >= block.level:
            headings.pop()
        headings.append((block.level, block.text))
        bare = block
    for part in _balanced(waiting):
        yield _chunk(index, path(), part)
        index += 1
    if bare is not None:
        yield _heading_alone(index, path()[:-1], bare)


def _honest(block: Block) -> Block:
    if block.kind is Kind.HEADING and len(block.text) > MAX_HEADING_CHARACTERS:
        return replace(block, kind=Kind.PARAGRAPH, level=0)
    return block


def _heading_alone(index: int, above: tuple[str, ...], block: Block) -> Chunk:
    return Chunk(index, above, block.text, (Segment(0, len(block.text), Kind.HEADING),), block.page)


def _pieces(block: Block, language: str) -> Iterator[_Piece]:
    spans = list(_code_spans(block.text) if block.kind is Kind.CODE else sentences(block.text, language))
    for place, (start, end) in enumerate(spans):
        text = block.text[start:end]
        marker = f"{block.marker} " if block.marker else ""
        before = block.text[spans[place - 1][1] : start] if place else f"\n{marker}"
        yield _Piece(text, block.kind, block.lead_in, before, estimated_tokens(text), block.page)


def _code_spans(text: str) -> Iterator[tuple[int, int]]:
    start = end = 0
    for line in re.finditer(r"[^\n]+", text):
        line_start = line.start()
        while line_start < line.end():
            line_end = min(line.end(), line_start + MAX_CODE_CHARACTERS)
            if end > start and line_end - start > MAX_CODE_CHARACTERS:
                yield start, end
                start = line_start
            end = line_end
            line_start = line_end
    if end > start:
        yield start, end


def _cut_after(pieces: list[_Piece], limit_tokens: float) -> int:
    """How many pieces, at least one, come nearest to the limit; what introduces the next piece goes with it."""
    total = 0
    count = 0
    for piece in pieces:
        if count and (total + piece.tokens / 2 > limit_tokens or count == MAX_SEGMENTS):
            break
        total += piece.tokens
        count += 1
    if 1 < count < len(pieces) and pieces[count - 1].text.endswith(":"):
        count -= 1
    return count


def _balanced(pieces: list[_Piece]) -> Iterator[list[_Piece]]:
    while pieces:
        total = sum(piece.tokens for piece in pieces)
        parts = max(-(-total // MAX_TOKENS), -(-len(pieces) // MAX_SEGMENTS))
        cut = len(pieces) if parts == 1 else _cut_after(pieces, total / parts)
        yield pieces[:cut]
        pieces = pieces[cut:]


def _chunk(index: int, headings: tuple[str, ...], pieces: list[_Piece]) -> Chunk:
    body = ""
    segments = []
    for piece in pieces:
        body += piece.before if body else piece.before.lstrip("\n ")
        segments.append(Segment(len(body), len(body) + len(piece.text), piece.kind, piece.lead_in))
        body += piece.text
    return Chunk(index, headings, body, tuple(segments), pieces[0].page)
