"""`POST /v1/generate` and `/v1/search`: the RAG blueprint's answers and passages."""

import time
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from fastapi import APIRouter, Request
from ledge.llm.v1 import llm_pb2
from ledge.rag.v1 import rag_pb2 as pb
from pydantic import Field
from starlette.responses import JSONResponse, Response

from services.gateway.blueprint import (
    MAX_CANDIDATES,
    NO_CITATIONS,
    Content,
    Message,
    RetrievalFields,
    source_of,
    sources,
    text_of,
)
from services.gateway.body import MAX_UINT32, JsonRoute
from services.gateway.openai_chat import FINISH_REASONS, usage_of
from services.gateway.peers import Peers
from services.gateway.rag_question import Effort, answer_request
from services.gateway.streaming import Ending, cancelled_after, event, event_stream, while_connected
from services.kit.errors import EngineFailed, LedgeError

router = APIRouter(route_class=JsonRoute)
NO_USAGE: Mapping[str, int] = {"total_tokens": 0, "prompt_tokens": 0, "completion_tokens": 0}
_ROLES = {"system": llm_pb2.Message.SYSTEM, "user": llm_pb2.Message.USER, "assistant": llm_pb2.Message.ASSISTANT}


class Prompt(RetrievalFields):
    """The settings of how a model samples apply where the model alone is asked (`use_knowledge_base` false)."""

    REFUSED: ClassVar[Mapping[str, str]] = {
        **RetrievalFields.REFUSED,
        "confidence_threshold": "whether the evidence suffices is calibrated",
    }
    messages: list[Message] = Field(min_length=1, max_length=512, fail_fast=True)
    use_knowledge_base: bool = True
    model: str = ""
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    top_p: Annotated[float | None, Field(gt=0, le=1)] = None
    max_tokens: Annotated[int | None, Field(ge=0, le=MAX_UINT32)] = None
    stop: list[str] = Field(default_factory=list, max_length=16, fail_fast=True)
    enable_query_rewriting: bool = False
    agentic: bool = False
    enable_streaming: bool = True

    def question(self) -> pb.AnswerRequest:
        # Neither asked for: the settings of the collections decide, as they do through every other door.
        effort: Effort | None = "thorough" if self.agentic else "balanced" if self.enable_query_rewriting else None
        request = answer_request([message.said() for message in self.messages], self.collection_names, effort)
        if "vdb_top_k" in self.model_fields_set:
            request.candidates = min(max(1, self.vdb_top_k), MAX_CANDIDATES)
        request.mode = self.mode()
        if (restriction := self.filter()) is not None:
            request.filter.CopyFrom(restriction)
        return request

    def chat(self, model: str) -> llm_pb2.ChatRequest:
        sampling = llm_pb2.Sampling(stop=self.stop)
        for name, value in (
            ("temperature", self.temperature),
            ("top_p", self.top_p),
            ("max_tokens", self.max_tokens or None),
        ):
            if value is not None:
                setattr(sampling, name, value)
        messages = [
            llm_pb2.Message(role=_ROLES[message.role], content=text_of(message.content)) for message in self.messages
        ]
        return llm_pb2.ChatRequest(model=model, messages=messages, sampling=sampling)


