"""How far a passage says each word of a question, be it in other words: by its stems, else by how near tokens are.

"How heavy is the crane?" is said by "the crane weighs 12 t", which has no "heavy". A word of a segment that stands
in its context is encoded with it, so the nearest token vector also tells that something else is meant.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ledge.model.v1 import model_pb2
from numpy.typing import NDArray

from services.kit.token_vectors import unpack
from services.rag.chunk_record import StoredChunk
from services.rag.evidence.question import Question

UNLIKE = 0.3
LIKE = 0.75
"""Cosines of tokens at which a word counts as not said and as said. In between it is said in part."""


@dataclass(frozen=True, slots=True, eq=False)
class SoughtWords:
    """The words of a question that tell something, each stem once, with the vectors of their tokens."""

    stems: tuple[str, ...]
    weights: NDArray[np.float64]
    token_vectors: NDArray[np.float32]
    """[tokens × dimensions], of these words alone."""
    turns: tuple[tuple[NDArray[np.intp], NDArray[np.intp]], ...]
    """Which words have a first token, a second, and so on, and where among the vectors it is: a word has no turn once
    its tokens are through, and none at all where the encoder has cut it off."""

    def coverage(self, said: NDArray[np.float64]) -> float:
        """Share of the question's weight that is said; 0 of a question without a word that tells something."""
        return float(self.coverages(said[np.newaxis])[0])

    def coverages(self, said: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same for each row of [segments × words]."""
        total = float(self.weights.sum())
        shares: NDArray[np.float64] = said @ self.weights / total if total else np.zeros(len(said))
        return shares

    def heaviest_missing(self, said: NDArray[np.float64]) -> float:
        """Weight of the word that is missed most."""
        return float(((1 - said) * self.weights).max(initial=0.0))


def sought_words(question: Question, vectors: model_pb2.TokenVectors, offsets: Sequence[int]) -> SoughtWords:
    """The words of a question, found again among its token vectors.

    Args:
        offsets: where the tokens stand in the question: start and end alternating.
    """
    starts = np.array(offsets[::2], np.int64)
    heaviest = {asked.word.stem: asked for asked in sorted(question.words, key=lambda asked: asked.weight)}
    own = [np.flatnonzero((starts >= asked.word.start) & (starts < asked.word.end)) for asked in heaviest.values()]
    rows = unpack(vectors, vectors.dimensions, "question").to_float32()
    counts = np.array([len(tokens) for tokens in own], np.intp)
    firsts = np.cumsum(counts) - counts
    turns = ((np.flatnonzero(counts > turn), firsts[counts > turn] + turn) for turn in range(counts.max(initial=0)))
    return SoughtWords(
        tuple(heaviest),
        np.array([asked.weight for asked in heaviest.values()], np.float64),
        rows[np.concatenate(own)] if own else rows[:0],
        tuple(turns),
    )


def said_words(sought: SoughtWords, chunk: StoredChunk, stems: Sequence[frozenset[str]]) -> NDArray[np.float64]:
    """How far each segment says each word, from 0 to 1: [segments × words].

    Args:
        stems: of each segment with its headings and its lead-in.
    """
    said = np.array([[stem in known for stem in sought.stems] for known in stems], np.float64)
    said = said.reshape(len(stems), len(sought.stems))
    if not said.size:
        return said
    rows = chunk.token_rows()
    cosines = rows @ sought.token_vectors.T
    likeness = np.full((len(rows), len(sought.stems)), -1.0)
    for words, tokens in sought.turns:
        likeness[:, words] = np.maximum(likeness[:, words], cosines[:, tokens])
    likeness = np.clip((likeness - UNLIKE) / (LIKE - UNLIKE), 0, 1)
    return np.maximum(said, chunk.greatest(likeness))
