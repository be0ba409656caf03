"""A router that was trained on who was right: scores a question by its words and its form.

Its score is the expected gain of the big model: how much likelier it is to be right than the little one. A question
that both fail gains nothing, and stays at home.
"""

import math
from typing import Any, Self

from services.estimates.lexical.model import LexicalModel

GUESSES = "big-right-less-little-right"


class LexicalRouter:
    """Shared by all requests; within a millisecond for a page of text."""

    def __init__(self, model: LexicalModel, threshold: float) -> None:
        self._model = model
        self.threshold = threshold

    @classmethod
    def from_json(cls, told: Any) -> Self:
        """Raises ValueError for what is no such router, in words for people."""
        model = LexicalModel.from_json(told, GUESSES)
        threshold = told.get("threshold")
        if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not math.isfinite(threshold):
            raise ValueError("it has no threshold: `ledge train threshold` sets one")
        return cls(model, float(threshold))

    def to_json(self) -> dict[str, Any]:
        return {**self._model.to_json(), "threshold": self.threshold}

    @property
    def model(self) -> LexicalModel:
        return self._model

    def score(self, question: str) -> float:
        return self._model.score(question)
