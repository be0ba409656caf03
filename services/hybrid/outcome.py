"""What became of a request: told in trailing metadata, before a stream as far as it is known, and counted."""

from dataclasses import dataclass, field
from typing import Any

from services.hybrid import metrics
from services.hybrid.choice import Choice
from services.hybrid.modes import Why
from services.kit.context import DONE_WITHOUT_KEY, current_call

STOOD_IN = frozenset({Why.BUDGET, Why.BIG_DOWN, Why.BIG_SLOW, Why.BIG_FAILED})
"""The big model was to have a part in the answer, and had none, or not all of it."""


@dataclass
class Outcome:
    """Begins as what was chosen; what happens on the way is written into it."""

    choice: Choice
    answered_by: str = "little"
    """little, big, or both."""
    why: Why = field(init=False)
    figures: dict[str, str] = field(default_factory=dict)
    """Of the mode, by the name of their metadata: `big-tokens`, `score`."""

    def __post_init__(self) -> None:
        self.why = self.choice.why
        if self.choice.score is not None:
            self.figures["score"] = f"{self.choice.score:.4f}"
            metrics.ROUTE_SCORE.observe(self.choice.score)

    def without_big(self, why: Why) -> None:
        """The little model answers in place of the big one."""
        self.why = why

    def tell(self) -> None:
        """Once, when the answer is complete or has failed."""
        metrics.REQUESTS.labels(self.choice.mode.value, self.answered_by, self.why.value).inc()
        if call := current_call():
            call.notes.update({f"hybrid-{name}": value for name, value in self._told().items()})

    async def announce(self, context: Any) -> None:
        """What is known before a stream's first event, for doors whose answers begin with it."""
        told = [(f"ledge-hybrid-{name}", value) for name, value in self._told().items()]
        if self.why in STOOD_IN:
            told.append((DONE_WITHOUT_KEY, "big model"))
        await context.send_initial_metadata(tuple(told))

    def _told(self) -> dict[str, str]:
        told = {"mode": self.choice.mode.value, "answered-by": self.answered_by, "why": self.why.value}
        return told | self.figures
