"""Trains a router on outcomes, and sets its threshold for a share of big calls on one's own questions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.estimates.lexical.training import Texts, read_texts, scores, train
from services.hybrid.routing.lexical import GUESSES, LexicalRouter
from services.hybrid.routing.outcomes import Outcomes
from services.kit.errors import InvalidInput

LEAST_QUESTIONS = 20
RIDGE = 60.0
CENTRES = 256
"""Both chosen on the training part of MMLU's outcomes, 1,500 of its questions drawn and scored on the others; 128 to
512 centres do as well."""


def train_router(
    outcomes: Outcomes, big_share: float, provenance: Mapping[str, Any], texts: Texts | None = None
) -> LexicalRouter:
    """One that would send `big_share` of these questions; `texts` are theirs, where they are known already.

    Raises InvalidInput for too few examples, or a share out of range.
    """
    known = read_texts(outcomes.prompts) if texts is None else texts
    gain = (outcomes.big - outcomes.little).tolist()
    told = {
        **provenance,
        "little_right": round(float(outcomes.little.mean()), 4),
        "big_right": round(float(outcomes.big.mean()), 4),
    }
    model = train(known, gain, GUESSES, told, RIDGE, CENTRES)
    return LexicalRouter(model, _threshold(scores(model, known), big_share))


def recalibrated(router: LexicalRouter, questions: Sequence[str], big_share: float) -> LexicalRouter:
    """The same router with the threshold at which it sends `big_share` of these questions; they need no labels.

    Raises InvalidInput for too few questions, or a share out of range.
    """
    if len(questions) < LEAST_QUESTIONS:
        raise InvalidInput(f"{len(questions)} questions; it takes {LEAST_QUESTIONS} at least")
    return LexicalRouter(router.model, _threshold(scores(router.model, read_texts(questions)), big_share))


def _threshold(found: NDArray[np.float64], big_share: float) -> float:
    if not 0 <= big_share <= 1:
        raise InvalidInput(f"a share of {big_share:g}; its range is 0 to 1")
    if big_share == 0:
        # Above any score of these: the next question could be one that beats them all.
        return float(found.max()) + 1.0
    return float(np.quantile(found, 1 - big_share))