class DocumentSearch(RetrievalFields):
    REFUSED: ClassVar[Mapping[str, str]] = {
        **RetrievalFields.REFUSED,
        "enable_query_rewriting": "/v1/generate rewrites",
    }
    query: Content
    reranker_top_k: Annotated[int, Field(ge=0, le=100)] = 10
    confidence_threshold: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Passages that score less are left out."""


@router.post("/v1/generate")
async def generate(body: Prompt, request: Request) -> Response:
    """An answer from the documents as server-sent events: citations in the first chunk that has text, and with the
    measured stages in the last."""
    peers: Peers = request.app.state.peers
    chunks = _Chunks(peers.rag_model if body.use_knowledge_base else peers.model(body.model))
    events = _answered(peers, body, chunks) if body.use_knowledge_base else _chatted(peers, body, chunks)
    return await event_stream(request, events, Ending("", chunks.failed))


@router.post("/v1/search")
async def search(body: DocumentSearch, request: Request) -> Response:
    """Passages, best first."""
    peers: Peers = request.app.state.peers
    if body.reranker_top_k == 0:
        return JSONResponse(NO_CITATIONS)
    call = pb.SearchRequest(
        collections=body.collection_names,
        query=text_of(body.query),
        limit=body.reranker_top_k,
        mode=body.mode(),
        filter=body.filter(),
    )
    response = await while_connected(request, peers.rag.Search(call))
    found = [source_of(passage) for passage in response.passages if passage.score >= body.confidence_threshold]
    return JSONResponse(sources(found))


class _Chunks:
    """The chunks of one answer."""

    def __init__(self, model: str) -> None:
        self.model = model
        self._id = str(uuid.uuid4())

    def text(self, text: str, citations: Mapping[str, Any] = NO_CITATIONS, event_type: str | None = None) -> str:
        return self._chunk(text, citations=citations, event_type=event_type)

    def stage(self, step: pb.Step) -> str:
        """A step of the agent that is over, told as begun and ended."""
        return self._chunk("", "", "stage_start", step.name) + self._chunk("", step.detail, "stage_end", step.name)

    def last(
        self,
        finish: str,
        usage: Mapping[str, int],
        citations: Mapping[str, Any] = NO_CITATIONS,
        **metrics: float | None,
    ) -> str:
        return self._chunk("", finish=finish, usage=usage, citations=citations, metrics=metrics)

    def failed(self, error: LedgeError) -> str:
        return self._chunk(error.message, event_type="error", finish="error")

    def _chunk(
        self,
        text: str,
        reasoning: str | None = None,
        event_type: str | None = None,
        stage: str | None = None,
        *,
        finish: str | None = None,
        citations: Mapping[str, Any] = NO_CITATIONS,
        usage: Mapping[str, int] = NO_USAGE,
        metrics: Mapping[str, float | None] | None = None,
    ) -> str:
        said = {"content": text, "reasoning_content": reasoning}
        choice = {
            "index": 0,
            "message": {"role": "assistant", **said},
            "delta": {"role": None, **said},
            "finish_reason": finish,
        }
        return event(
            {
                "id": self._id,
                "choices": [choice],
                "model": self.model,
                "object": "chat.completion.chunk",
                "created": int(time.time()),
                "usage": usage,
                "citations": citations,
                "metrics": metrics or {},
                "event_type": event_type,
                "stage": stage,
            }
        )


async def _answered(peers: Peers, body: Prompt, chunks: _Chunks) -> AsyncGenerator[str, None]:
    found: Mapping[str, Any] = NO_CITATIONS
    told_stages = body.agentic and body.enable_streaming
    event_type = "final_answer" if told_stages else None
    stream = peers.rag.Answer(body.question())
    with cancelled_after(stream):
        async for response in stream:
            match response.WhichOneof("event"):
                case "step" if told_stages:
                    yield chunks.stage(response.step)
                case "retrieval" if body.enable_citations:
                    found = sources([source_of(passage) for passage in response.retrieval.passages])
                case "token":
                    yield chunks.text(response.token.text, found, event_type)
                    found = NO_CITATIONS
                case "done":
                    yield _outcome(chunks, response.done, body.enable_citations)
                    return
    raise EngineFailed("the answer ended before it was done")


def _outcome(chunks: _Chunks, done: pb.Done, with_citations: bool) -> str:
    cited = [
        source_of(citation.passage, citation={"number": citation.number, "start": citation.start, "end": citation.end})
        for citation in done.citations
        if with_citations
    ]
    usage = {
        "total_tokens": done.prompt_tokens + done.completion_tokens,
        "prompt_tokens": done.prompt_tokens,
        "completion_tokens": done.completion_tokens,
    }
    return chunks.last(
        "stop",
        usage,
        sources(cited),
        rag_ttft_ms=done.first_token_ms,
        llm_ttft_ms=None,
        context_reranker_time_ms=_elapsed_ms(done.steps, "rerank"),
        retrieval_time_ms=_elapsed_ms(done.steps, "encode", "retrieve"),
        llm_generation_time_ms=_elapsed_ms(done.steps, "generate", "compose"),
    )


def _elapsed_ms(steps: Sequence[pb.Step], *names: str) -> float | None:
    """What the steps of these names took together; None where none ran."""
    taken = [step.elapsed_ms for step in steps if step.name in names]
    return round(sum(taken), 3) if taken else None


async def _chatted(peers: Peers, body: Prompt, chunks: _Chunks) -> AsyncGenerator[str, None]:
    """By the model alone."""
    started_s = time.monotonic()
    first_ms: float | None = None
    finish = "stop"
    stream = peers.llm.ChatStream(llm_pb2.ChatStreamRequest(chat=body.chat(chunks.model)))
    with cancelled_after(stream):
        async for piece in stream:
            chunks.model = piece.model
            finish = FINISH_REASONS.get(piece.finish_reason, finish)
            if piece.delta:
                first_ms = first_ms or _since_ms(started_s)
                yield chunks.text(piece.delta)
            if piece.HasField("usage"):
                usage = usage_of(piece.usage)
                del usage["prompt_tokens_details"]
                whole_ms = _since_ms(started_s)
                yield chunks.last(
                    finish, usage, rag_ttft_ms=first_ms, llm_ttft_ms=first_ms, llm_generation_time_ms=whole_ms
                )
                return
    raise EngineFailed("the answer ended before it was done")


def _since_ms(started_s: float) -> float:
    return round((time.monotonic() - started_s) * 1000, 3)
