"""The dial of Big Little decoding: big calls per token against the loss in quality, over its two thresholds.

Quality is the mean −log p of the answer's tokens under the big model, beside that of its own greedy answer. What a step
of either model costs elsewhere is modelled from the calls, never claimed from the time on this machine.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from services.estimates.language_models.language_model import LanguageModel
from services.hybrid.bild.decoding import Policy
from services.hybrid.bild.in_process import Counts, InProcessVerifier, greedy, run

Contexts = Callable[[], LanguageModel]
"""Makes an empty context of a model."""


@dataclass(frozen=True)
class Costs:
    """Of machines that are elsewhere."""

    little_step_s: float
    big_step_s: float
    """The same for one token and for a short draft, where the big model waits for its memory."""
    round_trip_s: float


@dataclass
class Point:
    """One pair of thresholds, over all prompts."""

    policy: Policy
    counts: Counts = field(default_factory=Counts)
    negative_logprob: float = 0.0
    """Mean over all tokens, under the big model."""
    exact: int = 0
    """Answers that are the big model's own."""
    elapsed_s: float = 0.0
    cpu_s: float = 0.0

    @property
    def calls_per_token(self) -> float:
        return self.counts.big_calls / max(1, self.counts.tokens)

    def modelled_token_s(self, costs: Costs) -> float:
        """Seconds a token would take with such costs; the big model alone takes `costs.big_step_s`."""
        steps = self.counts.little_steps / max(1, self.counts.tokens)
        return steps * costs.little_step_s + self.calls_per_token * (costs.round_trip_s + costs.big_step_s)


@dataclass
class Alone:
    """The big model's own answers."""

    answers: list[tuple[int, ...]] = field(default_factory=list)
    negative_logprob: float = 0.0
    tokens: int = 0
    elapsed_s: float = 0.0
    cpu_s: float = 0.0


def big_alone(big: Contexts, prompts: Sequence[Sequence[int]], max_tokens: int, ends: Collection[int]) -> Alone:
    alone = Alone()
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    for prompt in prompts:
        alone.answers.append(greedy(big(), prompt, max_tokens, ends))
    alone.elapsed_s, alone.cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    alone.tokens = sum(map(len, alone.answers))
    alone.negative_logprob = mean_negative_logprob(big, prompts, alone.answers)
    return alone


def measure(
    little: Contexts,
    big: Contexts,
    prompts: Sequence[Sequence[int]],
    policy: Policy,
    max_tokens: int,
    ends: Collection[int],
    alone: Alone,
) -> Point:
    """All prompts with one pair of thresholds."""
    point = Point(policy)
    answers = []
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    for prompt in prompts:
        verifier = InProcessVerifier(big(), prompt, policy.rollback, ends)
        told = run(little(), verifier, prompt, policy, max_tokens, ends)
        point.counts.add(told.counts)
        answers.append(told.tokens)
    point.elapsed_s, point.cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    point.negative_logprob = mean_negative_logprob(big, prompts, answers)
    point.exact = sum(mine == its for mine, its in zip(answers, alone.answers, strict=True))
    return point


def mean_negative_logprob(big: Contexts, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> float:
    """Of the answers' tokens under the big model, each after what stands before it."""
    total, tokens = 0.0, 0
    for prompt, answer in zip(prompts, answers, strict=True):
        rows = big().eval([*prompt, *answer], len(answer) + 1)
        total -= sum(float(row[token]) for row, token in zip(rows, answer, strict=False))
        tokens += len(answer)
    return total / max(1, tokens)


def cheapest(points: Sequence[Point], alone: Alone, most_loss: float) -> Point | None:
    """The point of fewest big calls whose −log p is at most `most_loss` (a share) above the big model's own."""
    bound = alone.negative_logprob * (1 + most_loss)
    good = [point for point in points if point.negative_logprob <= bound]
    return min(good, key=lambda point: (point.calls_per_token, point.negative_logprob), default=None)
