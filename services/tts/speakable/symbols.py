"""Leaves of a text what a voice can say: letters, digits, and the marks that pause or raise it."""

import re
import unicodedata

from services.tts.speakable.phrases import phrases_of

_KEPT = frozenset(".,;:!?…'’\"“”()-–—¿¡。、！？，；：«»%/")
# Joiners, direction, soft hyphens: they stand inside words. What else has no sound stands between them.
_DROPPED = frozenset({"Cf", "Cs", "Me"})
_ACCENTS = frozenset({"Mn", "Mc"})
_EMOJI_FOLLOWS = "\ufe0f"
_SPACES = re.compile(r"\s+")
_LONELY_MARKS = re.compile(r"(?:^|(?<=\s))[^\w\s]+(?=\s|$)")


def without_symbols(text: str, language: str) -> str:
    """The text in one line; a sign that has a name in the language is called by it, others are left out."""
    phrases = phrases_of(language)
    signs = phrases.signs if phrases is not None else {}
    text = "".join(f" {signs[character]} " if character in signs else _said(character) for character in text)
    text = _LONELY_MARKS.sub(lambda marks: marks[0] if set(marks[0]) <= set("—–-¿¡") else "", text)
    text = _SPACES.sub(" ", text).strip()
    return text if any(character.isalnum() for character in text) else ""


def _said(character: str) -> str:
    if character.isalnum() or character in _KEPT:
        return character
    category = unicodedata.category(character)
    if category in _ACCENTS:
        return "" if character == _EMOJI_FOLLOWS else character
    return "" if category in _DROPPED else " "
