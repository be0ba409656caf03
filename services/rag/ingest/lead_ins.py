"""Gives list items and table rows what introduces them.

To a row it is the sentence before the table (its caption, most often); to an item the one before the list, when
it ends in a colon, and the items it stands under.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from services.rag.document import Block, Kind
from services.rag.sentences import sentences

MAX_PARENT_CHARACTERS = 160
MAX_LEAD_IN_CHARACTERS = 400


def with_lead_ins(blocks: Iterable[Block], language: str = "en") -> Iterator[Block]:
    """The same blocks; those that a parser gave a lead-in keep it."""
    introduction = sentence = ""
    parents: list[tuple[int, str]] = []
    for block in blocks:
        if block.kind is Kind.ITEM:
            while parents and parents[-1][0] >= block.level:
                parents.pop()
            lead_in = block.lead_in or " ".join(filter(None, (introduction, *(text for _, text in parents))))
            yield replace(block, lead_in=lead_in[-MAX_LEAD_IN_CHARACTERS:])
            parents.append((block.level, block.text[:MAX_PARENT_CHARACTERS]))
        elif block.kind is Kind.ROW:
            parents.clear()
            lead_in = " ".join(filter(None, (sentence, block.lead_in)))
            yield replace(block, lead_in=lead_in[-MAX_LEAD_IN_CHARACTERS:])
        else:
            parents.clear()
            sentence = _last_sentence(block, language)
            introduction = sentence if sentence.endswith((":", "：")) else ""
            yield block


def _last_sentence(block: Block, language: str) -> str:
    if block.kind is not Kind.PARAGRAPH:
        return ""
    *_, (start, end) = sentences(block.text, language)
    return block.text[start:end]
