"""Answers from the documents in the shape of a chat completion, for any OpenAI client."""

import time
import uuid
from collections.abc import AsyncGenerator
from typing import Any

from ledge.rag.v1 import rag_pb2 as pb

from services.gateway.cited import outcome_of
from services.gateway.openai_chat import ChatCompletionRequest
from services.gateway.peers import Peers
from services.gateway.rag_question import Said
from services.gateway.streaming import cancelled_after, event
from services.kit.errors import EngineFailed, InvalidInput


def question_of(body: ChatCompletionRequest) -> pb.AnswerRequest:
    """The last user message as the question, what was said before as history; system messages do not apply."""
    formatted = body.response_format is not None and body.response_format.type != "text"
    if body.tools or formatted or body.logprobs or body.n not in (None, 1):
        raise InvalidInput("answers from documents take no tools, no response_format, no logprobs, and n=1 only")
    return body.question([Said(message.role, message.text()) for message in body.messages])


async def answer(peers: Peers, body: ChatCompletionRequest) -> dict[str, Any]:
    """The whole completion; `citations`, `answered`, `degraded` and `timings_ms` stand beside OpenAI's fields."""
    stream = peers.rag.Answer(question_of(body))
    with cancelled_after(stream):
        async for response in stream:
            if response.HasField("done"):
                done = response.done
                message = {"role": "assistant", "content": done.answer, "refusal": None}
                choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(done)}
                return {**_head(peers, "chat.completion"), "choices": [choice], **outcome_of(done)}
    raise EngineFailed("the answer ended before it was done")


async def answer_events(peers: Peers, body: ChatCompletionRequest) -> AsyncGenerator[str, None]:
    """The completion as it is made; the last chunk carries the citations."""
    head = _head(peers, "chat.completion.chunk")
    delta: dict[str, Any] = {"role": "assistant", "content": ""}
    no_usage: dict[str, Any] = {"usage": None} if body.stream_options.include_usage else {}
    stream = peers.rag.Answer(question_of(body))
    with cancelled_after(stream):
        async for response in stream:
            if response.HasField("token"):
                delta["content"] = response.token.text
                yield event({**head, "choices": [_piece(delta, None)], **no_usage})
                delta = {}
            elif response.HasField("done"):
                outcome = outcome_of(response.done)
                usage = outcome.pop("usage")
                yield event({**head, "choices": [_piece(delta, _finish(response.done))], **no_usage, **outcome})
                if body.stream_options.include_usage:
                    yield event({**head, "choices": [], "usage": usage})
                return
    raise EngineFailed("the answer ended before it was done")


def _head(peers: Peers, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": peers.rag_model,
    }


def _piece(delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": dict(delta), "logprobs": None, "finish_reason": finish}


def _finish(done: pb.Done) -> str:
    return "length" if done.budget_exhausted else "stop"
