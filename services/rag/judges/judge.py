"""What the agent asks whoever decides: one method a decision."""

from collections.abc import Collection, Sequence
from typing import Protocol

from ledge.rag.v1 import rag_pb2 as pb

from services.rag.answer.asked import Turn
from services.rag.evidence.found import Found
from services.rag.evidence.judging import Judgement
from services.rag.evidence.question import Question
from services.rag.evidence.signals import Candidate
from services.rag.guards.topics import Told, Topic

MAX_PARTS = 3
"""Simpler questions that one is taken apart into."""


class Judge(Protocol):
    """Made for one answer. Each decision that asks another service draws on the answer's budget, and is None where
    that does not reach, or where the one asked gives none: the agent then goes on without."""

    reads: bool
    """Whether it understands what it is shown, rather than goes by scores."""

    async def route(self, question: str, history: Sequence[Turn]) -> "pb.Route | None":
        """Where the answer comes from."""
        ...

    async def condense(self, question: str, history: Sequence[Turn]) -> str | None:
        """The question as it would be asked without the turns before it."""
        ...

    async def decompose(self, question: str) -> Sequence[str] | None:
        """Simpler questions whose answers make this one's, in order; empty: it is simple."""
        ...

    async def suffices(self, question: str, judgement: Judgement) -> bool | None:
        """Whether the best sentences answer the question."""
        ...

    async def relevant(self, question: str, found: Sequence[Found]) -> Sequence[bool] | None:
        """Of each passage whether it helps to answer."""
        ...

    async def rewrite(self, question: Question, tried: Sequence[str], best: Sequence[Candidate]) -> str | None:
        """The question in other words, to search by; None: there is nothing else to try."""
        ...

    async def follows(self, sentence: str, cited: Sequence[Candidate]) -> bool | None:
        """Whether a sentence of the answer follows from what it cites."""
        ...

    async def topic(self, text: str, topics: Collection[Topic]) -> Told | None:
        """Which of some topics a text belongs to."""
        ...

    async def is_useful(self, question: str, answer: str) -> bool | None:
        """Whether the answer answers the question."""
        ...
