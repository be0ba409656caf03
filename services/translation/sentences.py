"""Cuts a text into sentences and what stands between them, of which nothing is lost.

Sentences end at the end of a line at the latest, since line breaks stay as they are.
"""

import re
from collections.abc import Iterator

from sentencex import get_sentence_boundaries

from services.translation.marks import ANY

MAX_CHARACTERS = 500
"""Of a sentence; a longer one is cut, at a clause or a space where there is one. Models know no longer ones."""

_LINE = re.compile(r"[^\r\n\x85\u2028\u2029]+")
_CLAUSE_END = re.compile(r"[;:,—–、，；。]\s*")
_SPACE = re.compile(r"\s+")


def sentences(text: str, language: str) -> Iterator[tuple[int, int]]:
    """The places [start, end) of what is to be translated, in order; white space around it left out."""
    for line in _LINE.finditer(text):
        if not _speaks(line[0]):
            continue
        for boundary in get_sentence_boundaries(language, line[0]):
            start, end = line.start() + boundary["start_index"], line.start() + boundary["end_index"]
            yield from _short_enough(text, start, end)


def _short_enough(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end:
        piece_end = end if end - start <= MAX_CHARACTERS else _cut(text, start, start + MAX_CHARACTERS)
        piece = text[start:piece_end]
        if _speaks(piece):
            yield start + len(piece) - len(piece.lstrip()), piece_end - len(piece) + len(piece.rstrip())
        start = piece_end


def _cut(text: str, start: int, limit: int) -> int:
    """The last good place for a cut before the limit, in the second half of what it leaves."""
    for mark in (_CLAUSE_END, _SPACE):
        ends = [match.end() for match in mark.finditer(text, (start + limit) // 2, limit)]
        if ends:
            return ends[-1]
    return limit


def _speaks(text: str) -> bool:
    """Whether there is a letter in it."""
    return any(character.isalpha() for character in ANY.sub("", text))
