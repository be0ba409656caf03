"""Lengths of answers with the shape of those published with Response Length Perception and Sequence Scheduling."""

import numpy as np
from numpy.typing import NDArray

SHARES = (0, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 1)
TOKENS = (1, 12, 35, 104, 176, 274, 334, 512)
"""What that share of Vicuna's answers to Alpaca's instructions is no longer than."""
SPREAD = 0.26
"""Of the logarithm, between answers to one question at several temperatures."""


def made_lengths(requests: int, seed: int, temperatures: int = 4) -> NDArray[np.int64]:
    """A row a request, a column a temperature."""
    generator = np.random.default_rng(seed)
    usual = np.interp(generator.uniform(size=(requests, 1)), SHARES, TOKENS)
    answers = usual * np.exp(SPREAD * generator.standard_normal((requests, temperatures)))
    return np.clip(answers, 1, TOKENS[-1]).astype(np.int64)
