"""Answers a question from documents in a bounded number of moves, and tells of each as it is made.

    guard ─► route ─► condense ─► look ─► decompose ─► hop ─► does it suffice? ─┬─ yes ─► write ─► is it useful?
               │                   ▲                                            └─ no ──► rewrite        │ no
               │                   └──────────────────────────────────────────────────────────┘◄─────────┘
               └─► from the conversation, or from neither

A look is: encode, retrieve, rerank, grade, weigh (answer/looking.py). `fast` guards, looks and writes; `balanced` and
`thorough` add moves (answer/effort.py). A move that decides asks the judge: the model under a schema, or calibrated
scores (judges/). Every move draws on one budget, and what is known when that ends makes the answer, marked so.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace

from ledge.rag.v1 import rag_pb2 as pb

from services.rag.answer.asked import AskedAnswer, AskedSearch
from services.rag.answer.budget import Budget
from services.rag.answer.follow_up import condense
from services.rag.answer.guarding import STEPS, guard
from services.rag.answer.looking import Looking
from services.rag.answer.model_policy import ModelPolicy
from services.rag.answer.run import Event, Run
from services.rag.answer.writer import Writer
from services.rag.evidence.judging import PASSAGES
from services.rag.evidence.search import Search
from services.rag.guards.guards import Guards
from services.rag.judges.calibrated import CalibratedJudge
from services.rag.judges.judge import MAX_PARTS
from services.rag.judges.model import ModelJudge
from services.rag.peers import Peers


class Agent:
    """Shared by all calls; holds nothing of any."""

    def __init__(
        self,
        peers: Peers,
        search: Search,
        looking: Looking,
        writer: Writer,
        policy: ModelPolicy,
        guards: Guards,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._peers = peers
        self._search = search
        self._looking = looking
        self._writer = writer
        self._policy = policy
        self._guards = guards
        self._clock = clock

    async def search(self, asked: AskedSearch) -> tuple[list[pb.Passage], list[str]]:
        """The passages for a query, best first, and what was done without."""
        shown = self._guards.at_work(asked.guards).shown
        query = await self._search.encode(asked.query, asked.scope)
        if not asked.scope.is_reranked:
            found = await self._search.retrieve(query, asked.scope, asked.limit, with_segments=False)
            return [passage.passage(shown) for passage in found], []
        retrieved = await self._search.retrieve(query, asked.scope, max(asked.limit, 20))
        reranked = await self._search.rerank(query, retrieved)
        best = retrieved if reranked is None else reranked
        return [it.passage(shown) for it in best[: asked.limit]], ["reranking"] if reranked is None else []

    async def answer(self, asked: AskedAnswer) -> AsyncGenerator[Event, None]:
        """The events of one answer as they come; `done` is the last."""
        run = await self._begin(asked)
        work = asyncio.create_task(self._work(run))
        work.add_done_callback(lambda _: run.end())
        try:
            while (event := await run.next_event()) is not None:
                yield event
            await work
        finally:
            work.cancel()
            await asyncio.wait([work])

    async def _work(self, run: Run) -> None:
        """The loop: every way through it ends, since each rewrite and each move draws on what is bounded."""
        does = run.asked.effort.does

        await self._guard(run)
        if does("route") and not run.is_blocked:
            await run.move("route", lambda: self._route(run))
        if run.route == pb.DOCUMENTS and not run.is_blocked:
            await self._condense(run)
        if run.route == pb.DOCUMENTS and not run.is_blocked:
            run.look = await self._looking.look(run, run.standalone)
            if does("decompose"):
                await run.move("decompose", lambda: self._decompose(run))
            if does("hop") and run.look.judgement.ranked:
                await run.move("hop", lambda: self._hop(run))
            await self._grade(run)
            while not run.look.judgement.answers and await self._rewrite(run):
                await self._grade(run)
            self._tell_what_was_found(run)

        while not run.is_blocked:
            start = run.answer.next_start
            await self._writer.write(run)
            if not does("verify") or await self._is_useful(run, start) or not await self._rewrite(run):
                break
        run.tell(self._done(run))

    async def _begin(self, asked: AskedAnswer) -> Run:
        started_s = self._clock()
        guards = self._guards.at_work(asked.guards, refuses=asked.refuses_unchecked)
        budget = Budget(asked.allowance, self._clock, for_guards=STEPS if guards.ask_others else 0)
        policy = asked.policy if asked.policy != pb.POLICY_UNSPECIFIED else await self._policy.get(budget.remaining_s)
        calibrated = CalibratedJudge()
        decides = asked.judge or (pb.MODEL if policy == pb.COMPOSE else pb.CALIBRATED)
        if not asked.effort.is_judged:
            decides = pb.CALIBRATED
        return Run(
            asked=asked,
            budget=budget,
            judge=ModelJudge(self._peers, budget, calibrated) if decides == pb.MODEL else calibrated,
            guards=guards,
            clock=self._clock,
            started_s=started_s,
            question=asked.question,
            standalone=asked.question,
            policy=policy,
        )

    async def _guard(self, run: Run) -> None:
        """Turns before the question lose their personal data too: they are searched by, and shown to the model."""
        checked = await guard(run, run.question, is_question=True)
        if checked is None:
            return
        run.question = run.standalone = checked.text.strip() or "?"
        if checked.taken_out:
            run.tell(Event(verdict=pb.Verdict(kind=pb.Verdict.REDACTED, reason=", ".join(checked.taken_out))))
        if run.lets_pass(checked):
            texts = await asyncio.to_thread(run.guards.redacted, [turn.text for turn in run.asked.history])
            history = tuple(replace(turn, text=text) for turn, text in zip(run.asked.history, texts, strict=True))
            run.asked = replace(run.asked, history=history)

    async def _guard_condensed(self, run: Run) -> None:
        """A follow-up may touch a topic only together with the turns that it points back to."""
        checked = await guard(run, run.standalone, is_question=True)
        if checked is None:
            # What nobody has checked is not searched by.
            run.standalone = run.question
            return
        run.standalone = checked.text.strip() or "?"
        run.lets_pass(checked)

    async def _route(self, run: Run) -> str:
        run.route = await run.judge.route(run.question, run.asked.history) or pb.DOCUMENTS
        return pb.Route.Name(run.route).lower()

    async def _condense(self, run: Run) -> None:
        """Rules find whether the question points back; where it does, the judge puts in what it points to."""
        if not run.asked.history or not run.asked.effort.does("condense"):
            return
        run.standalone = condense(run.question, [turn.text for turn in run.asked.history if turn.is_user])

        async def condensed() -> str:
            run.standalone = await run.judge.condense(run.question, run.asked.history) or run.standalone
            return run.standalone

        if run.asked.effort.is_judged and run.standalone != run.question:
            await run.move("condense", condensed)
        if run.guards and run.standalone != run.question:
            await self._guard_condensed(run)

    async def _decompose(self, run: Run) -> str:
        """Looks for each part of a question; the best sentences of the parts become the evidence of the whole."""
        parts = await run.judge.decompose(run.standalone)
        if not parts or len(parts) < 2:
            return ""
        looks = [await self._looking.look(run, part) for part in dict.fromkeys(parts[:MAX_PARTS])]
        best = [look.judgement.ranked[0] for look in looks if look.judgement.answers]
        whole = run.look.judgement
        rest = [kept for kept in whole.ranked if not any(kept.is_same_as(first) for first in best)]
        run.look.judgement = replace(
            whole,
            ranked=(*best, *rest),
            quoted=max(len(best), whole.quoted),
            answers=whole.answers or len(best) == len(looks),
        )
        return f"{len(looks)} parts, {len(best)} found"

    async def _hop(self, run: Run) -> str:
        return "a sentence more" if await self._looking.hop(run) else "nothing more"

    async def _grade(self, run: Run) -> None:
        """Asks whether the evidence suffices; without the move its calibrated probability says so."""

        async def grade() -> str:
            judgement = run.look.judgement
            suffices = await run.judge.suffices(run.standalone, judgement)
            if suffices is not None:
                run.look.judgement = replace(judgement, answers=suffices)
            return "sufficient" if run.look.judgement.answers else "insufficient"

        if run.asked.effort.does("grade") and run.look.judgement.ranked:
            await run.move("grade", grade)

    async def _rewrite(self, run: Run) -> bool:
        """Looks by other words until that betters the evidence; False where nothing is left to try."""
        query, effort = run.look.query, run.asked.effort
        if query is None or not effort.does("rewrite"):
            return False
        rewritten = ""

        async def rewrite() -> str:
            nonlocal rewritten
            rewritten = await run.judge.rewrite(query.question, run.tried, run.look.judgement.ranked) or ""
            return rewritten

        while run.rewrites < effort.rewrites:
            run.rewrites += 1
            if not await run.move("rewrite", rewrite) or not rewritten:
                return False
            if await self._looking.better(run, await self._looking.look(run, rewritten)):
                return True
        return False

    async def _is_useful(self, run: Run, start: int) -> bool:
        """Marks what was just written where it does not answer the question. What nobody judges is useful."""
        useful = True

        async def verify() -> str:
            nonlocal useful
            useful = await run.judge.is_useful(run.standalone, run.answer.text[start:]) is not False
            return "useful" if useful else "not useful"

        if run.route == pb.DOCUMENTS and run.look.judgement.answers and not run.is_blocked:
            await run.move("verify", verify)
        if not useful:
            reason = "it does not answer the question"
            verdict = pb.Verdict(kind=pb.Verdict.NOT_USEFUL, reason=reason, start=start, end=len(run.answer.text))
            run.tell(Event(verdict=verdict))
        return useful

    def _tell_what_was_found(self, run: Run) -> None:
        look = run.look
        shown = [found.passage(run.guards.shown) for found in look.found[:PASSAGES]]
        verdict = pb.Verdict(kind=pb.Verdict.ANSWERED if look.judgement.answers else pb.Verdict.NO_SUPPORT)
        if look.judgement.calibrated and look.judgement.ranked:
            probability = look.judgement.probability
            verdict.confidence = probability if look.judgement.answers else 1 - probability
        if not look.judgement.answers:
            verdict.reason = "no sentence that was found answers the question" if look.found else "nothing was found"
            if run.budget.exhausted:
                verdict.reason = "the budget ended before the documents were searched through"
        run.tell(Event(retrieval=pb.Retrieval(passages=shown)), Event(verdict=verdict))

    def _done(self, run: Run) -> Event:
        judge = run.judge
        if isinstance(judge, ModelJudge):
            run.prompt_tokens += judge.prompt_tokens
            run.completion_tokens += judge.completion_tokens
            if judge.failed:
                run.do_without("decisions")
        from_documents = run.route == pb.DOCUMENTS and bool(run.answer.citations)
        from_conversation = run.route == pb.CONVERSATION and not run.is_blocked
        return Event(
            done=pb.Done(
                answer=run.answer.text,
                answered=from_documents or from_conversation,
                citations=run.answer.citations,
                steps=run.steps,
                elapsed_ms=run.elapsed_ms(),
                first_token_ms=run.first_token_ms,
                degraded=run.degraded,
                budget_exhausted=run.budget.exhausted,
                prompt_tokens=run.prompt_tokens,
                completion_tokens=run.completion_tokens,
                route=run.route,
                steps_taken=run.budget.steps_taken,
                verdicts=run.verdicts,
            )
        )
