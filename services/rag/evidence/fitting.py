"""Fits the weights of a calibration, and says by cross-validation how well they do on questions they have not seen.

The rank weights are those of a conditional logit (McFadden 1974): of all segments of a question, one that holds the
answer should come first. Whether there is an answer is a logistic regression, both kinds of question weighing alike.
Both are held back by a ridge, for there are few questions, and solved by Newton's method.

The figures are of questions held out: of all of them in turn, and where they come from several files, of each file
by weights fitted to the others. A choice of signals or of constants that was made on the same questions has still
seen them: new questions do somewhat worse.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from services.kit.errors import InvalidInput
from services.rag.evidence.calibration import Weights
from services.rag.evidence.folds import folds, grouped
from services.rag.evidence.picking import pick
from services.rag.evidence.search import Query
from services.rag.evidence.signals import Candidate, measure_answer

Vector = NDArray[np.float64]

RANKED_KINDS = frozenset({"one-hop", "follow-up"})
"""Questions that one segment answers."""
RIDGE = 10.0
FOLDS = 6
LEAST = 4
"""Questions of either sort without which nothing can be fitted."""
ROUNDS = 4
"""Cross-validations, each with other folds."""
HITS_KEPT = 0.99
"""Of the questions that two sentences answer, so many must still be answered when the second is left out at times."""
CITED = 0.9
"""Of the citations of answers, so many must be of a passage that holds the answer: sentences of a second passage are
quoted as far as that allows."""
REFUSED = 0.8
"""Share of the unanswerable questions that the threshold refuses; beyond that it refuses as few as it can."""


_TOO_FEW = (
    f"too few questions: it takes {LEAST} of kind one-hop or follow-up whose answer is found, with different answers, "
    f"and {LEAST} that are unanswerable"
)


@dataclass(frozen=True, slots=True)
class Example:
    """A question whose answer is known, and what was found for it."""

    kind: str
    source: str
    """The file that it is of."""
    gold: Sequence[str]
    """Answers; empty where the documents hold none."""
    query: Query
    candidates: Sequence[Candidate]
    signals: NDArray[np.float64]
    """[candidates × SEGMENT_SIGNALS]."""
    holds: NDArray[np.bool_]
    """Which candidates hold the answer."""
    passages: NDArray[np.bool_]
    """Which are of a passage that holds it."""

    @property
    def answerable(self) -> bool:
        return bool(self.gold)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What weights make of questions that they have not seen, an element each."""

    probabilities: Vector
    doubts: Vector
    """How far the first segment is above the second, in effect."""
    is_near: NDArray[np.bool_]
    """Whether the second is of the first's passage."""
    first_holds: NDArray[np.bool_]
    """Whether the first holds the answer."""
    second_holds: NDArray[np.bool_]
    """Whether the second does."""
    first_cited: NDArray[np.bool_]
    """Whether the first's passage holds it."""
    second_cited: NDArray[np.bool_]
    """Whether the second's passage holds it."""

    def quotes_second(self, within: float, within_elsewhere: float) -> NDArray[np.bool_]:
        return self.doubts <= np.where(self.is_near, within, within_elsewhere)


@dataclass(frozen=True, slots=True)
class Fit:
    """Weights, and figures of questions that were held out."""

    weights: Weights
    validation: dict[str, float]
    across_files: dict[str, dict[str, float]]
    """By file: by weights fitted to the other files. Empty where there is one file."""


def fit(examples: Sequence[Example]) -> Fit:
    """Fits on all examples; thresholds and figures come from cross-validation.

    Raises:
        InvalidInput: too few questions of a kind.
    """
    examples = [example for example in examples if len(example.candidates)]
    weights, held_out = _fit(examples)
    across = {}
    files = sorted({example.source for example in examples})
    for file in files if len(files) > 1 else ():
        others = [example for example in examples if example.source != file]
        own = [example for example in examples if example.source == file]
        if _suffices(others):
            of_others, _ = _fit(others)
            across[file] = _figures(
                own, _outcome(own, of_others.segment, of_others.answer, of_others.intercept), of_others
            )
    return Fit(weights, _figures(examples, held_out, weights), across)


def _suffices(examples: Sequence[Example]) -> bool:
    ranked = sum(example.kind in RANKED_KINDS and bool(example.holds.any()) for example in examples)
    return ranked >= LEAST and sum(not example.answerable for example in examples) >= LEAST


def _fit(examples: Sequence[Example]) -> tuple[Weights, Outcome]:
    if not _suffices(examples):
        raise InvalidInput(_TOO_FEW)
    outcome = _cross_validate(examples)
    answerable = np.array([example.answerable for example in examples])
    segment = _rank_weights(examples)
    answer, intercept = _answer_weights(examples, segment)
    threshold = _threshold(outcome.probabilities[~answerable])
    within = _second_within(outcome)
    elsewhere = _second_within_elsewhere(outcome, answerable & (outcome.probabilities >= threshold), within)
    return Weights(segment, answer, intercept, threshold, within, elsewhere), outcome


def _rank_weights(examples: Sequence[Example]) -> Vector:
    used = [example for example in examples if example.kind in RANKED_KINDS and example.holds.any()]
    if not used:
        raise InvalidInput(_TOO_FEW)
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
    if answerable.all() or not answerable.any():
        raise InvalidInput(_TOO_FEW)
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
    picked = pick(example.query.question, example.candidates, scores)
    return measure_answer(
        example.query, example.candidates, example.signals, scores, picked.places, lacks_kind=picked.lacks_kind
    )


