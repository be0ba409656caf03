"""Turns text into terms, the same for what is indexed, searched and counted; and terms into BM25 weights.

text ─NFKC, lower case─► words ─stop words out─► stems (Snowball) ─CRC-32─► term ids

A number keeps its decimals and loses its thousands separators: "£1,250.80" holds
the one term "1250.80". Scripts without spaces become pairs of characters.
"""

import math
import re
import threading
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import Stemmer
from qdrant_edge import Bm25, Bm25Config, DisabledStemmer, TokenizerType

SATURATION = 1.2
"""BM25's k1: how soon more of the same word stops to matter."""
LENGTH_WEIGHT = 0.75
"""BM25's b: how much a long text is discounted."""
MAX_TERM_CHARACTERS = 64
CACHED_WORDS = 200_000

Value = TypeVar("Value")
_STOP = -1
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_DECIMAL = r"\d+(?:[.,]\d+)+"
_LETTER = r"[^\W_]"
_SPACED_LETTER = rf"(?:(?![{_UNSPACED}]){_LETTER})"
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_WORD_ASCII = re.compile(rf"{_DECIMAL}|[A-Za-z0-9]+(?:'[A-Za-z0-9]+)*")
_WORD = re.compile(rf"{_DECIMAL}|{_LETTER}+(?:['’]{_LETTER}+)*")
_WORD_MIXED = re.compile(rf"{_DECIMAL}|[{_UNSPACED}]+|{_SPACED_LETTER}+(?:['’]{_SPACED_LETTER}+)*")
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
        self._known: dict[str, str] = {}
        self._ids: dict[str, int] = {}

    def terms(self, text: str) -> Iterator[Term]:
        """All terms of a text in order, stop words left out."""
        for word in _words(text):
            term = self._term_of(word.lower())
            if term:
                yield Term(word, term, id_of(term))

    def ids(self, text: str) -> list[int]:
        """The distinct term ids of a text."""
        return list(dict.fromkeys(term.id for term in self.terms(text)))

    def weigh(self, text: str) -> dict[int, float]:
        """BM25's part of each term that belongs to the text alone: term id → weight. Empty: no terms."""
        known = self._ids
        words = [word.lower() for word in _words(text)]
        ids = [known.get(word) for word in words]
        if None in ids:
            ids = [self._id_of(word) if id is None else id for word, id in zip(words, ids, strict=True)]
        counts = Counter(ids)
        del counts[_STOP]
        length = SATURATION * (1 - LENGTH_WEIGHT + LENGTH_WEIGHT * counts.total() / self._average_terms)
        return {term: count * (SATURATION + 1) / (count + length) for term, count in counts.items()}  # type: ignore[misc]

    def _id_of(self, word: str) -> int:
        """Id of a lower-case word's term; _STOP for a stop word."""
        id = self._ids.get(word)
        if id is None:
            term = self._term_of(word)
            id = id_of(term) if term else _STOP
            _keep(self._ids, word, id)
        return id

    def _term_of(self, word: str) -> str:
        """The term of a lower-case word; empty for a stop word."""
        term = self._known.get(word)
        if term is None:
            with self._lock:
                term = self._analyse(word[:MAX_TERM_CHARACTERS])
            _keep(self._known, word, term)
        return term

    def _analyse(self, word: str) -> str:
        if word[0].isdigit():
            return _THOUSANDS.sub("", word)
        word = word.replace("’", "'")
        if self._stop_words is not None and not self._stop_words.embed_query(word).indices:
            return ""
        return self._stemmer.stemWord(word) if self._stemmer is not None else word


def rarity(points: int, of_points: int) -> float:
    """BM25's part of a term that belongs to the collection alone (its IDF), never below zero.

    Args:
        points: that the term occurs in.
        of_points: that have a text.
    """
    return math.log(1 + (of_points - points + 0.5) / (points + 0.5))


def id_of(term: str) -> int:
    """The 32 bits that the index knows a term by. Two terms in a vocabulary of 100 000 may share them."""
    return zlib.crc32(term.encode())


def _keep(cache: dict[str, Value], word: str, value: Value) -> None:
    if len(word) <= MAX_TERM_CHARACTERS:
        if len(cache) >= CACHED_WORDS:
            cache.clear()
        cache[word] = value


def _words(text: str) -> list[str]:
    if text.isascii():
        return _WORD_ASCII.findall(text)
    text = unicodedata.normalize("NFKC", text)
    if not _IS_UNSPACED.search(text):
        return _WORD.findall(text)
    words: list[str] = []
    for word in _WORD_MIXED.findall(text):
        words += _pairs(word) if _IS_UNSPACED.match(word) else (word,)
    return words


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(max(1, len(run) - 1))]
