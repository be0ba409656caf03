"""What the signals are worth: weights fitted on questions whose answers are known, and a calibrated probability.

A rank score is a weighted sum of a segment's signals (a conditional logit: which of all segments holds the answer).
The probability that the documents answer at all is a logistic regression on the signals of the best segments.
`calibration.json` is made by `ledge calibrate`, and says from what.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.kit.errors import InvalidInput
from services.rag.evidence.signals import ANSWER_SIGNALS, SEGMENT_SIGNALS

SHIPPED = Path(__file__).with_name("calibration.json")
FORMAT = 2


@dataclass(frozen=True, slots=True)
class Weights:
    """The fitted numbers for one way of searching."""

    segment: NDArray[np.float64]
    """By SEGMENT_SIGNALS."""
    answer: NDArray[np.float64]
    """By ANSWER_SIGNALS."""
    intercept: float
    threshold: float
    """Refuse below this probability."""
    second_within: float
    """A second sentence of the first's passage is quoted when its rank score comes within this of the first's."""
    second_within_elsewhere: float
    """The same for one of another passage, which is another citation to read and may be beside the point."""

    def rank(self, signals: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rank scores of segments; their differences are log odds."""
        scores: NDArray[np.float64] = signals @ self.segment
        return scores

    def probability(self, signals: NDArray[np.float64]) -> float:
        """How probable it is that the documents answer, on questions like those of the fit."""
        logit = float(signals @ self.answer) + self.intercept
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, logit))))


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights with and without a reranker, and the models that they hold for."""

    reranked: Weights
    retrieved: Weights
    encoder: str
    reranker: str

    def weights(self, *, reranked: bool) -> Weights:
        return self.reranked if reranked else self.retrieved

    def holds_for(self, encoder: str) -> bool:
        """Whether probabilities mean what they say with this encoder's vectors."""
        return encoder == self.encoder


def read_calibration(path: Path = SHIPPED) -> Calibration:
    """Reads a file of weights.

    Raises:
        InvalidInput: not one, or one of another version's signals.
    """
    try:
        body = json.loads(path.read_text())
        if body["format"] != FORMAT:
            raise ValueError(f"format {body['format']}, not {FORMAT}")
        return Calibration(
            _weights(body["reranked"]),
            _weights(body["retrieved"]),
            body["models"]["encoder"],
            body["models"]["reranker"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInput(
            f"{path} holds no calibration of this version ({error}): make one with `ledge calibrate`"
        ) from error


def _weights(body: Mapping[str, Any]) -> Weights:
    return Weights(
        _vector(body["segment"], SEGMENT_SIGNALS),
        _vector(body["answer"], ANSWER_SIGNALS),
        float(body["intercept"]),
        float(body["threshold"]),
        float(body["second_within"]),
        float(body["second_within_elsewhere"]),
    )


def _vector(body: Mapping[str, float], names: Sequence[str]) -> NDArray[np.float64]:
    if set(body) != set(names):
        raise ValueError(f"its signals are {sorted(body)}, not {sorted(names)}")
    return np.array([float(body[name]) for name in names])
