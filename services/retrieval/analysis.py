"""Turns text into terms, the same for what is indexed, searched and counted; and terms into BM25 weights.

text ─NFKC, lower case─► words ─stop words out─► stems (Snowball) ─CRC-32─► term ids

A number keeps its decimals and loses its thousands separators: "£1,250.80" holds
the one term "1250.80". Scripts without spaces become pairs of characters.
"""

import re
import threading
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import Stemmer
from qdrant_edge import Bm25, Bm25Config, DisabledStemmer, TokenizerType

SATURATION = 1.2
"""BM25's k1: how soon more of the same word stops to matter."""
LENGTH_WEIGHT = 0.75
"""BM25's b: how much a long text is discounted."""
MAX_TERM_CHARACTERS = 64
CACHED_WORDS = 200_000

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(
    rf"\d+(?:[.,]\d+)+(?!\w)|[{_UNSPACED}]+|(?:(?![{_UNSPACED}])[^\W_])+(?:['’](?:(?![{_UNSPACED}])[^\W_])+)*"
)
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_THOUSANDS = re.compile(r",(?=\d{3}(?!\d))")

_LANGUAGES = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "eu": "basque", "fi": "finnish", "fr": "french", "hu": "hungarian", "id": "indonesian", "it": "italian",
    "ne": "nepali", "nl": "dutch", "no": "norwegian", "nb": "norwegian", "pt": "portuguese", "ro": "romanian",
    "ru": "russian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Term:
    """A word of a text as it stands there (but in NFKC), its term, and the term's id."""

    word: str
    term: str
    id: int


class Analysis:
    """The analysis of one language. Share it among threads."""

    def __init__(self, language: str, average_terms: float) -> None:
        name = _LANGUAGES.get(language)
        self._average_terms = average_terms
        # A stemmer is not safe in two threads.
        self._lock = threading.Lock()
        self._stemmer = Stemmer.Stemmer(name) if name else None
        # Qdrant's lists of stop words (NLTK's): a word that its model drops is one.
        config = Bm25Config(language=name, tokenizer=TokenizerType.Whitespace, stemmer=DisabledStemmer())
        self._stop_words = Bm25(config) if name else None
        self._known: dict[str, tuple[str, int] | None] = {}

    def terms(self, text: str) -> Iterator[Term]:
        """All terms of a text in order, stop words left out."""
        for match in _WORD.finditer(text if text.isascii() else unicodedata.normalize("NFKC", text)):
            word = match.group()
            pieces = _pairs(word) if _IS_UNSPACED.match(word) else (word,)
            for piece in pieces:
                known = self._look_up(piece.lower())
                if known is not None:
                    yield Term(piece, *known)

    def _look_up(self, word: str) -> tuple[str, int] | None:
        """Term and id of a lower-case word; None for a stop word."""
        try:
            return self._known[word]
        except KeyError:
            pass
        with self._lock:
            if len(self._known) >= CACHED_WORDS:
                self._known.clear()
            term = self._term(word[:MAX_TERM_CHARACTERS])
            known = None if term is None else (term, zlib.crc32(term.encode()))
            if len(word) <= MAX_TERM_CHARACTERS:
                self._known[word] = known
        return known

    def _term(self, word: str) -> str | None:
        if word[0].isdigit():
            return _THOUSANDS.sub("", word)
        word = word.replace("’", "'")
        if self._stop_words is not None and not self._stop_words.embed_query(word).indices:
            return None
        return self._stemmer.stemWord(word) if self._stemmer is not None else word

    def weigh_query(self, text: str) -> list[int]:
        """The distinct term ids of a query; each weighs 1."""
        return list({term.id for term in self.terms(text)})

    def weigh(self, text: str) -> dict[int, float]:
        """BM25's part of each term that belongs to the text alone: term id → weight. Empty: no terms."""
        counts = Counter(term.id for term in self.terms(text))
        length = SATURATION * (1 - LENGTH_WEIGHT + LENGTH_WEIGHT * counts.total() / self._average_terms)
        return {term: count * (SATURATION + 1) / (count + length) for term, count in counts.items()}


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(max(1, len(run) - 1))]
