"""Lets the model decide, held to a JSON schema; what it fails to decide is decided by calibration.

Text of documents, of the conversation and of the question stands in the user's message only, fenced and in one line;
the system message holds nothing but the task. An answer that is not an instance of the schema is no decision.
"""

import asyncio
import inspect
import json
from collections.abc import Collection, Sequence
from typing import Any, Literal, TypeVar

import grpc
from ledge.llm.v1 import llm_pb2
from ledge.rag.v1 import rag_pb2 as pb
from pydantic import ValidationError, create_model

from services.rag.answer.asked import Turn
from services.rag.answer.budget import Budget
from services.rag.answer.prompts import MAX_NOTE_CHARACTERS, conversation, harmless, noted
from services.rag.evidence.found import Found
from services.rag.evidence.judging import Judgement
from services.rag.evidence.question import Question
from services.rag.evidence.signals import Candidate
from services.rag.guards.topics import Told, Topic
from services.rag.judges import decisions
from services.rag.judges.calibrated import CalibratedJudge
from services.rag.peers import Peers

MAX_DECISION_TOKENS = 160
"""Room for the longest instance of any of the schemas."""
SHOWN_SENTENCES = 3
_ROUTES = {"documents": pb.DOCUMENTS, "conversation": pb.CONVERSATION}
D = TypeVar("D", bound=decisions.Decision)


class ModelJudge:
    """Made for one answer.

    Args:
        budget: every decision takes a step of it, and the tokens that it generates.
    """

    reads = True

    def __init__(self, peers: Peers, budget: Budget, otherwise: CalibratedJudge) -> None:
        self._llm = peers.llm
        self._budget = budget
        self._otherwise = otherwise
        self.failed = False
        """Whether the model was asked and gave no decision."""
        self.prompt_tokens = 0
        self.completion_tokens = 0

    async def route(self, question: str, history: Sequence[Turn]) -> "pb.Route | None":
        ruled = await self._otherwise.route(question, history)
        if ruled == pb.NEITHER or not history:
            # Rules are certain of a greeting, and nothing but documents can answer a first question.
            return ruled
        decided = await self._decide(decisions.Routed, _after(history, question))
        return _ROUTES[decided.route] if decided else ruled

    async def condense(self, question: str, history: Sequence[Turn]) -> str | None:
        decided = await self._decide(decisions.Condensed, _after(history, question))
        return decided.question if decided else await self._otherwise.condense(question, history)

    async def decompose(self, question: str) -> Sequence[str] | None:
        decided = await self._decide(decisions.Decomposed, f"Question to take apart: {harmless(question)}")
        return decided.questions if decided else None

    async def suffices(self, question: str, judgement: Judgement) -> bool | None:
        decided = await self._decide(decisions.Sufficient, _notes(judgement.ranked[:SHOWN_SENTENCES]), _asked(question))
        return decided.answered if decided else await self._otherwise.suffices(question, judgement)

    async def relevant(self, question: str, found: Sequence[Found]) -> Sequence[bool] | None:
        """All passages at once: the engine batches them. One without a decision stays."""
        decided = await asyncio.gather(
            *(self._decide(decisions.Relevant, _passage(passage), _asked(question)) for passage in found)
        )
        return [answer is None or answer.relevant for answer in decided] if any(decided) else None

    async def rewrite(self, question: Question, tried: Sequence[str], best: Sequence[Candidate]) -> str | None:
        earlier = "Already tried: " + harmless(" | ".join(tried[1:]))[:MAX_NOTE_CHARACTERS] if tried[1:] else ""
        decided = await self._decide(decisions.Rewritten, earlier, f"Question to rewrite: {harmless(question.text)}")
        if decided and decided.question not in tried:
            return decided.question
        return await self._otherwise.rewrite(question, tried, best)

    async def follows(self, sentence: str, cited: Sequence[Candidate]) -> bool | None:
        decided = await self._decide(decisions.Follows, _notes(cited), f"Sentence: {harmless(sentence)}")
        return decided.supported if decided else None

    async def topic(self, text: str, topics: Collection[Topic]) -> Told | None:
        by_name = {topic.name: topic for topic in topics}
        told = "\n".join(f"- {topic.name}: {harmless(topic.description)}" for topic in topics)
        one_of: Any = Literal[(*by_name, decisions.NO_TOPIC)]
        kind = create_model("Classified", __base__=decisions.Classified, topic=(one_of, ...))
        decided = await self._decide(kind, f"Topics:\n{told}", f"Text: {harmless(text)[:MAX_NOTE_CHARACTERS]}")
        return Told(by_name.get(decided.topic)) if decided else None

    async def is_useful(self, question: str, answer: str) -> bool | None:
        decided = await self._decide(decisions.Useful, _asked(question), f"Answer: {harmless(answer)}")
        return decided.useful if decided else None

    async def _decide(self, kind: type[D], *told: str) -> D | None:
        """Asks the model once; None when the budget does not reach, the model fails, or what it says is no decision."""
        budget = self._budget
        if not budget.has_tokens() or not budget.take_step():
            return None
        allowed = budget.reserve_tokens(MAX_DECISION_TOKENS)
        request = llm_pb2.ChatRequest(
            messages=[
                llm_pb2.Message(role=llm_pb2.Message.SYSTEM, content=f"{_task(kind)} Answer in JSON."),
                llm_pb2.Message(role=llm_pb2.Message.USER, content="\n\n".join(filter(None, told))),
            ],
            sampling=llm_pb2.Sampling(temperature=0.0, max_tokens=allowed),
            constraint=llm_pb2.Constraint(json_schema=_schema(kind)),
        )
        spent = 0
        try:
            async with asyncio.timeout(budget.remaining_s):
                response = await self._llm.Chat(request)
            spent = min(allowed, response.usage.completion_tokens)
            self.prompt_tokens += response.usage.prompt_tokens
            self.completion_tokens += spent
            return kind.model_validate_json(response.choices[0].message.content)
        except TimeoutError:
            budget.exhausted = True
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.CANCELLED:
                raise
            self.failed = True
        except (ValidationError, IndexError):
            self.failed = True
        finally:
            budget.return_tokens(allowed - spent)
        return None


def _task(kind: type[decisions.Decision]) -> str:
    return " ".join(inspect.getdoc(kind).split())  # type: ignore[union-attr]


def _schema(kind: type[decisions.Decision]) -> str:
    schema = kind.model_json_schema()
    schema.pop("description", None)
    return json.dumps(schema)


def _asked(question: str) -> str:
    return f"Question: {harmless(question)}"


def _after(history: Sequence[Turn], question: str) -> str:
    return f"{conversation(history)}\n\nLast question: {harmless(question)}" if history else _asked(question)


def _notes(notes: Sequence[Candidate]) -> str:
    return "\n".join(["<notes>", *map(noted, notes), "</notes>"])


def _passage(passage: Found) -> str:
    chunk = passage.chunk
    place = " › ".join([chunk.document, *chunk.headings])
    return f"<passage>\n({harmless(place)}) {harmless(chunk.body)[: 2 * MAX_NOTE_CHARACTERS]}\n</passage>"
