"""`POST /v1/embeddings`: OpenAI's, with the fields that NeMo Retriever adds."""

import asyncio
import base64
import json
import struct
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from ledge.embedding.v1 import embedding_pb2 as pb
from pydantic import Field, field_validator, model_validator
from starlette.responses import Response

from services.gateway.body import MAX_UINT32, Body, JsonRoute
from services.gateway.peers import Peers
from services.gateway.streaming import while_connected

router = APIRouter(route_class=JsonRoute)


class EmbeddingsRequest(Body):
    """Texts only: token ids belong to a tokenizer, and OpenAI's is not this model's."""

    model: str = ""
    input: str | Annotated[list[str], Field(min_length=1, max_length=2048, fail_fast=True)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int | None, Field(ge=1, le=MAX_UINT32)] = None
    input_type: Literal["query", "passage"] | None = None
    truncate: Literal["NONE", "START", "END"] = "NONE"

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_ignored_that_changes_the_answer(cls, body: Any) -> Any:
        if isinstance(body, dict):
            if body.get("embedding_type") not in (None, "float"):
                raise ValueError("embedding_type is not supported: vectors are floats")
            if body.get("modality") not in (None, "text", ["text"]):
                raise ValueError("modality is not supported: send text")
        return body

    @field_validator("input", mode="before")
    @classmethod
    def _no_token_ids(cls, value: Any) -> Any:
        if isinstance(value, list) and value and isinstance(value[0], int | list):
            raise ValueError("send texts: token ids of another model's tokenizer cannot be embedded")
        return value


@router.post("/v1/embeddings")
async def embeddings(body: EmbeddingsRequest, request: Request) -> Response:
    """One embedding for each text, in order."""
    peers: Peers = request.app.state.peers
    model, input_type = _suffix(peers.model(body.model), body.input_type)
    call = pb.EmbedRequest(
        model=model,
        inputs=[body.input] if isinstance(body.input, str) else body.input,
        input_type=pb.QUERY if input_type == "query" else pb.PASSAGE,
        truncate=body.truncate,
        dimensions=body.dimensions,
    )
    response = await while_connected(request, peers.embedding.Embed(call))
    tokens = response.usage.prompt_tokens
    ending = {"model": response.model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
    pieces = []
    for index, embedding in enumerate(response.embeddings):
        vector = vector_of(embedding.dense, body.encoding_format)
        pieces.append(json_of({"object": "embedding", "index": index, "embedding": vector}))
        # A thousand vectors take the better part of a second to write out as decimals: others are served in between.
        await asyncio.sleep(0)
    content = '{"object":"list","data":[' + ",".join(pieces) + "]," + json_of(ending)[1:]
    return Response(content, media_type="application/json")


def json_of(value: Any) -> str:
    """JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _suffix(model: str, input_type: str | None) -> tuple[str, str | None]:
    """NeMo Retriever's `<model>-query` and `<model>-passage`, for clients that cannot send `input_type`."""
    for suffix in ("query", "passage"):
        if model.endswith(f"-{suffix}"):
            return model.removesuffix(f"-{suffix}"), input_type or suffix
    return model, input_type


def vector_of(dense: bytes, encoding_format: str) -> Any:
    """Little-endian float32 as base64, or as numbers."""
    if encoding_format == "base64":
        return base64.b64encode(dense).decode()
    return struct.unpack(f"<{len(dense) // 4}f", dense)
