"""Big Little decoding, exactly: over n-gram models whose probabilities are the same on every machine."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.estimates.language_models.ngram import NgramContext, NgramModel
from services.hybrid.bild.decoding import Policy, Verdict, judge
from services.hybrid.bild.in_process import Decoded, InProcessVerifier, greedy, run

VOCABULARY = 7
END = 6
ENDS = frozenset({END})
tokens = st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=30)
texts = st.lists(tokens, min_size=1, max_size=6)
models = st.builds(lambda sequences, order: NgramModel(sequences, order, VOCABULARY), texts, st.integers(1, 4))
thresholds = st.one_of(st.just(0.0), st.just(1.0), st.floats(0, 1))


def decoded(little: NgramModel, big: NgramModel, prompt: list[int], policy: Policy, most: int) -> Decoded:
    verifier = InProcessVerifier(NgramContext(big), prompt, policy.rollback, ENDS)
    return run(NgramContext(little), verifier, prompt, policy, most, ENDS)


@settings(deadline=None, max_examples=200)
@given(models, tokens, thresholds, st.floats(0, 10), st.integers(1, 12), st.integers(1, 40))
def test_identical_models_never_roll_back_and_say_the_same(
    model: NgramModel, prompt: list[int], fallback: float, rollback: float, draft: int, most: int
) -> None:
    told = decoded(model, model, prompt, Policy(fallback, rollback, draft), most)
    assert told.counts.rollbacks == 0
    assert told.tokens == greedy(NgramContext(model), prompt, most, ENDS)


@settings(deadline=None, max_examples=300)
@given(models, models, tokens, thresholds, st.integers(1, 12), st.integers(1, 40))
def test_rollback_at_zero_is_the_big_models_own_answer_whatever_the_little_one_is(
    little: NgramModel, big: NgramModel, prompt: list[int], fallback: float, draft: int, most: int
) -> None:
    told = decoded(little, big, prompt, Policy(fallback, 0.0, draft), most)
    assert told.tokens == greedy(NgramContext(big), prompt, most, ENDS)


@settings(deadline=None)
@given(models, models, tokens, st.integers(1, 40))
def test_a_fallback_of_one_asks_the_big_model_for_nearly_every_token(
    little: NgramModel, big: NgramModel, prompt: list[int], most: int
) -> None:
    told = decoded(little, big, prompt, Policy(1.0, 5.0), most)
    assert told.counts.big_calls == len(told.tokens)
    assert told.tokens == greedy(NgramContext(big), prompt, most, ENDS)


@settings(deadline=None)
@given(models, models, tokens, thresholds, st.floats(0, 10), st.integers(1, 40))
def test_every_sequence_ends_within_its_bound_and_at_its_end(
    little: NgramModel, big: NgramModel, prompt: list[int], fallback: float, rollback: float, most: int
) -> None:
    told = decoded(little, big, prompt, Policy(fallback, rollback), most)
    assert 1 <= len(told.tokens) <= most
    assert END not in told.tokens[:-1]
    assert len(told.tokens) == most or told.tokens[-1] == END
    assert told.counts.big_calls <= len(told.tokens)


@settings(deadline=None)
@given(models, models, tokens, thresholds, st.floats(0, 10), st.integers(1, 40))
def test_every_token_that_stands_is_one_that_the_big_model_lets_stand(
    little: NgramModel, big: NgramModel, prompt: list[int], fallback: float, rollback: float, most: int
) -> None:
    told = decoded(little, big, prompt, Policy(fallback, rollback), most)
    rows = NgramContext(big).eval([*prompt, *told.tokens], len(told.tokens) + 1)
    for token, row in zip(told.tokens, rows, strict=False):
        assert token == row.argmax() or -row[token] <= rollback


def test_the_end_of_a_sequence_is_verified_like_any_other_token() -> None:
    little = NgramModel([[0, END]] * 5, 2, VOCABULARY)
    big = NgramModel([[0, 1, 2, END]] * 5, 2, VOCABULARY)
    told = decoded(little, big, [0], Policy(0.0, 1.0), 10)
    # The little model alone would have ended after the prompt.
    assert greedy(NgramContext(little), [0], 10, ENDS) == (END,)
    assert told.tokens == (1, 2, END)


def test_after_a_rollback_the_little_model_goes_on_at_once() -> None:
    little = NgramModel([[0, 1, 1, 1, 1, 1, 1]] * 3, 2, VOCABULARY)
    big = NgramModel([[0, 2, 1, 1, 1, 1, 1]] * 3, 2, VOCABULARY)
    told = decoded(little, big, [0], Policy(0.0, 0.5, max_draft_tokens=3), 5)
    # One call replaces the first draft's first token, one verifies three tokens and adds its own.
    assert told.tokens == (2, 1, 1, 1, 1)
    assert told.counts.big_calls == 2


@pytest.mark.parametrize(
    ("drafted", "negative", "best", "rollback", "verdict"),
    [
        ([1, 2], [0.1, 0.1], [1, 2, 3], 2.0, Verdict(2, 3)),
        ([1, 2], [0.1, 3.0], [1, 4, 3], 2.0, Verdict(1, 4)),
        # Improbable, but nothing is likelier: a replacement would be the same token.
        ([1, 2], [0.1, 3.0], [1, 2, 3], 2.0, Verdict(2, 3)),
        ([1, 2], [0.1, 0.5], [1, 4, 3], 0.0, Verdict(1, 4)),
        ([1, END], [0.1, 0.5], [1, END, 3], 2.0, Verdict(2, None)),
        ([], [], [5], 2.0, Verdict(0, 5)),
    ],
)
def test_what_stands_of_a_draft(
    drafted: list[int], negative: list[float], best: list[int], rollback: float, verdict: Verdict
) -> None:
    assert judge(drafted, negative, best, rollback, ENDS) == verdict


@given(models, tokens)
def test_the_counts_are_probabilities(model: NgramModel, context: list[int]) -> None:
    assert math.isclose(float(np.exp(model.row(context)).sum()), 1.0, rel_tol=1e-9)


@given(models, tokens, tokens, st.integers(0, 30))
def test_a_context_that_is_rolled_back_is_as_if_it_had_never_gone_on(
    model: NgramModel, begin: list[int], more: list[int], kept: int
) -> None:
    context = NgramContext(model)
    context.eval([*begin, *more], 1)
    context.rollback(min(kept, context.length - 1))
    rest = [*begin, *more][context.length :]
    fresh = NgramContext(model)
    assert np.array_equal(context.eval(rest, 1), fresh.eval([*begin, *more], 1))
