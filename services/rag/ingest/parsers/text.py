"""Plain text: paragraphs between blank lines, lists by their markers."""

import re
from collections.abc import Iterator

from services.rag.document import Block, Kind
from services.rag.ingest.parsers.characters import clean, decode

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")
_ITEM = re.compile(r"(\s*)([-*•–·]|\(?(?:\d{1,3}|[a-z])[.)])\s+(?=\S)")


def read_text(content: bytes) -> Iterator[Block]:
    """Lines that are wrapped by hand are joined; a line with a list's marker begins an item."""
    lines: list[str] = []
    for match in _LINE.finditer(decode(content)):
        line = match[0].rstrip()
        begins_item = _ITEM.match(line)
        if lines and (not line or begins_item):
            yield from _block(lines)
            lines = []
        if line:
            lines.append(line)
    if lines:
        yield from _block(lines)


def _block(lines: list[str]) -> Iterator[Block]:
    item = _ITEM.match(lines[0])
    if item:
        text = clean(" ".join([lines[0][item.end() :], *lines[1:]]))
        marker = "-" if item[2] in "-*•–·" else item[2]
        block = Block(Kind.ITEM, text, level=min(8, len(item[1].expandtabs(4)) // 2), marker=marker)
    else:
        block = Block(Kind.PARAGRAPH, clean(" ".join(lines)))
    if block.text:
        yield block
