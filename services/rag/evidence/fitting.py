"""Fits the weights of a calibration, and says by cross-validation how well they do on questions they have not seen.

The rank weights are those of a conditional logit (McFadden 1974): of all segments of a question, one that holds the
answer should come first. Whether there is an answer is a logistic regression, both kinds of question weighing alike.
Both are held back by a ridge, for there are few questions, and solved by Newton's method.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.rag.evidence.calibration import Weights
from services.rag.evidence.question import Question
from services.rag.evidence.signals import Candidate, measure_answer

Vector = NDArray[np.float64]

RANKED_KINDS = frozenset({"one-hop", "follow-up"})
"""Questions that one segment answers."""
RIDGE = 10.0
FOLDS = 6
ROUNDS = 4
"""Cross-validations, each with other folds."""
HITS_KEPT = 0.995
"""Of the questions that two sentences answer, so many must still be answered when the second is left out at times."""


@dataclass(frozen=True, slots=True)
class Example:
    """A question whose answer is known, and what was found for it."""

    kind: str
    question: Question
    candidates: Sequence[Candidate]
    signals: NDArray[np.float64]
    """[candidates × SEGMENT_SIGNALS]."""
    holds: NDArray[np.bool_]
    """Which candidates hold the answer."""
    answerable: bool


@dataclass(frozen=True, slots=True)
class Fit:
    """Weights, and figures of the cross-validation."""

    weights: Weights
    validation: dict[str, float]


def fit(examples: Sequence[Example]) -> Fit:
    """Fits on all examples; the threshold and the figures come from cross-validation."""
    examples = [example for example in examples if len(example.candidates)]
    probabilities, hits, gaps, second_hits = _cross_validate(examples)
    answerable = np.array([example.answerable for example in examples])
    threshold = _threshold(probabilities, answerable)
    second_within = _second_within(gaps, hits, second_hits)
    segment = _rank_weights(examples)
    answer, intercept = _answer_weights(examples, segment)
    return Fit(
        Weights(segment, answer, intercept, threshold, second_within),
        _figures(examples, probabilities, hits | second_hits, threshold),
    )


def _rank_weights(examples: Sequence[Example]) -> Vector:
    used = [example for example in examples if example.kind in RANKED_KINDS and example.holds.any()]
    spread = np.concatenate([example.signals for example in used]).std(axis=0) + 1e-6
    scaled = [(example.signals / spread, example.holds) for example in used]

    def gradient_and_hessian(weights: Vector) -> tuple[float, Vector, Vector]:
        value = -0.5 * RIDGE * float(weights @ weights)
        gradient = -RIDGE * weights
        hessian = RIDGE * np.eye(len(weights))
        for signals, holds in scaled:
            logits = signals @ weights
            all_odds = np.exp(logits - logits.max())
            shares = all_odds / all_odds.sum()
            right = shares * holds
            value += float(np.log(right.sum()))
            gradient = gradient + signals.T @ (right / right.sum() - shares)
            mean = signals.T @ shares
            hessian += (signals * shares[:, np.newaxis]).T @ signals - np.outer(mean, mean)
        return value, gradient, hessian

    weights: Vector = _maximum(gradient_and_hessian, signals_count=len(spread)) / spread
    return weights


def _answer_weights(examples: Sequence[Example], segment: Vector) -> tuple[Vector, float]:
    signals = np.array([_answer_signals(example, segment) for example in examples])
    answerable = np.array([example.answerable for example in examples], np.float64)
    mean, spread = signals.mean(axis=0), signals.std(axis=0) + 1e-6
    scaled = np.c_[(signals - mean) / spread, np.ones(len(signals))]
    importance = np.where(answerable > 0, 0.5 / answerable.mean(), 0.5 / (1 - answerable).mean())
    ridge = RIDGE * np.eye(scaled.shape[1])
    ridge[-1, -1] = 1e-6

    def gradient_and_hessian(weights: Vector) -> tuple[float, Vector, Vector]:
        logits = scaled @ weights
        shares = 1 / (1 + np.exp(-logits))
        likelihood = answerable * logits - np.logaddexp(0, logits)
        value = float(importance @ likelihood) - 0.5 * float(weights @ ridge @ weights)
        gradient = scaled.T @ (importance * (answerable - shares)) - ridge @ weights
        hessian = (scaled * (importance * shares * (1 - shares))[:, np.newaxis]).T @ scaled + ridge
        return value, gradient, hessian

    weights = _maximum(gradient_and_hessian, signals_count=scaled.shape[1])
    return weights[:-1] / spread, float(weights[-1] - weights[:-1] @ (mean / spread))


def _maximum(function: Callable[[Vector], tuple[float, Vector, Vector]], signals_count: int) -> Vector:
    """Of a concave function of that many weights, by Newton's method with halved steps."""
    weights = np.zeros(signals_count)
    value, gradient, hessian = function(weights)
    for _ in range(100):
        move = np.linalg.solve(hessian, gradient)
        share = 1.0
        while (better := function(weights + share * move))[0] < value and share > 1e-6:
            share /= 2
        weights = weights + share * move
        value, gradient, hessian = better
        if np.abs(share * move).max() < 1e-6:
            break
    return weights


