"""Evidence first: the sentences that answer a question, found before a word is generated, and whether they suffice."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.rag.evidence.calibration import Calibration
from services.rag.evidence.found import Found
from services.rag.evidence.picking import pick
from services.rag.evidence.search import Query
from services.rag.evidence.signals import Candidate, measure, measure_answer
from services.rag.words import Words

PASSAGES = 8
"""Passages whose sentences are ranked: more of them made no difference to the answers in trials."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The best segments, and what they are worth."""

    ranked: tuple[Candidate, ...]
    """Best first, the second being the one that adds most to the first; a handful."""
    quoted: int
    """How many of them an answer in quotations takes: 0 without any, else 1 or 2."""
    probability: float
    """That the documents answer."""
    answers: bool
    calibrated: bool
    """Whether the probability holds for the models at work."""


NOTHING = Judgement((), 0, 0.0, False, True)


def judge(query: Query, found: Sequence[Found], calibration: Calibration, words: Words, keep: int) -> Judgement:
    """Ranks the segments of the best passages and decides whether they answer the question.

    Args:
        found: the passages best first, reranked or not.
        keep: how many segments to keep.
    """
    best_passages = found[:PASSAGES]
    candidates, signals = measure(query, best_passages, words)
    if not candidates:
        return NOTHING
    weights = calibration.weights(reranked=bool(best_passages[0].segment_scores))
    scores = weights.rank(signals)
    picked = pick(query.question, candidates, scores)
    probability = weights.probability(
        measure_answer(query, candidates, signals, scores, picked.places, lacks_kind=picked.lacks_kind)
    )
    others = [int(index) for index in np.argsort(-scores, kind="stable") if index not in picked.places]
    return Judgement(
        ranked=tuple(candidates[index] for index in [*picked.places, *others][:keep]),
        quoted=2 if picked.quotes_second(weights.second_within, weights.second_within_elsewhere) else 1,
        probability=probability,
        answers=probability >= weights.threshold,
        calibrated=calibration.holds_for(query.model),
    )
