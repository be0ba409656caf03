"""Gives list items and table rows what introduces them: a sentence that ends in a colon, a caption, the item above."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from services.rag.document import Block, Kind
from services.rag.sentences import sentences

MAX_PARENT_CHARACTERS = 160

_CAPTION = re.compile(r"(?:table|tabelle|tableau|tabla)\b", re.I)


def with_lead_ins(blocks: Iterable[Block], language: str = "en") -> Iterator[Block]:
    """The same blocks; those that a parser gave a lead-in keep it."""
    introduction = ""
    parents: list[tuple[int, str]] = []
    for block in blocks:
        if block.kind is Kind.ITEM:
            while parents and parents[-1][0] >= block.level:
                parents.pop()
            lead_in = block.lead_in or " ".join(filter(None, (introduction, *(text for _, text in parents))))
            yield replace(block, lead_in=lead_in)
            parents.append((block.level, block.text[:MAX_PARENT_CHARACTERS]))
        elif block.kind is Kind.ROW:
            parents.clear()
            yield replace(block, lead_in=" ".join(filter(None, (introduction, block.lead_in))))
        else:
            parents.clear()
            introduction = _introduction(block, language)
            yield block


def _introduction(block: Block, language: str) -> str:
    if block.kind is not Kind.PARAGRAPH:
        return ""
    if block.text.endswith((":", "：")):
        *_, (start, end) = sentences(block.text, language)
        return block.text[start:end]
    return block.text if _CAPTION.match(block.text) and len(block.text) <= MAX_PARENT_CHARACTERS else ""
