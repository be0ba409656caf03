"""Drives Big Little decoding over two models of this process: for benches, calibration and proofs."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from services.estimates.language_models.language_model import LanguageModel
from services.hybrid.bild.decoding import Policy, Propose, Verdict, Verify, decode, is_confident, judge

Verifier = Callable[[Verify], Verdict]


@dataclass
class Counts:
    """What one sequence, or many, took."""

    tokens: int = 0
    big_calls: int = 0
    big_tokens: int = 0
    """Fed to the big model, prompts left out."""
    little_steps: int = 0
    fallbacks: int = 0
    """Drafts that ended because the little model was unsure."""
    rollbacks: int = 0
    discarded: int = 0
    """Drafted tokens that did not stand."""

    def add(self, other: "Counts") -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass
class Decoded:
    """One answer."""

    tokens: tuple[int, ...]
    counts: Counts = field(default_factory=Counts)


def run(
    little: LanguageModel,
    verify: Verifier,
    prompt: Sequence[int],
    policy: Policy,
    max_tokens: int,
    ends: Collection[int],
) -> Decoded:
    """Decodes after `prompt`, at least one token; `little` has an empty context, or one that begins the prompt."""
    sequence = list(prompt)
    counts = Counts()
    steps = decode(len(prompt), policy, max_tokens, ends)
    answer: tuple[int, ...] | Verdict | None = None
    while True:
        try:
            step = steps.send(answer)  # type: ignore[arg-type]
        except StopIteration as done:
            counts.tokens = len(done.value)
            return Decoded(done.value, counts)
        if isinstance(step, Propose):
            answer = propose(little, sequence, step, policy, ends, counts)
            unfinished = len(answer) < step.at_most and not (answer and answer[-1] in ends)
            counts.fallbacks += unfinished
            continue
        verdict = verify(step)
        counts.big_calls += 1
        counts.big_tokens += len(step.drafted) + 1
        counts.rollbacks += verdict.accepted < len(step.drafted)
        counts.discarded += len(step.drafted) - verdict.accepted
        sequence += step.drafted[: verdict.accepted]
        if verdict.next_token is not None:
            sequence.append(verdict.next_token)
        little.rollback(min(little.length, step.position + verdict.accepted))
        answer = verdict


def propose(
    little: LanguageModel,
    sequence: Sequence[int],
    step: Propose,
    policy: Policy,
    ends: Collection[int],
    counts: Counts,
) -> tuple[int, ...]:
    """The little model's draft: its best token, as long as it is sure of it."""
    little.rollback(min(little.length, step.position - 1))
    pending = list(sequence[little.length :])
    drafted: list[int] = []
    while len(drafted) < step.at_most:
        row = little.eval(pending, 1)[0]
        counts.little_steps += 1
        token = int(np.argmax(row))
        if not is_confident(float(np.exp(row[token])), policy):
            break
        drafted.append(token)
        pending = [token]
        if token in ends:
            break
    return tuple(drafted)


class InProcessVerifier:
    """The big model beside the little one."""

    def __init__(self, big: LanguageModel, prompt: Sequence[int], rollback: float, ends: Collection[int]) -> None:
        self._big = big
        self._sequence = list(prompt)
        self._rollback = rollback
        self._ends = ends
        self.negative_logprobs: list[float] = []
        """Of the tokens that stand, under the big model."""

    def __call__(self, step: Verify) -> Verdict:
        del self._sequence[step.position :]
        self._big.rollback(min(self._big.length, step.position - 1))
        pending = [*self._sequence[self._big.length :], *step.drafted]
        rows = self._big.eval(pending, len(step.drafted) + 1)
        best = [int(token) for token in rows.argmax(axis=1)]
        told = [-float(rows[place][token]) for place, token in enumerate(step.drafted)]
        verdict = judge(step.drafted, told, best, self._rollback, self._ends)
        self._sequence += step.drafted[: verdict.accepted]
        self.negative_logprobs += told[: verdict.accepted]
        if verdict.next_token is not None:
            self._sequence.append(verdict.next_token)
            self.negative_logprobs.append(-float(rows[verdict.accepted][verdict.next_token]))
        return verdict


def greedy(model: LanguageModel, prompt: Sequence[int], max_tokens: int, ends: Collection[int]) -> tuple[int, ...]:
    """What a model says by itself."""
    answer: list[int] = []
    model.rollback(min(model.length, len(prompt) - 1))
    pending = list(prompt[model.length :])
    while len(answer) < max_tokens and not (answer and answer[-1] in ends):
        answer.append(int(np.argmax(model.eval(pending, 1)[0])))
        pending = answer[-1:]
    return tuple(answer)
