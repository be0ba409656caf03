"""`POST /v1/completions`: OpenAI's continuation of a plain text."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from fastapi import APIRouter, Request
from ledge.llm.v1 import llm_pb2 as pb
from pydantic import Field, model_validator
from starlette.responses import JSONResponse, Response

from services.gateway.body import MAX_UINT32, JsonRoute
from services.gateway.hybrid_choice import label, note_decision
from services.gateway.openai_chat import FINISH_REASONS, StreamOptions, logprob_of, usage_of
from services.gateway.openai_sampling import SamplingFields
from services.gateway.peers import Peers
from services.gateway.streaming import cancelled_after, event, event_stream, while_connected
from services.kit.errors import EngineFailed, InvalidInput

router = APIRouter(route_class=JsonRoute)
DEFAULT_MAX_TOKENS = 16
"""OpenAI's."""
MAX_PROMPTS = 32
TokenIds = Annotated[list[Annotated[int, Field(ge=0, le=MAX_UINT32, strict=True)]], Field(min_length=1, fail_fast=True)]
FEW = Field(min_length=1, max_length=MAX_PROMPTS, fail_fast=True)


class CompletionRequest(SamplingFields):
    """OpenAI's fields and vLLM's sampling extras."""

    REFUSED: ClassVar[Mapping[str, str]] = {"suffix": "the text is continued, nothing is filled in"}
    prompt: str | TokenIds | Annotated[list[str], FEW] | Annotated[list[TokenIds], FEW]
    """A text, or token ids of the served model, or several of either."""
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    echo: bool = False
    logprobs: Annotated[int | None, Field(ge=0, le=20)] = None

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_ignored_that_changes_the_answer(cls, body: Any) -> Any:
        if isinstance(body, dict):
            if body.get("best_of") not in (None, 1, body.get("n")):
                raise ValueError("best_of is not supported: ask for n answers")
            if body.get("echo") and body.get("logprobs") is not None:
                raise ValueError("echo with logprobs is not supported: a prompt's tokens are not scored")
            if body.get("stream") and isinstance(body.get("prompt"), list) and len(body["prompt"]) > 1:
                several = not isinstance(body["prompt"][0], int)
                if several:
                    raise ValueError("a stream takes one prompt")
        return body

    def calls(self, model: str) -> list[pb.CompleteRequest]:
        """One for each prompt."""
        sampling = self.sampling(self.max_tokens or DEFAULT_MAX_TOKENS, self.logprobs)
        calls = []
        for prompt in self._prompts():
            call = pb.CompleteRequest(model=model, sampling=sampling, constraint=self.constraint(), echo=self.echo)
            if isinstance(prompt, str):
                call.prompt = prompt
            else:
                call.token_ids.ids.extend(prompt)
            if self.priority is not None:
                call.priority = self.priority
            if self.hybrid is not None:
                call.hybrid.CopyFrom(self.hybrid.to_protobuf())
            calls.append(call)
        return calls

    def _prompts(self) -> Sequence[str | list[int]]:
        if isinstance(self.prompt, str):
            return [self.prompt]
        return [self.prompt] if isinstance(self.prompt[0], int) else self.prompt


@router.post("/v1/completions")
async def completions(body: CompletionRequest, request: Request) -> Response:
    """OpenAI's completions."""
    peers: Peers = request.app.state.peers
    model = peers.model(body.model)
    if model == peers.rag_model:
        raise InvalidInput(f"{model} answers questions: ask it on /v1/chat/completions or /v1/responses")
    label(body.hybrid)
    calls = body.calls(model)
    if body.stream:
        return await event_stream(request, _events(peers, body, calls[0]))
    return JSONResponse(await while_connected(request, _complete(peers, calls)))


async def _complete(peers: Peers, calls: Sequence[pb.CompleteRequest]) -> dict[str, Any]:
    """The completions of all prompts; one that fails ends the others."""
    working = [peers.llm.Complete(call) for call in calls]
    try:
        responses: list[pb.CompleteResponse] = await asyncio.gather(*working)
        for answered in working:
            note_decision(await answered.trailing_metadata())
    finally:
        for answered in working:
            answered.cancel()
    usage = pb.Usage()
    choices: list[dict[str, Any]] = []
    for response in responses:
        for field in ("prompt_tokens", "completion_tokens", "cached_prompt_tokens"):
            setattr(usage, field, getattr(usage, field) + getattr(response.usage, field))
        for choice in response.choices:
            finish = FINISH_REASONS.get(choice.finish_reason, "stop")
            choices.append(_choice(len(choices), choice.text, choice.logprobs, 0, finish))
    return {
        **_head(responses[0].id, responses[0].model, int(time.time())),
        "choices": choices,
        "usage": usage_of(usage),
    }


async def _events(peers: Peers, body: CompletionRequest, call: pb.CompleteRequest) -> AsyncGenerator[str, None]:
    created = int(time.time())
    no_usage: dict[str, Any] = {"usage": None} if body.stream_options.include_usage else {}
    offsets: dict[int, int] = {}
    finished = False
    stream = peers.llm.CompleteStream(pb.CompleteStreamRequest(complete=call))
    with cancelled_after(stream):
        async for piece in stream:
            if not offsets:
                note_decision(await stream.initial_metadata())
            head = _head(piece.id, piece.model, created)
            finish = FINISH_REASONS.get(piece.finish_reason)
            if piece.delta or finish or piece.logprobs:
                offset = offsets.get(piece.index, 0)
                offsets[piece.index] = offset + len(piece.delta)
                choice = _choice(piece.index, piece.delta, piece.logprobs, offset, finish)
                yield event({**head, "choices": [choice], **no_usage})
            if piece.HasField("usage"):
                finished = True
                if body.stream_options.include_usage:
                    yield event({**head, "choices": [], "usage": usage_of(piece.usage)})
    if not finished:
        raise EngineFailed("the answer ended before it was done")


def _head(answer_id: str, model: str, created: int) -> dict[str, Any]:
    return {"id": answer_id, "object": "text_completion", "created": created, "model": model}


def _choice(index: int, text: str, entries: Any, offset: int, finish: str | None) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": _logprobs(entries, offset), "finish_reason": finish}


def _logprobs(entries: Sequence[pb.TokenLogprob], offset: int) -> dict[str, Any] | None:
    """The older of OpenAI's two shapes: four lists side by side."""
    if not entries:
        return None
    offsets = []
    for entry in entries:
        offsets.append(offset)
        offset += len(entry.token)
    return {
        "tokens": [entry.token for entry in entries],
        "token_logprobs": [logprob_of(entry) for entry in entries],
        "top_logprobs": [{top.token: logprob_of(top) for top in entry.top} for entry in entries],
        "text_offset": offsets,
    }
