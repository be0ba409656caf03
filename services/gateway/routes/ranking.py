"""`POST /v1/ranking`: NeMo Retriever's reranking."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from fastapi import APIRouter, Request
from ledge.reranking.v1 import reranking_pb2 as pb
from pydantic import Field
from starlette.responses import JSONResponse, Response

from services.gateway.body import Body, JsonRoute
from services.gateway.peers import Peers
from services.gateway.streaming import while_connected

router = APIRouter(route_class=JsonRoute)
MAX_PASSAGES = 1000


class Text(Body):
    REFUSED: ClassVar[Mapping[str, str]] = {"image": "send text"}
    text: str


class RankingRequest(Body):
    model: str = ""
    query: Text
    passages: Annotated[list[Text], Field(min_length=1, max_length=MAX_PASSAGES, fail_fast=True)]
    truncate: Literal["NONE", "END"] = "NONE"


@router.post("/v1/ranking")
async def ranking(body: RankingRequest, request: Request) -> Response:
    """The passages by relevance, best first; `logit` is the model's own score."""
    peers: Peers = request.app.state.peers
    call = pb.RerankRequest(
        model=peers.model(body.model),
        query=body.query.text,
        passages=[pb.Passage(text=passage.text) for passage in body.passages],
        truncate=body.truncate == "END",
    )
    response = await while_connected(request, peers.reranking.Rerank(call))
    return JSONResponse({"rankings": [{"index": result.index, "logit": result.score} for result in response.results]})
