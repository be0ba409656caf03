"""Which two segments an answer takes: the best one, and the one that adds most to it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.rag.evidence.question import Question
from services.rag.evidence.signals import Candidate

SAME_PASSAGE = 1.0
SUPPLIES_KIND = 1.0
SUPPLIES_KIND_NEARBY = 1.0
"""Log odds that a segment gains as the second: it is of the first's passage; it holds the kind of answer that was asked
for and that the first lacks; it does both. A sentence names its subject and the next one says "it"."""


@dataclass(frozen=True, slots=True)
class Pick:
    """The segments picked, by their places among the candidates."""

    first: int
    second: int | None
    lead: float
    """How far the rank score of the first is above the second's."""
    supplies_kind: bool
    """Whether the second holds the kind of answer asked for, and the first does not."""
    is_near: bool
    """Whether the second is of the first's passage."""
    lacks_kind: bool
    """Whether the kind of answer asked for is known, and not in the first nor in a second of its passage. In another
    passage it does not count: any handbook has a number somewhere."""

    @property
    def places(self) -> list[int]:
        return [self.first] if self.second is None else [self.first, self.second]

    @property
    def doubt(self) -> float:
        """How far the first leads, which is not at all while it lacks what the second of its passage supplies."""
        return 0.0 if self.is_near and self.supplies_kind else self.lead

    def quotes_second(self, within_passage: float, within_elsewhere: float) -> bool:
        """Whether the second is worth quoting: the first leads by no more than is allowed there."""
        return self.second is not None and self.doubt <= (within_passage if self.is_near else within_elsewhere)


def pick(question: Question, candidates: Sequence[Candidate], scores: NDArray[np.float64]) -> Pick:
    """Picks from at least one candidate.

    Args:
        scores: the rank scores of the candidates.
    """
    first = int(np.argmax(scores))
    if len(candidates) == 1:
        return Pick(
            first, None, 0.0, supplies_kind=False, is_near=False, lacks_kind=_lacks_kind(question, candidates[first])
        )
    best = candidates[first]
    gains = np.array([_gain(question, best, candidate) for candidate in candidates])
    gains[first] = -np.inf
    second = int(np.argmax(scores + gains))
    lead = float(scores[first] - scores[second])
    supplies = supplies_kind(question, best, candidates[second])
    is_near = _is_near(best, candidates[second])
    lacks = _lacks_kind(question, best) and not (supplies and is_near)
    return Pick(first, second, lead, supplies, is_near, lacks)


def _gain(question: Question, first: Candidate, candidate: Candidate) -> float:
    is_near = _is_near(first, candidate)
    supplies = supplies_kind(question, first, candidate)
    return SAME_PASSAGE * is_near + SUPPLIES_KIND * supplies + SUPPLIES_KIND_NEARBY * (is_near and supplies)


def supplies_kind(question: Question, first: Candidate, second: Candidate) -> bool:
    """Whether the second holds the kind of answer asked for, and the first does not."""
    return second.holds_kind and _lacks_kind(question, first)


def _lacks_kind(question: Question, candidate: Candidate) -> bool:
    return bool(question.kinds) and not candidate.holds_kind


def _is_near(first: Candidate, second: Candidate) -> bool:
    return second.found.chunk.id == first.found.chunk.id