def _answer_signals(example: Example, segment: Vector) -> Vector:
    scores = example.signals @ segment
    best = [int(index) for index in np.argsort(-scores, kind="stable")[:2]]
    return measure_answer(example.question, example.candidates, scores, best)


def _cross_validate(
    examples: Sequence[Example],
) -> tuple[Vector, NDArray[np.bool_], Vector, NDArray[np.bool_]]:
    """For each example, by weights that have not seen it (the mean, or the majority, of the rounds): its probability,
    whether its first segment holds the answer, how far the second is behind, whether the second holds it."""
    count = len(examples)
    probabilities, gaps = np.zeros((ROUNDS, count)), np.zeros((ROUNDS, count))
    hits, second_hits = np.zeros((ROUNDS, count)), np.zeros((ROUNDS, count))
    for turn in range(ROUNDS):
        order = np.random.default_rng(turn).permutation(count)
        for fold in range(FOLDS):
            held_out = set(order[fold::FOLDS].tolist())
            rest = [example for index, example in enumerate(examples) if index not in held_out]
            segment = _rank_weights(rest)
            answer, intercept = _answer_weights(rest, segment)
            for index in held_out:
                example = examples[index]
                scores = example.signals @ segment
                best = np.argsort(-scores, kind="stable")[:2]
                logit = float(_answer_signals(example, segment) @ answer) + intercept
                probabilities[turn, index] = 1 / (1 + np.exp(-logit))
                hits[turn, index] = example.holds[best[0]]
                second_hits[turn, index] = len(best) > 1 and example.holds[best[1]]
                gaps[turn, index] = scores[best[0]] - scores[best[-1]]
    return probabilities.mean(axis=0), hits.mean(axis=0) > 0.5, gaps.mean(axis=0), second_hits.mean(axis=0) > 0.5


def _threshold(probabilities: Vector, answerable: NDArray[np.bool_]) -> float:
    """Where answered answerable and refused unanswerable questions, as shares, add up to most."""
    ordered = np.unique(probabilities)
    middles = (ordered[1:] + ordered[:-1]) / 2
    gains = [
        float((probabilities[answerable] >= middle).mean() + (probabilities[~answerable] < middle).mean())
        for middle in middles
    ]
    # A broad top: its middle is the steadiest choice.
    top = middles[np.array(gains) >= max(gains) - 0.01]
    return float(np.median(top))


def _second_within(gaps: Vector, hits: NDArray[np.bool_], second_hits: NDArray[np.bool_]) -> float:
    """The least lead of the first segment at which the second may be left out."""
    needed = np.sort(gaps[second_hits & ~hits])
    if not len(needed):
        return 0.0
    found = int((hits | second_hits).sum())
    spared = int((1 - HITS_KEPT) * found)
    return float(needed[len(needed) - 1 - spared]) + 1e-3


def _figures(
    examples: Sequence[Example], probabilities: Vector, hits: NDArray[np.bool_], threshold: float
) -> dict[str, float]:
    kinds = np.array([example.kind for example in examples])
    answerable = np.array([example.answerable for example in examples])
    answered = probabilities >= threshold
    above = probabilities[answerable][:, np.newaxis] > probabilities[~answerable]
    figures = {
        "area_under_roc": float(above.mean()),
        "refused_unanswerable": float((~answered[~answerable]).mean()),
        "refused_answerable": float((~answered[answerable]).mean()),
    }
    for kind in sorted(set(kinds[answerable])):
        of_kind = kinds == kind
        figures[f"{kind}: two sentences hold the answer"] = float(hits[of_kind].mean())
        figures[f"{kind}: and it is not refused"] = float((hits & answered)[of_kind].mean())
    return {name: round(value, 3) for name, value in figures.items()}
