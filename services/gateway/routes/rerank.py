"""`POST /v1/rerank` and `/v2/rerank`: Jina's and Cohere's reranking."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from ledge.reranking.v1 import reranking_pb2 as pb
from pydantic import Field, model_validator
from starlette.responses import JSONResponse, Response

from services.gateway.body import MAX_UINT32, Body, JsonRoute
from services.gateway.peers import Peers
from services.gateway.streaming import while_connected
from services.kit.context import current_call

router = APIRouter(route_class=JsonRoute)
MAX_DOCUMENTS = 1000


class Document(Body):
    text: str


class RelevantSpans(Body):
    mode: Literal["disabled"]


class RerankRequest(Body):
    """What both take. A document that is longer than the model reads is cut, as both do."""

    model: str = ""
    query: str
    documents: Annotated[list[str | Document], Field(min_length=1, max_length=MAX_DOCUMENTS, fail_fast=True)]
    top_n: Annotated[int | None, Field(ge=1, le=MAX_UINT32)] = None
    return_documents: bool | None = None
    relevant_spans: RelevantSpans | None = None

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_ignored_that_changes_the_answer(cls, body: Any) -> Any:
        if isinstance(body, dict) and body.get("rank_fields") not in (None, [], ["text"]):
            raise ValueError("rank_fields is not supported: a document is its text")
        return body

    def texts(self) -> list[str]:
        return [document if isinstance(document, str) else document.text for document in self.documents]


@router.post("/v1/rerank")
async def rerank(body: RerankRequest, request: Request) -> Response:
    """Jina's, and Cohere's first version: the documents come back with their scores unless they are not wanted."""
    # Clients of Jina's want to see what was used; tokens are not counted here, so it is null.
    return await _reranked(body, request, body.return_documents is not False, usage=None)


@router.post("/v2/rerank")
async def rerank_v2(body: RerankRequest, request: Request) -> Response:
    """Cohere's second version: places and scores, and no documents unless they are asked for."""
    return await _reranked(body, request, bool(body.return_documents))


async def _reranked(body: RerankRequest, request: Request, with_documents: bool, **told_too: Any) -> Response:
    peers: Peers = request.app.state.peers
    texts = body.texts()
    call = pb.RerankRequest(
        model=peers.model(body.model),
        query=body.query,
        passages=[pb.Passage(text=text) for text in texts],
        top_n=body.top_n,
        truncate=True,
    )
    response = await while_connected(request, peers.reranking.Rerank(call))
    results: list[dict[str, Any]] = []
    for result in response.results:
        told: dict[str, Any] = {"index": result.index, "relevance_score": result.relevance}
        if with_documents:
            told["document"] = {"text": texts[result.index]}
        results.append(told)
    served = current_call()
    request_id = served.request_id if served else ""
    return JSONResponse({"id": request_id, "model": response.model, "results": results, **told_too})
