"""Writes the answer of a run sentence by sentence: quoted or composed from the evidence, from the conversation, or not.

sentence ─► guards ─► sent ─► does it follow from what it cites? ── no ──► marked in the stream
              └─ blocked, or not checked: not sent, and marked
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import grpc
from ledge.rag.v1 import rag_pb2 as pb

from services.rag.answer.composing import Bounds, Composer, Sentence, Usage
from services.rag.answer.guarding import guard
from services.rag.answer.quoting import quotation
from services.rag.answer.run import Event, Run
from services.rag.answer.unsupported import dont_know, nothing_said, what_to_ask
from services.rag.evidence.signals import Candidate

MAX_ANSWER_TOKENS = 512
Span = tuple[int, int]
"""Characters [start, end) of the answer."""


class Writer:
    """Shared by all calls; holds nothing of any.

    Args:
        documents_language: ISO 639 code of what quotations speak.
    """

    def __init__(self, composer: Composer, documents_language: str) -> None:
        self._composer = composer
        self._documents_language = documents_language

    async def write(self, run: Run) -> None:
        """Writes into `run.answer`, and tells of it."""
        language = run.asked.language
        if run.route == pb.NEITHER:
            run.tell(*run.answer.say(what_to_ask(language)))
        elif run.route == pb.CONVERSATION:
            await self._from_conversation(run)
        elif not run.look.judgement.answers:
            if not run.answer.text:
                run.tell(*run.answer.say(dont_know(language)))
        else:
            await self._from_documents(run)

    async def _from_documents(self, run: Run) -> None:
        written = len(run.answer.text)
        if run.policy is None:
            run.do_without("llm")
        elif run.policy == pb.COMPOSE and run.budget.has_tokens() and run.budget.take_step():
            ranked = run.look.judgement.ranked
            usage = Usage()
            sentences = self._composer.compose(run.standalone, ranked, self._bounds(run), usage)
            await self._composed(run, sentences, usage)
        if len(run.answer.text) == written and not run.is_blocked:
            await self._quote(run)

    async def _from_conversation(self, run: Run) -> None:
        """The model answers from the turns before; without it the last of them is said again."""
        if run.policy == pb.COMPOSE and run.budget.has_tokens() and run.budget.take_step():
            usage = Usage()
            sentences = self._composer.recall(run.question, run.asked.history, self._bounds(run), usage)
            await self._composed(run, sentences, usage)
        if not run.answer.text and not run.is_blocked:
            last = next((turn.text for turn in reversed(run.asked.history) if not turn.is_user), "")
            await self._say(run, Sentence(last.strip() or nothing_said(run.asked.language), ()))

    def _bounds(self, run: Run) -> Bounds:
        return Bounds(min(run.budget.tokens, MAX_ANSWER_TOKENS), run.budget.remaining_s, run.asked.language)

    async def _composed(self, run: Run, sentences: AsyncGenerator[Sentence, None], usage: Usage) -> None:
        """Says what the model writes; what fails there is done without, and what was written by then stays."""
        since_s = run.clock()
        try:
            async with aclosing(sentences):
                async for sentence in sentences:
                    span = await self._say(run, sentence)
                    if span is None:
                        break
                    await self._ground(run, sentence, span)
        except grpc.aio.AioRpcError as error:
            if error.code() in (grpc.StatusCode.CANCELLED, grpc.StatusCode.INVALID_ARGUMENT):
                raise
            run.do_without("llm")
        for what in usage.done_without or ():
            run.do_without(what)
        run.budget.take_tokens(usage.drawn_tokens)
        run.budget.exhausted |= usage.cut_off
        run.prompt_tokens += usage.prompt_tokens
        run.completion_tokens += usage.completion_tokens
        run.did("generate", f"{usage.completion_tokens} tokens", since_s)

    async def _quote(self, run: Run) -> None:
        since_s = run.clock()
        if run.asked.language and run.asked.language.split("-")[0].lower() != self._documents_language:
            # A quotation speaks the language of its document.
            run.do_without("language")
        # Collections may hold the same document, and documents the same sentence: it is said once.
        quoted: dict[str, Candidate] = {}
        for candidate in run.look.judgement.ranked[: run.look.judgement.quoted]:
            quoted.setdefault(quotation(candidate), candidate)
        for text, candidate in quoted.items():
            if await self._say(run, Sentence(text, (candidate,))) is None:
                break
        if not run.answer.text:
            run.tell(*run.answer.say(dont_know(run.asked.language)))
        run.did("quote", f"{len(quoted)} sentences", since_s)

    async def _say(self, run: Run, sentence: Sentence) -> Span | None:
        """Says a sentence as the guards leave it, and where it then stands; None where they do not let it pass."""
        marks: list[tuple[pb.Verdict.Kind, str]] = []
        if sentence.replaced:
            reason = "the evidence does not hold all numbers, names and dates of the sentence that stood here"
            marks.append((pb.Verdict.REPLACED_BY_QUOTE, reason))
        checked = await guard(run, sentence.text)
        if checked is None or not run.lets_pass(checked):
            return None
        if checked.taken_out:
            marks.append((pb.Verdict.REDACTED, ", ".join(checked.taken_out)))
        start = run.answer.next_start
        said = list(run.answer.say(checked.text, sentence.cited, run.guards.shown))
        end = len(run.answer.text)
        for kind, reason in marks:
            run.tell(Event(verdict=pb.Verdict(kind=kind, reason=reason, start=start, end=end)))
        run.tell(*said)
        return start, end

    async def _ground(self, run: Run, sentence: Sentence, span: Span) -> None:
        """Asks whether a sentence that was sent follows from what it cites, and marks it where not."""
        start, end = span
        if not run.asked.effort.does("ground") or sentence.replaced or not sentence.cited:
            return

        async def ground() -> str:
            follows = await run.judge.follows(sentence.text, sentence.cited)
            if follows is False:
                reason = "it does not follow from what it cites"
                verdict = pb.Verdict(kind=pb.Verdict.UNSUPPORTED_CLAIM, reason=reason, start=start, end=end)
                run.tell(Event(verdict=verdict))
            return "" if follows is None else "follows" if follows else "does not follow"

        await run.move("ground", ground)
