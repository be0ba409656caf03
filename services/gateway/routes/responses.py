"""`POST /v1/responses`: OpenAI's responses by a model, or from the documents when the model is `ledge-rag`."""

from collections.abc import AsyncGenerator
from typing import Any

from fastapi import APIRouter, Request
from ledge.llm.v1 import llm_pb2
from ledge.rag.v1 import rag_pb2
from starlette.responses import JSONResponse, Response

from services.gateway.body import JsonRoute
from services.gateway.cited import outcome_of
from services.gateway.hybrid_choice import label, note_decision
from services.gateway.openai_response_events import Event, ResponseInTheMaking, framed, usage_of
from services.gateway.openai_responses import ResponsesRequest
from services.gateway.peers import Peers
from services.gateway.streaming import Ending, cancelled_after, event_stream, while_connected
from services.kit.errors import EngineFailed, InvalidInput

router = APIRouter(route_class=JsonRoute)


@router.post("/v1/responses")
async def responses(body: ResponsesRequest, request: Request) -> Response:
    """OpenAI's responses. They are not stored: the input must hold all that was said."""
    peers: Peers = request.app.state.peers
    model = peers.model(body.model)
    from_documents = model == peers.rag_model
    label(body.hybrid, from_documents)
    made = ResponseInTheMaking(model, body.settings())
    if body.stream:
        events = _answered(peers, body, made) if from_documents else _streamed(peers, body, model, made)
        return await event_stream(request, _framed(events), Ending("", made.failed))
    call = _all(_answered(peers, body, made)) if from_documents else _chatted(peers, body, model, made)
    await while_connected(request, call)
    return JSONResponse(made.response)


async def _streamed(
    peers: Peers, body: ResponsesRequest, model: str, made: ResponseInTheMaking
) -> AsyncGenerator[Event, None]:
    stream = peers.llm.ChatStream(llm_pb2.ChatStreamRequest(chat=body.to_protobuf(model)))
    begun = cut_off = False
    with cancelled_after(stream):
        async for piece in stream:
            if not begun:
                begun = True
                note_decision(await stream.initial_metadata())
                made.response["model"] = piece.model
                for event in made.begin():
                    yield event
            if piece.delta or piece.logprobs:
                for event in made.text(piece.delta, piece.logprobs):
                    yield event
            for delta in piece.tool_calls:
                for event in made.tool_call(delta):
                    yield event
            cut_off = cut_off or piece.finish_reason == llm_pb2.LENGTH
            if piece.HasField("usage"):
                for event in made.end(cut_off=cut_off, usage=_usage(piece.usage)):
                    yield event
                return
    raise EngineFailed("the answer ended before it was done")


async def _chatted(peers: Peers, body: ResponsesRequest, model: str, made: ResponseInTheMaking) -> None:
    """The same by one call; what the events would tell stands in the response."""
    call = peers.llm.Chat(body.to_protobuf(model))
    with cancelled_after(call):
        answer = await call
        note_decision(await call.trailing_metadata())
    choice = answer.choices[0]
    made.response["model"] = answer.model
    if choice.message.content:
        list(made.text(choice.message.content, choice.logprobs))
    for index, tool in enumerate(choice.message.tool_calls):
        delta = llm_pb2.ToolCallDelta(index=index, id=tool.id, name=tool.name, arguments_json=tool.arguments_json)
        list(made.tool_call(delta))
    list(made.end(cut_off=choice.finish_reason == llm_pb2.LENGTH, usage=_usage(answer.usage)))


async def _answered(peers: Peers, body: ResponsesRequest, made: ResponseInTheMaking) -> AsyncGenerator[Event, None]:
    """From the documents; a citation is an annotation where its mark stands."""
    if body.tools or body.formatted():
        raise InvalidInput("answers from documents take no tools and no text.format")
    stream = peers.rag.Answer(body.question(body.said()))
    begun = False
    with cancelled_after(stream):
        async for response in stream:
            if not begun:
                begun = True
                for event in made.begin():
                    yield event
            if response.HasField("token"):
                for event in made.text(response.token.text):
                    yield event
            elif response.HasField("done"):
                done = response.done
                for citation in done.citations:
                    for event in made.annotation(_annotation(done.answer, citation)):
                        yield event
                extras = outcome_of(done)
                del extras["usage"]
                usage = usage_of(done.prompt_tokens, done.completion_tokens)
                for event in made.end(cut_off=done.budget_exhausted, usage=usage, extras=extras):
                    yield event
                return
    raise EngineFailed("the answer ended before it was done")


def _annotation(answer: str, citation: rag_pb2.Citation) -> dict[str, Any]:
    return {
        "type": "file_citation",
        "file_id": citation.passage.id,
        "filename": citation.passage.document,
        "index": max(0, answer.find(f"[{citation.number}]")),
    }


def _usage(usage: llm_pb2.Usage) -> dict[str, Any]:
    return usage_of(usage.prompt_tokens, usage.completion_tokens, usage.cached_prompt_tokens)


async def _framed(events: AsyncGenerator[Event, None]) -> AsyncGenerator[str, None]:
    try:
        async for event in events:
            yield framed(event)
    finally:
        await events.aclose()


async def _all(events: AsyncGenerator[Event, None]) -> None:
    async for _ in events:
        pass
