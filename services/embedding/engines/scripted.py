"""A deterministic engine without weights: a word's vector follows from its letters, a text's is their mean.

Texts that share words are alike, so search over it makes sense; synonyms are not alike.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from services.embedding.batched_engine import BatchedEngine
from services.embedding.config import EmbeddingConfig
from services.embedding.engine import InputType, Model
from services.kit.encoder.text import EncodedText, TokenisedText, Truncation, Vectors, input_name, normalised
from services.kit.errors import InvalidInput

DIMENSIONS = 64
MAX_TOKENS = 256
MODEL = "scripted"
_WORD = re.compile(r"\w+|[^\w\s]")


class WordTokeniser:
    """A token is a word or a mark; its id is its hash. There are no special tokens."""

    max_tokens = MAX_TOKENS

    def tokenise(
        self,
        texts: Sequence[str],
        truncation: Truncation,
        *,
        prefix: str = "",
        offsets: bool = False,
        name: Callable[[int], str] = input_name,
    ) -> list[TokenisedText]:
        before = [_word_id(match[0]) for match in _WORD.finditer(prefix)]
        room = MAX_TOKENS - len(before)
        tokenised = []
        for index, text in enumerate(texts):
            words = list(_WORD.finditer(text))
            if len(words) > room and truncation is Truncation.NONE:
                raise InvalidInput(f"{name(index)} has {len(words)} tokens, the model reads {MAX_TOKENS}")
            kept = words[-room:] if truncation is Truncation.START else words[:room]
            ids = [*before, *(_word_id(match[0]) for match in kept)]
            places = [match.span() for match in kept] if offsets else ()
            rows = slice(len(before), len(ids))
            tokenised.append(TokenisedText(ids, rows, places, truncated=len(words) > room))
        return tokenised


class WordEncoder:
    """Vectors of words in the order of their ids; a text without words has a vector of its own."""

    dimensions = DIMENSIONS
    tokeniser = WordTokeniser()

    def encode(self, texts: Sequence[TokenisedText], tokens: Sequence[bool]) -> list[EncodedText]:
        encoded = []
        for text, wanted in zip(texts, tokens, strict=True):
            rows = np.stack([_vector(word_id) for word_id in text.ids or (0,)])
            dense = normalised(rows.mean(axis=0, keepdims=True))[0]
            encoded.append(EncodedText(dense, rows[text.rows] if wanted else None))
        return encoded


def load_scripted(config: EmbeddingConfig) -> BatchedEngine:
    """Never fails and needs no files; `config.model` is ignored."""
    prefixes = {InputType.QUERY: config.query_prefix or "", InputType.PASSAGE: config.passage_prefix or ""}
    model = Model(id=MODEL, engine="scripted", max_tokens=MAX_TOKENS, dimensions=DIMENSIONS)
    return BatchedEngine(WordEncoder(), model, prefixes, config)


def _word_id(word: str) -> int:
    return int.from_bytes(blake2b(word.lower().encode(), digest_size=8).digest())


@lru_cache(maxsize=65_536)
def _vector(word_id: int) -> Vectors:
    drawn = np.random.default_rng(word_id).standard_normal((1, DIMENSIONS))
    unit: Vectors = normalised(drawn.astype(np.float32))[0]
    return unit
