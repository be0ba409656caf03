"""What became of a request: told in trailing metadata, counted, and never changed after it is told."""

from dataclasses import dataclass, field

from services.hybrid import metrics
from services.hybrid.choice import Choice
from services.hybrid.modes import Why
from services.kit.context import current_call


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
        mode = self.choice.mode.value
        metrics.REQUESTS.labels(mode, self.answered_by, self.why.value).inc()
        call = current_call()
        if call is None:
            return
        told = {"mode": mode, "answered-by": self.answered_by, "why": self.why.value, **self.figures}
        call.notes.update({f"hybrid-{name}": value for name, value in told.items()})
