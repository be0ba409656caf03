"""Big Little decoding, as pure functions: who drafts, what stands, when it ends (Kim et al., arXiv 2302.07863).

              ┌────────────── what stands, and the big model's own token ◄───────────────┐
              ▼                                                                           │
  little drafts token by token ──── fallback: max p_S < α_FB, or the draft is long ──► big verifies the draft in one
              │                     enough, or the sequence ends                        pass; rollback to the first
              └ greedy: the most probable token each time                               token with −log p_L > α_RB

Better than the reference (its faults are told in docs/hybrid.md): an end of sequence is verified like any other token;
thresholds of 0 are what they say; after a rollback the big model's token stands and the little one goes on at once; all
state belongs to one sequence. With α_RB = 0 the answer is the big model's own greedy one, whatever the little model is.
"""

from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """When the big model is asked, and what it lets stand."""

    fallback: float = 0.6
    """α_FB: the little model hands over where its best token is less probable."""
    rollback: float = 2.0
    """α_RB: a drafted token is replaced where its −log p under the big model is more and another token is likelier."""
    max_draft_tokens: int = 10


@dataclass(frozen=True)
class Propose:
    """Asks for the little model's draft after the first `position` tokens of the sequence: `tuple[int, …]`."""

    position: int
    at_most: int


@dataclass(frozen=True)
class Verify:
    """Asks for the big model's verdict on a draft that starts at `position`: `Verdict`."""

    position: int
    drafted: tuple[int, ...]


@dataclass(frozen=True)
class Verdict:
    accepted: int
    """How many drafted tokens stand."""
    next_token: int | None
    """The big model's own token after them; None after an end of sequence that stands."""


def is_confident(probability: float, policy: Policy) -> bool:
    """Whether the little model keeps its best token, or hands over."""
    return probability >= policy.fallback


def judge(
    drafted: Sequence[int],
    negative_logprobs: Sequence[float],
    most_probable: Sequence[int],
    rollback: float,
    ends: Collection[int],
) -> Verdict:
    """What stands of a draft.

    Args:
        negative_logprobs: −log p of each drafted token under the big model.
        most_probable: the big model's best token at each place of the draft, and after it: one more than drafted.
    """
    for place, token in enumerate(drafted):
        if token != most_probable[place] and negative_logprobs[place] > rollback:
            return Verdict(place, most_probable[place])
        if token in ends:
            return Verdict(place + 1, None)
    return Verdict(len(drafted), most_probable[len(drafted)])


def decode(
    prompt_tokens: int, policy: Policy, max_tokens: int, ends: Collection[int]
) -> Generator[Propose | Verify, "tuple[int, ...] | Verdict", tuple[int, ...]]:
    """The order of steps for one sequence; whoever drives it does the computing and sends back what each step asks for.

    Returns:
        The answer's tokens, its end of sequence included, at most `max_tokens`.
    """
    answer: list[int] = []
    while len(answer) < max_tokens and not (answer and answer[-1] in ends):
        position = prompt_tokens + len(answer)
        drafted = yield Propose(position, min(policy.max_draft_tokens, max_tokens - len(answer)))
        if not isinstance(drafted, tuple):
            raise TypeError("a draft was asked for")
        verdict = yield Verify(position, drafted)
        if not isinstance(verdict, Verdict):
            raise TypeError("a verdict was asked for")
        answer += drafted[: verdict.accepted]
        if verdict.next_token is not None and len(answer) < max_tokens:
            answer.append(verdict.next_token)
    return tuple(answer)
