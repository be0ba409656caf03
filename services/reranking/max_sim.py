"""MaxSim, the late interaction of ColBERT (Khattab and Zaharia, SIGIR 2020, section 3.3), averaged over the query.

For each token of the query the best cosine to any token of the text; then the (weighted) mean of these. ColBERT sums;
the mean orders alike and can be compared between queries.
"""

from collections.abc import Sequence

import numpy as np

from services.kit.encoder.text import Vectors
from services.kit.token_vectors import TokenMatrix

# Rows that are widened to float32 and multiplied together: 1.5 MB at 384 dimensions, about a core's second-level cache.
BLOCK_ROWS = 1024
WORST = np.float32(-1.0)
"""The similarity to a text without tokens."""


def best_similarities(query: Vectors, texts: Sequence[TokenMatrix]) -> Vectors:
    """For each text and each token of the query the best cosine; shape (texts, query tokens).

    Not finite where the vectors of a text are not.
    """
    best = np.full((len(texts), len(query)), WORST, np.float32)
    for kind in (np.int8, np.float32):
        chosen = [i for i, text in enumerate(texts) if len(text.rows) and text.rows.dtype == kind]
        for block in _blocks(chosen, texts):
            with np.errstate(over="ignore", invalid="ignore"):
                best[block] = _best_of_block(query, [texts[i] for i in block])
    return best


def _blocks(chosen: Sequence[int], texts: Sequence[TokenMatrix]) -> list[list[int]]:
    blocks: list[list[int]] = []
    rows = BLOCK_ROWS
    for index in chosen:
        if rows >= BLOCK_ROWS:
            blocks.append([])
            rows = 0
        blocks[-1].append(index)
        rows += len(texts[index].rows)
    return blocks


def _best_of_block(query: Vectors, texts: Sequence[TokenMatrix]) -> Vectors:
    rows = np.concatenate([text.rows for text in texts]).astype(np.float32, copy=False)
    counts = np.fromiter((len(text.rows) for text in texts), np.intp, len(texts))
    scales = np.fromiter((text.scale for text in texts), np.float32, len(texts))
    starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
    best: Vectors = np.maximum.reduceat(rows @ query.T, starts, axis=0)
    # The scale of a text is positive, so it may wait until the best is found.
    best *= scales[:, np.newaxis]
    return best


def mean_over_query(best: Vectors, weights: Vectors | None) -> Vectors:
    """The score of each row of `best`; cosines of rounded vectors may pass 1 by a little, scores do not."""
    clipped = np.clip(best, -1.0, 1.0)
    # By the largest first, so that the sum of large weights stays finite.
    shares = np.ones(best.shape[1], np.float32) if weights is None else weights / weights.max()
    means: Vectors = clipped @ (shares / shares.sum())
    return means
