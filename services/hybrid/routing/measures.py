"""How good a router is, as RouteLLM (Ong et al., 2024) and its kin measure it, with intervals.

The recovered gap is (right answers − the little model's) ÷ (the big one's − the little one's). APGR is its mean over
all shares of big calls, 0.5 for a coin; CPT50 and CPT80 are the least shares of big calls that recover so many
percent of it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.hybrid.routing.outcomes import Outcomes

Floats = NDArray[np.float64]
Measure = Callable[[NDArray[np.int64]], float]
"""Of some rows."""
RESAMPLES = 400


@dataclass(frozen=True)
class Routed:
    """One router on one set of questions."""

    apgr: float
    cpt50: float
    cpt80: float


@dataclass(frozen=True)
class Interval:
    """95 % of what a bootstrap over the questions finds."""

    low: float
    high: float


def routed(scores: Floats, outcomes: Outcomes) -> Routed:
    """Questions with equal scores go in order of the set."""
    order = np.argsort(-scores, kind="stable")
    gain = (outcomes.big - outcomes.little)[order]
    gap = float(gain.sum())
    if gap <= 0:
        return Routed(float("nan"), float("nan"), float("nan"))
    recovered = np.concatenate([[0.0], np.cumsum(gain)]) / gap
    shares = np.arange(len(gain) + 1) / len(gain)
    return Routed(
        apgr=float(np.trapezoid(recovered, shares)),
        cpt50=float(shares[np.argmax(recovered >= 0.5)]),
        cpt80=float(shares[np.argmax(recovered >= 0.8)]),
    )


def auroc(scores: Floats, positives: Floats) -> float:
    """The chance that a positive has the higher score than a negative, ties counting half; nan without either."""
    order = np.argsort(scores, kind="stable")
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    _, first, counts = np.unique(scores[order], return_index=True, return_counts=True)
    for start, count in zip(first[counts > 1], counts[counts > 1], strict=True):
        ranks[order[start : start + count]] = start + (count + 1) / 2
    many, few = float(positives.sum()), float(len(positives) - positives.sum())
    if not many or not few:
        return float("nan")
    return float((ranks[positives > 0].sum() - many * (many + 1) / 2) / (many * few))


def interval(measure: Measure, size: int, seed: int, resamples: int = RESAMPLES) -> Interval:
    """Of a measure of some rows, drawn with return."""
    generator = np.random.default_rng(seed)
    found = np.array([measure(generator.integers(0, size, size)) for _ in range(resamples)])
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return Interval(float(low), float(high))


@dataclass(frozen=True)
class Decided:
    """What came of it at one threshold; shares of all questions but `kept_wrong`, which is of those kept."""

    dispatched: float
    kept_wrong: float
    """Error rate of the answers that stay at home."""
    needless: float
    """Sent although the little model was right."""
    hopeless: float
    """Sent although both were wrong."""
    right: float
    """Right answers of the two together."""


def decided(scores: Floats, threshold: float, outcomes: Outcomes) -> Decided:
    sent = scores >= threshold
    kept = ~sent
    return Decided(
        dispatched=float(sent.mean()),
        kept_wrong=float(1 - outcomes.little[kept].mean()) if kept.any() else 0.0,
        needless=float((sent & (outcomes.little > 0)).mean()),
        hopeless=float((sent & (outcomes.little == 0) & (outcomes.big == 0)).mean()),
        right=float(np.where(sent, outcomes.big, outcomes.little).mean()),
    )
