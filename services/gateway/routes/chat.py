"""`POST /v1/chat/completions`: a model's chat, or an answer from the documents when the model is `ledge-rag`."""

import time
from collections.abc import AsyncGenerator
from typing import Any

from fastapi import APIRouter, Request
from ledge.llm.v1 import llm_pb2 as pb
from starlette.responses import JSONResponse, Response

from services.gateway.body import JsonRoute
from services.gateway.hybrid_choice import label, note_decision
from services.gateway.openai_chat import (
    FINISH_REASONS,
    ChatCompletionRequest,
    logprobs_of,
    message_of,
    tool_call_delta,
    usage_of,
)
from services.gateway.peers import Peers
from services.gateway.rag_chat import answer, answer_events
from services.gateway.streaming import cancelled_after, event, event_stream, while_connected
from services.kit.errors import EngineFailed

router = APIRouter(route_class=JsonRoute)


@router.post("/v1/chat/completions")
async def chat_completions(body: ChatCompletionRequest, request: Request) -> Response:
    """OpenAI's chat completions."""
    peers: Peers = request.app.state.peers
    model = peers.model(body.model)
    from_documents = model == peers.rag_model
    label(body.hybrid, from_documents)
    if body.stream:
        events = answer_events(peers, body) if from_documents else _chat_events(peers, body, model)
        return await event_stream(request, events)
    if from_documents:
        return JSONResponse(await while_connected(request, answer(peers, body)))
    return JSONResponse(await while_connected(request, _chat(peers, body, model)))


async def _chat(peers: Peers, body: ChatCompletionRequest, model: str) -> dict[str, Any]:
    call = peers.llm.Chat(body.to_protobuf(model))
    with cancelled_after(call):
        response = await call
        note_decision(await call.trailing_metadata())
    return {
        "id": response.id,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": response.model,
        "choices": [
            {
                "index": choice.index,
                "message": message_of(choice.message),
                "logprobs": logprobs_of(choice.logprobs),
                "finish_reason": FINISH_REASONS.get(choice.finish_reason, "stop"),
            }
            for choice in response.choices
        ],
        "usage": usage_of(response.usage),
    }


async def _chat_events(peers: Peers, body: ChatCompletionRequest, model: str) -> AsyncGenerator[str, None]:
    created = int(time.time())
    begun: set[int] = set()
    # Where usage is wanted, OpenAI's other chunks say that theirs is not the one.
    no_usage: dict[str, Any] = {"usage": None} if body.stream_options.include_usage else {}
    finished = False
    stream = peers.llm.ChatStream(pb.ChatStreamRequest(chat=body.to_protobuf(model)))
    with cancelled_after(stream):
        async for piece in stream:
            head = {"id": piece.id, "object": "chat.completion.chunk", "created": created, "model": piece.model}
            delta: dict[str, Any] = {}
            if not begun:
                note_decision(await stream.initial_metadata())
            if piece.index not in begun:
                begun.add(piece.index)
                delta["role"] = "assistant"
            if piece.delta or (delta and not piece.tool_calls):
                delta["content"] = piece.delta
            if piece.tool_calls:
                delta["tool_calls"] = [tool_call_delta(call) for call in piece.tool_calls]
            finish = FINISH_REASONS.get(piece.finish_reason)
            if delta or finish or piece.logprobs:
                choice = {
                    "index": piece.index,
                    "delta": delta,
                    "logprobs": logprobs_of(piece.logprobs),
                    "finish_reason": finish,
                }
                yield event({**head, "choices": [choice], **no_usage})
            if piece.HasField("usage"):
                finished = True
                if body.stream_options.include_usage:
                    yield event({**head, "choices": [], "usage": usage_of(piece.usage)})
    if not finished:
        raise EngineFailed("the answer ended before it was done")
