"""The simulator behind `ledge bench length`: by hand, and by what must hold of any lengths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.cli.bench.length import PUBLISHED_WITHIN_100
from services.cli.bench.length_simulator import (
    LONGEST_TOKENS,
    SLOTS,
    continuous,
    kendall,
    matching_sigma,
    noisy,
    poisson,
    share_within_100,
    static,
    step_s,
)
from tests.bench.made_lengths import made_lengths

some_lengths = st.lists(st.integers(1, LONGEST_TOKENS), min_size=1, max_size=120).map(np.array)


def test_a_static_batch_lasts_as_long_as_its_longest() -> None:
    tokens = np.array([10, 100, 20])
    outcome = static(tokens)
    assert outcome.latencies_s == pytest.approx([100 * step_s(3)] * 3)
    assert (outcome.steps, outcome.computed_tokens) == (100, 300)
    assert outcome.useful_share == pytest.approx(130 / 300)


def test_a_slot_refills_as_soon_as_it_is_free() -> None:
    tokens = np.array([10] * SLOTS + [5])
    outcome = continuous(tokens)
    assert outcome.latencies_s[:SLOTS] == pytest.approx([10 * step_s(SLOTS)] * SLOTS)
    assert outcome.latencies_s[-1] == pytest.approx(10 * step_s(SLOTS) + 5 * step_s(1))
    assert outcome.useful_share == 1


def test_an_answer_that_was_cut_is_made_again_whole() -> None:
    tokens = np.array([120])
    outcome = static(tokens, np.array([30.0]), again=True, wide=True)
    assert outcome.steps == 50 + 120
    assert outcome.latencies_s == pytest.approx([170 * step_s(1)])


@settings(max_examples=60, deadline=None)
@given(some_lengths, st.integers(0, 99))
def test_every_request_ends_after_it_came_and_no_work_is_lost(tokens: np.ndarray, seed: int) -> None:
    arrivals_s = np.sort(np.random.default_rng(seed).uniform(0, 60, len(tokens)))
    guess = noisy(tokens, 0.8, seed)
    for outcome in (
        static(tokens),
        static(tokens, guess, again=True, wide=True),
        continuous(tokens, guess),
        continuous(tokens, guess, arrivals_s),
        continuous(tokens, guess, arrivals_s, keep_tail=False),
    ):
        assert len(outcome.latencies_s) == len(tokens)
        assert (outcome.latencies_s >= tokens * step_s(1) * (1 - 1e-9)).all()
        assert outcome.computed_tokens >= outcome.useful_tokens == tokens.sum()


@settings(max_examples=40, deadline=None)
@given(some_lengths)
def test_knowing_the_lengths_never_lengthens_the_mean_of_a_backlog(tokens: np.ndarray) -> None:
    # Steps cost more the more run side by side, so a little may be lost at the end.
    assert continuous(tokens, tokens.astype(float)).mean_s <= continuous(tokens).mean_s * 1.05


@pytest.mark.parametrize("seed", range(1, 5))
def test_a_predictor_as_good_as_the_papers_makes_the_mean_short_and_keeps_tail_and_throughput(seed: int) -> None:
    answers = made_lengths(1024, seed)
    tokens, labels = answers[:, -1], answers.max(1)
    sigma = matching_sigma(labels, PUBLISHED_WITHIN_100, seed, share_within_100)
    first_come, line = continuous(tokens), continuous(tokens, noisy(labels, sigma, seed))
    assert line.mean_s < 0.7 * first_come.mean_s
    assert line.percentile_s(99) <= 1.2 * first_come.percentile_s(99)
    assert line.requests_per_s == pytest.approx(first_come.requests_per_s, rel=0.02)


def test_the_rank_correlation_is_kendalls() -> None:
    assert kendall([1, 2, 3, 4], [10, 20, 30, 40]) == 1
    assert kendall([1, 2, 3, 4], [4, 3, 2, 1]) == -1
    # Of the six pairs one is in the wrong order.
    assert kendall([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(4 / 6, abs=0.02)


def test_a_predictor_is_as_good_as_it_is_asked_to_be() -> None:
    tokens = np.random.default_rng(0).integers(1, 500, 1000)
    for quality in (0.3, 0.57):
        sigma = matching_sigma(tokens, quality, 1, kendall)
        assert kendall(tokens, noisy(tokens, sigma, 1)) == pytest.approx(quality, abs=0.02)


def test_the_load_of_arrivals_is_what_is_asked_for() -> None:
    tokens = np.random.default_rng(0).integers(1, 300, 1000)
    full = continuous(tokens).requests_per_s
    arrivals_s = poisson(tokens, 0.5, seed=2)
    assert len(tokens) / arrivals_s[-1] == pytest.approx(0.5 * full, rel=0.1)
