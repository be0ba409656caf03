"""Words of a text by their stems, so that "pumps" in a question meets "pump" in a document.

The same cut into words as text search uses: letters and digits hold together, a number keeps its decimals and
loses its thousands separators, and everything else separates ("PS-2503" is two words).
"""

import re
import threading
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import Stemmer

CACHED_WORDS = 100_000
CACHED_TEXTS = 4096
MAX_CACHED_CHARACTERS = 4096
MAX_WORD_CHARACTERS = 64

_WORD = re.compile(r"\d+(?:[.,]\d+)+|[^\W_]+(?:['’][^\W_]+)*")
_THOUSANDS = re.compile(r",(?=\d{3}(?!\d))")
_LANGUAGES = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "eu": "basque", "fi": "finnish", "fr": "french", "hu": "hungarian", "id": "indonesian", "it": "italian",
    "ne": "nepali", "nb": "norwegian", "nl": "dutch", "no": "norwegian", "pt": "portuguese", "ro": "romanian",
    "ru": "russian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Word:
    """A word where it stands."""

    text: str
    stem: str
    start: int
    end: int


class Words:
    """Cuts and stems for one language; a language without a stemmer keeps its words whole. Share it among threads."""

    def __init__(self, language: str = "en") -> None:
        name = _LANGUAGES.get(language)
        # A stemmer is not safe in two threads.
        self._lock = threading.Lock()
        self._stemmer = Stemmer.Stemmer(name) if name else None
        self._stems: dict[str, str] = {}
        # A passage is weighed for many questions, and several times for one that takes several steps.
        self._stems_of = lru_cache(CACHED_TEXTS)(self._cut)

    def of(self, text: str) -> list[Word]:
        """All words in order, with their places."""
        return [
            Word(match.group(), self._stem(match.group()), match.start(), match.end()) for match in _WORD.finditer(text)
        ]

    def stems(self, text: str) -> tuple[str, ...]:
        """The stems alone."""
        return self._stems_of(text) if len(text) <= MAX_CACHED_CHARACTERS else self._cut(text)

    def _cut(self, text: str) -> tuple[str, ...]:
        known = self._stems
        return tuple([known.get(word) or self._stem(word) for word in _WORD.findall(text)])

    def _stem(self, word: str) -> str:
        stem = self._stems.get(word)
        if stem is None:
            lower = unicodedata.normalize("NFKC", word[:MAX_WORD_CHARACTERS]).lower().replace("’", "'")
            if lower[0].isdigit():
                stem = _THOUSANDS.sub("", lower)
            else:
                with self._lock:
                    stem = self._stemmer.stemWord(lower) if self._stemmer is not None else lower
            if len(self._stems) >= CACHED_WORDS:
                self._stems.clear()
            if len(word) <= MAX_WORD_CHARACTERS:
                self._stems[word] = stem
        return stem
