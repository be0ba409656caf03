"""One answer on its way: what was asked, what is known by now, what it took, and the events that tell of it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ledge.rag.v1 import rag_pb2 as pb

from services.rag.answer.asked import AskedAnswer
from services.rag.answer.budget import Budget
from services.rag.answer.unsupported import not_checked
from services.rag.answer.writing import Answer
from services.rag.evidence.found import Found
from services.rag.evidence.judging import NOTHING, Judgement
from services.rag.evidence.search import Query
from services.rag.guards.guards import Checked, Guards
from services.rag.judges.judge import Judge

Event = pb.AnswerResponse


@dataclass(slots=True)
class Look:
    """One search, and what it is worth."""

    text: str
    """What was searched by."""
    query: Query | None = None
    retrieved: list[Found] = field(default_factory=list)
    """In the order of retrieval."""
    found: list[Found] = field(default_factory=list)
    """Best first."""
    judgement: Judgement = NOTHING


@dataclass(slots=True)
class Run:
    """Belongs to one call."""

    asked: AskedAnswer
    budget: Budget
    judge: Judge
    guards: Guards
    clock: Callable[[], float]
    started_s: float
    question: str
    """As it was asked, without what the guards took out."""
    standalone: str
    """As it is understood without the turns before it."""
    route: "pb.Route" = pb.DOCUMENTS
    policy: "pb.Policy | None" = pb.QUOTE
    """None: the llm service cannot be asked, so there is nobody to compose."""
    look: Look = field(default_factory=lambda: Look(""))
    """What the answer rests on: the first look, bettered by the later ones."""
    tried: list[str] = field(default_factory=list)
    """All that was searched by."""
    rewrites: int = 0
    is_blocked: bool = False
    """Whether a guard has ended the answer."""
    answer: Answer = field(default_factory=Answer)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    steps: list[pb.Step] = field(default_factory=list)
    verdicts: list[pb.Verdict] = field(default_factory=list)
    degraded: list[str] = field(default_factory=list)
    first_token_ms: float = 0.0
    _events: asyncio.Queue[Event | None] = field(default_factory=asyncio.Queue)
    """Bounded by the budget: every event but a handful is a step, or a sentence."""

    def elapsed_ms(self, since_s: float | None = None) -> float:
        return (self.clock() - (self.started_s if since_s is None else since_s)) * 1000

    def did(self, name: str, detail: str, since_s: float) -> None:
        """Notes a finished step."""
        shown = self.guards.shown(detail)
        self.steps.append(pb.Step(name=name, detail=shown, elapsed_ms=self.elapsed_ms(since_s)))
        self.tell(Event(step=self.steps[-1]))

    def tell(self, *events: Event) -> None:
        """Sends events, in their turn."""
        for event in events:
            if event.HasField("token") and not self.first_token_ms:
                self.first_token_ms = self.elapsed_ms()
            if event.HasField("verdict"):
                self.verdicts.append(event.verdict)
            self._events.put_nowait(event)

    def end(self) -> None:
        """Nothing more will be told."""
        self._events.put_nowait(None)

    async def next_event(self) -> Event | None:
        """Waits for it; None: that was all."""
        return await self._events.get()

    async def move(self, name: str, move: Callable[[], Awaitable[str]]) -> bool:
        """Makes a move within the budget and notes it; False when that does not reach.

        Args:
            move: says what came of it; empty: nothing, and it is not noted.
        """
        if not self.budget.take_step():
            return False
        since_s = self.clock()
        try:
            async with asyncio.timeout(self.budget.remaining_s):
                detail = await move()
        except TimeoutError:
            self.budget.exhausted = True
            return False
        if detail:
            self.did(name, detail, since_s)
        return True

    def lets_pass(self, checked: Checked) -> bool:
        """Where a text may not pass, says what is said instead, and nothing after it."""
        if checked.may_pass:
            return True
        self.is_blocked = True
        if checked.blocked is not None:
            self.tell(Event(verdict=pb.Verdict(kind=pb.Verdict.BLOCKED, reason=checked.blocked.name)))
            self.tell(*self.answer.say(checked.blocked.saying))
            return False
        reason = "not all who should check it could"
        self.tell(Event(verdict=pb.Verdict(kind=pb.Verdict.NOT_CHECKED, reason=reason)))
        if not self.answer.text:
            self.tell(*self.answer.say(not_checked(self.asked.language)))
        return False

    def do_without(self, what: str) -> None:
        if what not in self.degraded:
            self.degraded.append(what)
