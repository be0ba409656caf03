"""MaxSim, the late interaction of ColBERT (Khattab and Zaharia, SIGIR 2020, section 3.3), averaged over the query.

For each token of the query the best cosine to any token of the text; then the (weighted) mean of these. ColBERT sums;
the mean orders alike and can be compared between queries.
"""

import threading
from collections.abc import Sequence

import numpy as np

from services.kit.encoder.text import Vectors
from services.kit.token_vectors import TokenMatrix

# Rows that are widened to float32 and multiplied together: 1.5 MB at 384 dimensions, about a core's second-level cache.
BLOCK_ROWS = 1024
WORST = np.float32(-1.0)
"""The similarity to a text without tokens."""


class _Scratch(threading.local):
    """A thread's own memory for a block, kept: taking it from the system anew costs as much as the products."""

    block = np.empty((0, 0), np.float32)

    def rows(self, count: int, dimensions: int) -> Vectors:
        if count > BLOCK_ROWS:
            return np.empty((count, dimensions), np.float32)
        if self.block.shape[1] != dimensions:
            self.block = np.empty((BLOCK_ROWS, dimensions), np.float32)
        return self.block[:count]


_scratch = _Scratch()


def best_similarities(query: Vectors, texts: Sequence[TokenMatrix]) -> Vectors:
    """For each text and each token of the query the best cosine; shape (texts, query tokens).

    Not finite where the vectors of a text are not.
    """
    best = np.full((len(texts), len(query)), WORST, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for block in _blocks(texts):
            best[block] = _best_of_block(query, [texts[index] for index in block])
    return best


def _blocks(texts: Sequence[TokenMatrix]) -> list[list[int]]:
    """Indices of texts with tokens, so many together that their rows fill a block; a longer text is one alone."""
    blocks: list[list[int]] = []
    rows = BLOCK_ROWS
    for index, text in enumerate(texts):
        count = len(text.rows)
        if not count:
            continue
        if rows + count > BLOCK_ROWS:
            blocks.append([])
            rows = 0
        blocks[-1].append(index)
        rows += count
    return blocks


def _best_of_block(query: Vectors, texts: Sequence[TokenMatrix]) -> Vectors:
    counts = np.fromiter((len(text.rows) for text in texts), np.intp, len(texts))
    ends = np.cumsum(counts)
    rows = _scratch.rows(int(ends[-1]), query.shape[1])
    np.concatenate([text.rows for text in texts], out=rows)
    best: Vectors = np.maximum.reduceat(rows @ query.T, ends - counts, axis=0)
    # The scale of a text is positive, so it may wait until the best is found.
    best *= np.fromiter((text.scale for text in texts), np.float32, len(texts))[:, np.newaxis]
    return best


def mean_over_query(best: Vectors, weights: Vectors | None) -> Vectors:
    """The score of each row of `best`; cosines of rounded vectors may pass 1 by a little, scores do not."""
    clipped = np.clip(best, -1.0, 1.0)
    # By the largest first, so that the sum of large weights stays finite.
    shares = np.ones(best.shape[1], np.float32) if weights is None else weights / weights.max()
    means: Vectors = clipped @ (shares / shares.sum())
    return means
