"""`POST /embed` and `/rerank`: those of Hugging Face's Text Embeddings Inference."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from ledge.embedding.v1 import embedding_pb2
from ledge.reranking.v1 import reranking_pb2
from pydantic import Field
from starlette.responses import JSONResponse, Response

from services.gateway.body import MAX_UINT32, Body, JsonRoute
from services.gateway.peers import Peers
from services.gateway.routes.embeddings import json_of, vector_of
from services.gateway.streaming import while_connected

router = APIRouter(route_class=JsonRoute)
PROMPTS = {"query": embedding_pb2.QUERY, "passage": embedding_pb2.PASSAGE, "document": embedding_pb2.PASSAGE}


class EmbedRequest(Body):
    """Vectors have length one whatever `normalize` says: Haystack sends false unless it is told otherwise."""

    inputs: str | Annotated[list[str], Field(min_length=1, max_length=2048, fail_fast=True)]
    truncate: bool = False
    truncation_direction: Annotated[str, Field(pattern="^(?i:left|right)$")] = "right"
    prompt_name: Literal["query", "passage", "document"] = "passage"
    dimensions: Annotated[int | None, Field(ge=1, le=MAX_UINT32)] = None


class RerankRequest(Body):
    query: str
    texts: Annotated[list[str], Field(min_length=1, max_length=1000, fail_fast=True)]
    raw_scores: bool = False
    return_text: bool = False
    truncate: bool = False


@router.post("/embed")
async def embed(body: EmbedRequest, request: Request) -> Response:
    """One vector for each input, in order."""
    peers: Peers = request.app.state.peers
    truncate = "NONE"
    if body.truncate:
        truncate = "START" if body.truncation_direction.lower() == "left" else "END"
    call = embedding_pb2.EmbedRequest(
        inputs=[body.inputs] if isinstance(body.inputs, str) else body.inputs,
        input_type=PROMPTS[body.prompt_name],
        truncate=truncate,
        dimensions=body.dimensions,
    )
    response = await while_connected(request, peers.embedding.Embed(call))
    pieces = []
    for embedding in response.embeddings:
        pieces.append(json_of(vector_of(embedding.dense, "float")))
        # Others are served in between: see `/v1/embeddings`.
        await asyncio.sleep(0)
    return Response(f"[{','.join(pieces)}]", media_type="application/json")


@router.post("/rerank")
async def rerank(body: RerankRequest, request: Request) -> Response:
    """The texts' places and scores, best first."""
    peers: Peers = request.app.state.peers
    passages = [reranking_pb2.Passage(text=text) for text in body.texts]
    call = reranking_pb2.RerankRequest(query=body.query, passages=passages, truncate=body.truncate)
    response = await while_connected(request, peers.reranking.Rerank(call))
    ranks: list[dict[str, Any]] = []
    for result in response.results:
        rank: dict[str, Any] = {"index": result.index, "score": result.score if body.raw_scores else result.relevance}
        if body.return_text:
            rank["text"] = body.texts[result.index]
        ranks.append(rank)
    return JSONResponse(ranks)
