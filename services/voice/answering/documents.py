"""Answers from documents: `rag`, asked with the turns of the conversation."""

from collections.abc import AsyncGenerator

from ledge.rag.v1 import rag_pb2

from services.kit.errors import InvalidInput
from services.voice.answering.pieces import Cited, Done, Judged, Piece, Question, Retrieved, Stepped, Text
from services.voice.conversation import Said, turns_of
from services.voice.peers import Peers

MAX_HISTORY_TURNS = 64
MAX_HISTORY_CHARACTERS = 200_000
MAX_QUESTION_CHARACTERS = 8192


async def from_documents(peers: Peers, question: Question, text: str = "") -> AsyncGenerator[Piece, None]:
    """Args:
    text: asked instead of the last turn, which it says in the documents' language.
    """
    turns = turns_of(list(question.items))
    while turns and not turns[-1].is_user:
        turns.pop()
    if not turns:
        raise InvalidInput("there is no question to answer")
    settings = question.settings
    request = rag_pb2.AnswerRequest(
        question=(text or turns[-1].text)[:MAX_QUESTION_CHARACTERS],
        history=_history(turns[:-1]),
        collections=settings.documents.collections,
        effort=settings.documents.effort,
    )
    if settings.max_output_tokens:
        request.budget.tokens = settings.max_output_tokens
    call = peers.rag.Answer(request)
    try:
        async for event in call:
            match event.WhichOneof("event"):
                case "step":
                    yield Stepped(event.step)
                case "retrieval":
                    yield Retrieved()
                case "citation":
                    yield Cited(event.citation)
                case "verdict":
                    yield Judged(event.verdict)
                case "token":
                    yield Text(event.token.text)
                case "done":
                    done = event.done
                    yield Done(done.prompt_tokens, done.completion_tokens, degraded=tuple(done.degraded))
    finally:
        call.cancel()


def _history(turns: list[Said]) -> list[rag_pb2.Turn]:
    """The latest turns that there is room for."""
    history: list[rag_pb2.Turn] = []
    characters = 0
    for turn in reversed(turns[-MAX_HISTORY_TURNS:]):
        characters += len(turn.text)
        if characters > MAX_HISTORY_CHARACTERS:
            break
        history.append(rag_pb2.Turn(role=rag_pb2.Turn.USER if turn.is_user else rag_pb2.Turn.ASSISTANT, text=turn.text))
    return history[::-1]
