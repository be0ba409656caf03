"""The few words that stand for what is written in signs, for the languages that have rules here.

In other languages digits and signs are left to the engine, which may know them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from babel.numbers import get_decimal_symbol


@dataclass(frozen=True)
class Phrases:
    locale: str
    """For grouping and decimal marks, months and currencies."""
    link: str
    percent: str
    minus: str
    point: str
    until: str
    """Between the ends of a range."""
    signs: dict[str, str]
    """What a sign is called."""
    per: str
    """Between a unit and what it is counted in."""
    one: Callable[[str], str]
    """The number one before the name of a unit."""

    @property
    def point_mark(self) -> str:
        """What stands between a whole number and its fraction."""
        return get_decimal_symbol(self.locale)


def _un_or_una(name: str) -> str:
    first = name.split()[0]
    return "una" if first.endswith("a") and first != "día" else "un"


_FRENCH_FEMININE = {"tonne", "seconde", "milliseconde", "minute", "heure"}
PHRASES = {
    "en": Phrases("en", "the link", "percent", "minus", "point", "to",
                  {"&": "and", "+": "plus", "=": "equals", "@": "at", "±": "plus or minus", "×": "times",
                   "≤": "is at most", "≥": "is at least", "≠": "is not", "≈": "is about", "÷": "divided by"},
                  "per", lambda name: "one"),
    "es": Phrases("es", "el enlace", "por ciento", "menos", "coma", "a",
                  {"&": "y", "+": "más", "=": "igual a", "@": "arroba", "±": "más o menos", "×": "por"},
                  "por", _un_or_una),
    "fr": Phrases("fr", "le lien", "pour cent", "moins", "virgule", "à",
                  {"&": "et", "+": "plus", "=": "égale", "@": "arobase", "±": "plus ou moins", "×": "fois"},
                  "par", lambda name: "une" if name in _FRENCH_FEMININE else "un"),
    "de": Phrases("de", "der Link", "Prozent", "minus", "Komma", "bis",
                  {"&": "und", "+": "plus", "=": "gleich", "@": "at", "±": "plus minus", "×": "mal"},
                  "pro", lambda name: "eine" if name.endswith("e") else "ein"),
}  # fmt: skip


def phrases_of(language: str) -> Phrases | None:
    """Those of a BCP-47 language; None where there are no rules."""
    return PHRASES.get(language[:2].lower()) if language[2:3] in ("", "-", "_") else None
