"""A conversation as a question to the documents: what was said last, with what was said before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from google.protobuf.json_format import ParseDict, ParseError
from ledge.rag.v1 import rag_pb2 as pb
from ledge.retrieval.v1 import retrieval_pb2
from pydantic import Field, JsonValue

from services.gateway.body import Body
from services.kit.errors import InvalidInput

MAX_HISTORY_TURNS = 64
Effort = Literal["fast", "balanced", "thorough"]
EFFORTS = {"fast": pb.FAST, "balanced": pb.BALANCED, "thorough": pb.THOROUGH}


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a conversation, by `user` or `assistant`; other roles do not apply."""

    role: str
    text: str


def answer_request(
    said: Sequence[Said], collections: Sequence[str] = (), effort: Effort | None = None
) -> pb.AnswerRequest:
    """The last user message as the question, what was said before as history.

    Raises:
        InvalidInput: the user did not have the last word.
    """
    turns = [turn for turn in said if turn.role in ("user", "assistant")]
    if not turns or turns[-1].role != "user":
        raise InvalidInput("the last message must be the user's question")
    request = pb.AnswerRequest(
        question=turns[-1].text,
        history=[
            pb.Turn(role=pb.Turn.USER if turn.role == "user" else pb.Turn.ASSISTANT, text=turn.text)
            for turn in turns[:-1][-MAX_HISTORY_TURNS:]
            if turn.text
        ],
        collections=collections,
    )
    if effort is not None:
        request.effort = EFFORTS[effort]
    return request


class DocumentFields(Body):
    """Ledge's own fields for `ledge-rag`, beside those of a door."""

    collection: str | None = None
    """The collection to answer from."""
    collections: Annotated[list[str], Field(max_length=16, fail_fast=True)] = Field(default_factory=list)
    """The same where there are several."""
    filter: dict[str, JsonValue] | None = None
    """What passages must fit: `ledge.retrieval.v1.Filter` as JSON."""
    effort: Effort | None = None
    """How much work an answer may take."""

    def question(self, said: Sequence[Said]) -> pb.AnswerRequest:
        """The question that a conversation asks of these documents."""
        collections = [*([self.collection] if self.collection else []), *self.collections]
        request = answer_request(said, collections, self.effort)
        if self.filter is not None:
            try:
                request.filter.CopyFrom(ParseDict(self.filter, retrieval_pb2.Filter()))
            except (ParseError, ValueError, RecursionError) as error:
                raise InvalidInput("filter is no ledge.retrieval.v1.Filter as JSON") from error
        return request
