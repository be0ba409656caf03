"""The model writes the answer from the evidence; each sentence is checked before it is sent.

tokens ─► sentence ─► all its facts in what it cites?  ── yes ─► sent, with marks
                                                       └─ no ──► the best quotation in its place, once;
                                                                 further failures are left out
"""

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import grpc
from ledge.llm.v1 import llm_pb2

from services.kit.client import done_without
from services.kit.context import current_call
from services.kit.errors import TooSlow
from services.rag.answer.asked import Turn
from services.rag.answer.claims import claims, holds_up
from services.rag.answer.prompts import compose_messages, recall_messages
from services.rag.answer.quoting import quotation
from services.rag.evidence.signals import Candidate
from services.rag.peers import Peers
from services.rag.sentences import sentences
from services.rag.words import Words

MAX_SENTENCES = 4
_MARK = re.compile(r"\s*\[(\d{1,2})\]")


@dataclass(frozen=True, slots=True)
class Sentence:
    """One of an answer, checked."""

    text: str
    """Without marks."""
    cited: tuple[Candidate, ...]
    replaced: bool = False
    """Whether it is the quotation in place of one that failed the check."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one generation."""

    max_tokens: int
    timeout_s: float
    """When to stop with what is written by then."""
    language: str
    """BCP-47 tag to answer in; empty: that of the question."""


@dataclass(slots=True)
class Usage:
    """What the generation took; complete when the stream has ended."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    """As the llm service counted them; of a generation that was ended early, the pieces that arrived."""
    drawn_tokens: int = 0
    """To be drawn from the budget, never less than what was generated and seen: a piece may be several tokens, but a
    token is at least a byte."""
    cut_off: bool = False
    """It reached the bound of its tokens, or of its time."""
    done_without: tuple[str, ...] | None = None
    """What the llm service says that it answered without; None before its first words."""


class Composer:
    """Shared by all calls.

    Args:
        language: ISO 639 code of the sentence rules.
    """

    def __init__(self, peers: Peers, words: Words, language: str) -> None:
        self._llm = peers.llm
        self._words = words
        self._language = language

    async def compose(
        self, question: str, evidence: Sequence[Candidate], bounds: Bounds, usage: Usage
    ) -> AsyncGenerator[Sentence, None]:
        """The sentences of an answer as they are written; there may be none.

        Args:
            evidence: best first; the notes that the model is given.

        Raises:
            TooSlow: the caller's own deadline passed.
            grpc.aio.AioRpcError: what failed in the llm service.
        """
        written: set[str] = set()
        replaced = False
        messages = compose_messages(question, evidence, bounds.language)
        async with aclosing(self._sentences(messages, bounds, usage)) as stream:
            async for sentence in stream:
                plain = _MARK.sub("", sentence).strip()
                if plain in written:
                    # A small model that repeats itself goes on doing so.
                    return
                written.add(plain)
                cited = self._support(sentence, plain, question, evidence)
                if cited:
                    yield Sentence(plain, cited)
                elif not replaced:
                    replaced = True
                    yield Sentence(quotation(evidence[0]), (evidence[0],), replaced=True)
                if len(written) >= MAX_SENTENCES:
                    return

    async def recall(
        self, question: str, history: Sequence[Turn], bounds: Bounds, usage: Usage
    ) -> AsyncGenerator[Sentence, None]:
        """The same from the turns before a question; a sentence with facts that they do not hold is left out."""
        turns = [turn.text for turn in history]
        written: set[str] = set()
        messages = recall_messages(question, history, bounds.language)
        async with aclosing(self._sentences(messages, bounds, usage)) as stream:
            async for sentence in stream:
                plain = _MARK.sub("", sentence).strip()
                if plain in written or len(written) >= MAX_SENTENCES:
                    return
                written.add(plain)
                if holds_up(plain, turns, question, self._words):
                    yield Sentence(plain, ())

    def _support(
        self, sentence: str, plain: str, question: str, evidence: Sequence[Candidate]
    ) -> tuple[Candidate, ...]:
        """What a sentence rests on: what it cites itself, else the one note that holds it up, else the first two."""
        marks = [int(mark) for mark in _MARK.findall(sentence)]
        cited = tuple(evidence[mark - 1] for mark in marks if 1 <= mark <= len(evidence))
        alone = sorted(evidence, key=lambda note: -len(note.context & claims(plain, self._words).words))
        for choice in (cited, *((note,) for note in alone), tuple(evidence[:2])):
            if choice and holds_up(plain, map(_whole, choice), question, self._words):
                return tuple(dict.fromkeys(choice))
        return ()

    async def _sentences(
        self, messages: Sequence[llm_pb2.Message], bounds: Bounds, usage: Usage
    ) -> AsyncGenerator[str, None]:
        request = llm_pb2.ChatStreamRequest(
            chat=llm_pb2.ChatRequest(
                messages=messages, sampling=llm_pb2.Sampling(temperature=0.0, max_tokens=bounds.max_tokens)
            )
        )
        text = ""
        is_callers = _caller_waits_less_than(bounds.timeout_s)
        call = self._llm.ChatStream(request, timeout=bounds.timeout_s)
        try:
            async for event in call:
                if usage.done_without is None:
                    usage.done_without = await done_without(call)
                text += event.delta
                if event.delta:
                    usage.completion_tokens += 1
                    usage.drawn_tokens = min(bounds.max_tokens, usage.drawn_tokens + len(event.delta.encode()))
                if event.HasField("usage"):
                    usage.prompt_tokens = event.usage.prompt_tokens
                    usage.completion_tokens = usage.drawn_tokens = event.usage.completion_tokens
                usage.cut_off |= event.finish_reason == llm_pb2.LENGTH
                whole, text = self._cut(text)
                for sentence in whole:
                    yield sentence
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                raise
            if is_callers:
                raise TooSlow("generating ran out of time") from error
            usage.cut_off = True
        finally:
            call.cancel()
        # A sentence that was cut off in its middle says half of what was meant.
        if text.strip() and not (usage.cut_off and not text.rstrip().endswith((".", "!", "?"))):
            yield text.strip()

    def _cut(self, text: str) -> tuple[list[str], str]:
        """The sentences that are whole for certain, and the rest."""
        spans = list(sentences(text, self._language))
        if len(spans) < 2:
            return [], text
        return [text[start:end] for start, end in spans[:-1]], text[spans[-1][0] :]


def _caller_waits_less_than(timeout_s: float) -> bool:
    """Whether the deadline of the call being served ends a generation before its own bound does."""
    call = current_call()
    remaining_s = None if call is None else call.remaining_s()
    return remaining_s is not None and remaining_s < timeout_s


def _whole(note: Candidate) -> str:
    """All that a note says: its headings, what introduces it, itself, and the name of its document."""
    chunk = note.found.chunk
    return " ".join([chunk.document, *chunk.headings, note.segment.lead_in, note.text])