def _outcome(examples: Sequence[Example], segment: Vector, answer: Vector, intercept: float) -> Outcome:
    logits, doubts, near = [], [], []
    places: list[tuple[int, int]] = []
    for example in examples:
        scores = example.signals @ segment
        picked = pick(example.query.question, example.candidates, scores)
        signals = measure_answer(
            example.query, example.candidates, example.signals, scores, picked.places, lacks_kind=picked.lacks_kind
        )
        logits.append(float(signals @ answer) + intercept)
        # A second that is not there is as one that is too far behind.
        doubts.append(math.inf if picked.second is None else picked.doubt)
        near.append(picked.is_near)
        places.append((picked.first, picked.first if picked.second is None else picked.second))
    held = np.array([example.holds[list(pair)] for example, pair in zip(examples, places, strict=True)])
    cited = np.array([example.passages[list(pair)] for example, pair in zip(examples, places, strict=True)])
    return Outcome(
        1 / (1 + np.exp(-np.array(logits))), np.array(doubts), np.array(near), *held.T.copy(), *cited.T.copy()
    )


def _cross_validate(examples: Sequence[Example]) -> Outcome:
    """By weights that saw neither a question nor another with its answer: the mean, or the majority, of rounds."""
    groups = grouped([example.gold for example in examples])
    rounds = np.zeros((ROUNDS, len(fields(Outcome)), len(examples)))
    for turn in range(ROUNDS):
        fold_of = folds(groups, FOLDS, turn)
        for fold in range(FOLDS):
            held_out = np.flatnonzero(fold_of == fold).tolist()
            rest = [example for example, its_fold in zip(examples, fold_of, strict=True) if its_fold != fold]
            segment = _rank_weights(rest)
            answer, intercept = _answer_weights(rest, segment)
            outcome = _outcome([examples[index] for index in held_out], segment, answer, intercept)
            rounds[turn][:, held_out] = [getattr(outcome, field.name) for field in fields(Outcome)]
    probabilities, doubts, *flags = rounds.mean(axis=0)
    return Outcome(probabilities, doubts, *(flag > 0.5 for flag in flags))


def _threshold(unanswerable: Vector) -> float:
    """The least that refuses as many of the unanswerable questions as it should."""
    ordered = np.sort(unanswerable)
    last = math.ceil(REFUSED * len(ordered)) - 1
    return float(ordered[last : last + 2].mean())


def _second_within(outcome: Outcome) -> float:
    """The least lead of the first segment at which the second may be left out."""
    needed = np.sort(outcome.doubts[outcome.second_holds & ~outcome.first_holds])
    if not len(needed):
        return 0.0
    found = int((outcome.first_holds | outcome.second_holds).sum())
    spared = min(int((1 - HITS_KEPT) * found), len(needed) - 1)
    return float(needed[len(needed) - 1 - spared]) + 1e-3


def _second_within_elsewhere(outcome: Outcome, answered: NDArray[np.bool_], within: float) -> float:
    """The most doubt, up to `within`, with which citations of the questions answered are still good enough."""
    for allowed in np.sort(outcome.doubts[answered & ~outcome.is_near & (outcome.doubts <= within)])[::-1]:
        if _cited(outcome, answered, outcome.quotes_second(within, allowed)) >= CITED:
            return float(allowed) + 1e-3
    return 0.0


def _cited(outcome: Outcome, answered: NDArray[np.bool_], is_second_quoted: NDArray[np.bool_]) -> float:
    """The share of citations whose passage holds the answer."""
    right = outcome.first_cited.astype(int) + (outcome.second_cited & is_second_quoted)
    return float(right[answered].sum() / max(1, (1 + is_second_quoted)[answered].sum()))


def _figures(examples: Sequence[Example], outcome: Outcome, weights: Weights) -> dict[str, float]:
    kinds = np.array([example.kind for example in examples])
    answerable = np.array([example.answerable for example in examples])
    answered = outcome.probabilities >= weights.threshold
    is_second_quoted = outcome.quotes_second(weights.second_within, weights.second_within_elsewhere)
    holds = outcome.first_holds | (outcome.second_holds & is_second_quoted)
    figures = {"questions": float(len(examples))}
    if answerable.any() and not answerable.all():
        above = outcome.probabilities[answerable][:, np.newaxis] > outcome.probabilities[~answerable]
        figures["area_under_roc"] = float(above.mean())
        figures["refused_unanswerable"] = float((~answered[~answerable]).mean())
    if not answerable.any():
        return figures
    figures["refused_answerable"] = float((~answered[answerable]).mean())
    for kind in sorted(set(kinds[answerable])):
        of_kind = kinds == kind
        figures[f"{kind}: the quoted sentences hold the answer"] = float(holds[of_kind].mean())
        figures[f"{kind}: and it is not refused"] = float((holds & answered)[of_kind].mean())
    quoted = 1 + is_second_quoted[answerable]
    right = outcome.first_holds.astype(int) + (outcome.second_holds & is_second_quoted)
    figures["sentences_quoted"] = float(quoted.mean())
    figures["quoted_sentences_that_hold_the_answer"] = float(right[answerable].sum() / quoted.sum())
    figures["citations_whose_passage_holds_the_answer"] = _cited(outcome, answerable & answered, is_second_quoted)
    return {name: round(value, 3) for name, value in figures.items()}
