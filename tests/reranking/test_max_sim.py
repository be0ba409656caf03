"""MaxSim against its definition, written as loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.kit.encoder.text import normalised
from services.kit.token_vectors import TokenMatrix, quantised
from services.reranking.max_sim import BLOCK_ROWS, best_similarities, mean_over_query

Array = NDArray[np.float32]


def rows(seed: int, count: int, dimensions: int = 8) -> Array:
    return normalised(np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32))


def by_definition(query: Array, text: Array, weights: list[float] | None) -> float:
    shares = weights or [1.0] * len(query)
    best = [max((float(np.dot(word, token)) for token in text), default=-1.0) for word in query]
    return sum(share * similarity for share, similarity in zip(shares, best, strict=True)) / sum(shares)


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32),
    words=st.integers(1, 6),
    counts=st.lists(st.integers(0, 12), min_size=1, max_size=12),
    as_bytes=st.lists(st.booleans(), min_size=12, max_size=12),
    weights=st.none() | st.lists(st.floats(0.01, 100), min_size=6, max_size=6),
)
def test_scores_are_those_of_the_definition(
    seed: int, words: int, counts: list[int], as_bytes: list[bool], weights: list[float] | None
) -> None:
    query = rows(seed, words)
    plain = [rows(seed + 1 + index, count) for index, count in enumerate(counts)]
    texts = [quantised(text) if small else TokenMatrix(text) for text, small in zip(plain, as_bytes, strict=False)]
    given_weights = None if weights is None else weights[:words]
    scores = mean_over_query(
        best_similarities(query, texts), None if given_weights is None else np.array(given_weights, np.float32)
    )
    expected = [by_definition(query, text.to_float32(), given_weights) for text in texts]
    np.testing.assert_allclose(scores, np.clip(expected, -1, 1), atol=1e-4)


def test_more_rows_than_a_block_change_nothing() -> None:
    query = rows(1, 5)
    counts = [40] * (3 * BLOCK_ROWS // 40) + [BLOCK_ROWS, 1, BLOCK_ROWS + 7, 0, 3]
    texts = [quantised(rows(2 + index, count)) for index, count in enumerate(counts)]
    together = best_similarities(query, texts)
    alone = np.concatenate([best_similarities(query, [text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
def test_numbers_that_are_not_finite_are_never_lost(bad: float) -> None:
    poisoned = np.full((2, 8), bad, np.float32)
    best = best_similarities(rows(1, 3), [quantised(rows(2, 4)), TokenMatrix(poisoned), TokenMatrix(rows(3, 2))])
    assert np.isfinite(best[[0, 2]]).all()
    assert not np.isfinite(best[1]).all() or np.abs(best[1]).max() > 1e30


def test_very_large_weights_count_as_their_proportions() -> None:
    best = np.array([[1.0, 0.0, 0.5]], np.float32)
    huge = np.array([3e38, 3e38, 0.0], np.float32)
    assert mean_over_query(best, huge)[0] == pytest.approx(0.5)
