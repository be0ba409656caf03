"""Answers a question from documents in a bounded number of moves, and tells of each as it is made.

    encode ─► retrieve ─► rerank ─► weigh the evidence ─┬─ it answers ──────► quote it, or compose from it
                                                        └─ it does not ─────► say "I don't know"

Every move draws on one budget. When that ends, what is known by then makes the best answer so far, marked so.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field

import grpc
from ledge.rag.v1 import rag_pb2 as pb

from services.rag.answer.asked import AskedAnswer, AskedSearch
from services.rag.answer.budget import Budget
from services.rag.answer.composing import Composer, Usage
from services.rag.answer.model_policy import ModelPolicy
from services.rag.answer.quoting import quotation
from services.rag.answer.unsupported import dont_know
from services.rag.answer.writing import Answer
from services.rag.evidence.calibration import Calibration
from services.rag.evidence.found import Found
from services.rag.evidence.judging import NOTHING, PASSAGES, Judgement, judge
from services.rag.evidence.search import Query, Search
from services.rag.words import Words

NOTES = 3
"""Sentences that a model composes from."""
Event = pb.AnswerResponse


@dataclass(slots=True)
class Run:
    """One answer on its way."""

    asked: AskedAnswer
    budget: Budget
    started_s: float
    clock: Callable[[], float]
    policy: "pb.Policy | None" = None
    query: Query | None = None
    retrieved: list[Found] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)
    judgement: Judgement = NOTHING
    answer: Answer = field(default_factory=Answer)
    usage: Usage = field(default_factory=Usage)
    steps: list[pb.Step] = field(default_factory=list)
    degraded: list[str] = field(default_factory=list)
    first_token_ms: float = 0.0

    def elapsed_ms(self, since_s: float | None = None) -> float:
        return (self.clock() - (self.started_s if since_s is None else since_s)) * 1000

    def did(self, name: str, detail: str, since_s: float) -> Event:
        """Notes a finished step."""
        self.steps.append(pb.Step(name=name, detail=detail, elapsed_ms=self.elapsed_ms(since_s)))
        return Event(step=self.steps[-1])


class Agent:
    """Shared by all calls; holds nothing of any."""

    def __init__(
        self,
        search: Search,
        composer: Composer,
        policy: ModelPolicy,
        calibration: Calibration,
        words: Words,
        documents_language: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._search = search
        self._composer = composer
        self._policy = policy
        self._calibration = calibration
        self._words = words
        self._documents_language = documents_language
        self._clock = clock

    async def search(self, asked: AskedSearch) -> tuple[list[Found], list[str]]:
        """The passages for a query, best first, and what was done without."""
        query = await self._search.encode(asked.query, asked.scope)
        if not asked.scope.is_reranked:
            return await self._search.retrieve(query, asked.scope, asked.limit, with_segments=False), []
        found = await self._search.retrieve(query, asked.scope, max(asked.limit, 20))
        reranked = await self._search.rerank(query, found)
        if reranked is None:
            return found[: asked.limit], ["reranking"]
        return reranked[: asked.limit], []

    async def answer(self, asked: AskedAnswer) -> AsyncGenerator[Event, None]:
        """The events of one answer; `done` is the last."""
        run = Run(asked, Budget(asked.allowance, self._clock), self._clock(), self._clock)
        if asked.effort != pb.FAST:
            # The moves that more effort would add do not exist yet; the caller is told so.
            run.degraded.append("effort")
        for name, move in (("encode", self._encode), ("retrieve", self._retrieve), ("rerank", self._rerank)):
            since_s = self._clock()
            detail = await self._within_budget(run, move)
            if detail is None:
                break
            if detail:
                yield run.did(name, detail, since_s)
        yield Event(retrieval=pb.Retrieval(passages=[found.passage() for found in run.found[:PASSAGES]]))
        yield self._weigh(run)
        yield self._verdict(run)
        async with aclosing(self._write(run)) as events:
            async for event in events:
                if event.HasField("token") and not run.first_token_ms:
                    run.first_token_ms = run.elapsed_ms()
                yield event
        yield self._done(run)

    async def _within_budget(self, run: Run, move: Callable[[Run], Awaitable[str]]) -> str | None:
        """Makes a move; None when the budget does not reach for it. A move not to be made says nothing."""
        if not run.budget.take_step():
            return None
        try:
            async with asyncio.timeout(run.budget.remaining_s):
                return await move(run)
        except TimeoutError:
            run.budget.exhausted = True
            return None

    async def _encode(self, run: Run) -> str:
        run.policy, run.query = await asyncio.gather(
            self._policy_of(run.asked), self._search.encode(run.asked.standalone, run.asked.scope, run.asked.question)
        )
        return "with the turns before it" if run.asked.standalone != run.asked.question else "as asked"

    async def _policy_of(self, asked: AskedAnswer) -> "pb.Policy | None":
        return asked.policy if asked.policy != pb.POLICY_UNSPECIFIED else await self._policy.get()

    async def _retrieve(self, run: Run) -> str:
        assert run.query is not None  # noqa: S101 - the moves run in order
        run.found = run.retrieved = await self._search.retrieve(run.query, run.asked.scope, run.asked.candidates)
        return f"{len(run.found)} passages"

    async def _rerank(self, run: Run) -> str:
        if not run.asked.scope.is_reranked:
            return ""
        assert run.query is not None  # noqa: S101 - the moves run in order
        reranked = await self._search.rerank(run.query, run.found)
        if reranked is None:
            run.degraded.append("reranking")
            return "left out: the passages stay in the order of retrieval"
        run.found = reranked
        return f"{len(reranked)} passages"

    def _weigh(self, run: Run) -> Event:
        since_s = self._clock()
        if run.query is not None and run.found:
            run.judgement = judge(run.query, run.found, self._calibration, self._words, NOTES)
        return run.did("evidence", f"{len(run.judgement.ranked)} sentences", since_s)

    def _verdict(self, run: Run) -> Event:
        judgement = run.judgement
        verdict = pb.Verdict(kind=pb.Verdict.ANSWERED if judgement.answers else pb.Verdict.NO_SUPPORT)
        if judgement.calibrated and judgement.ranked:
            verdict.confidence = judgement.probability if judgement.answers else 1 - judgement.probability
        if not judgement.answers:
            verdict.reason = "no sentence that was found answers the question" if run.found else "nothing was found"
            if run.budget.exhausted:
                verdict.reason = "the budget ended before the documents were searched through"
        return Event(verdict=verdict)

    async def _write(self, run: Run) -> AsyncGenerator[Event, None]:
        if not run.judgement.answers:
            for event in run.answer.say(dont_know(run.asked.language)):
                yield event
            return
        if run.policy is None:
            run.degraded.append("llm")
        elif run.policy == pb.COMPOSE and run.budget.has_tokens() and run.budget.take_step():
            async with aclosing(self._compose(run)) as events:
                async for event in events:
                    yield event
        if not run.answer.text:
            for event in self._quote(run):
                yield event

    def _quote(self, run: Run) -> Iterator[Event]:
        since_s = self._clock()
        if run.asked.language and run.asked.language.split("-")[0].lower() != self._documents_language:
            # A quotation speaks the language of its document.
            run.degraded.append("language")
        quoted = run.judgement.ranked[: run.judgement.quoted]
        for candidate in quoted:
            yield from run.answer.say(quotation(candidate), (candidate,))
        yield run.did("quote", f"{len(quoted)} sentences", since_s)

    async def _compose(self, run: Run) -> AsyncGenerator[Event, None]:
        """Lets the model write; what fails there is done without, and what was written by then stays."""
        since_s = self._clock()
        events = self._composer.compose(
            run.asked.standalone,
            run.judgement.ranked,
            run.answer,
            max_tokens=run.budget.tokens,
            timeout_s=run.budget.remaining_s,
            language=run.asked.language,
            usage=run.usage,
        )
        try:
            async with aclosing(events):
                async for event in events:
                    yield event
        except grpc.aio.AioRpcError as error:
            if error.code() in (grpc.StatusCode.CANCELLED, grpc.StatusCode.INVALID_ARGUMENT):
                raise
            run.degraded.append("llm")
        run.budget.take_tokens(run.usage.completion_tokens)
        run.budget.exhausted |= run.usage.cut_off
        yield run.did("generate", f"{run.usage.completion_tokens} tokens", since_s)

    def _done(self, run: Run) -> Event:
        return Event(
            done=pb.Done(
                answer=run.answer.text,
                answered=run.judgement.answers,
                citations=run.answer.citations,
                steps=run.steps,
                elapsed_ms=run.elapsed_ms(),
                first_token_ms=run.first_token_ms,
                degraded=run.degraded,
                budget_exhausted=run.budget.exhausted,
                prompt_tokens=run.usage.prompt_tokens,
                completion_tokens=run.usage.completion_tokens,
            )
        )
