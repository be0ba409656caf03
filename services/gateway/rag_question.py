"""A conversation as a question to the documents: what was said last, with what was said before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ledge.rag.v1 import rag_pb2 as pb

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
