"""`GET /v1/models`: what the suite serves now, under every name it answers to."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import grpc
from fastapi import APIRouter, Request
from ledge.embedding.v1 import embedding_pb2
from ledge.llm.v1 import llm_pb2
from ledge.model.v1 import model_pb2
from ledge.reranking.v1 import reranking_pb2
from starlette.responses import JSONResponse, Response

from services.gateway.peers import Peers
from services.kit.errors import NotFound
from services.kit.ops import openai_model

router = APIRouter()


@router.get("/v1/models")
async def list_models(request: Request) -> Response:
    """OpenAI's list."""
    return JSONResponse({"object": "list", "data": await _models(request.app.state.peers)})


@router.get("/v1/models/{model:path}")
async def get_model(model: str, request: Request) -> Response:
    """One of them."""
    for known in await _models(request.app.state.peers):
        if model == known["id"]:
            return JSONResponse(known)
    raise NotFound(f"the model {model!r} is not served")


async def _models(peers: Peers) -> list[dict[str, Any]]:
    """The models of the services that are up; a service that is down has none to offer."""
    calls: list[Awaitable[Any]] = [
        peers.llm.ListModels(llm_pb2.ListModelsRequest(), timeout=2),
        peers.embedding.ListModels(embedding_pb2.ListModelsRequest(), timeout=2),
        peers.reranking.ListModels(reranking_pb2.ListModelsRequest(), timeout=2),
    ]
    infos = [model_pb2.ModelInfo(id=peers.rag_model, engine="rag")]
    for response in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(response, BaseException):
            if not isinstance(response, grpc.aio.AioRpcError) or response.code() is grpc.StatusCode.UNAUTHENTICATED:
                raise response
            continue
        infos += [info for info in response.models if info.id not in {known.id for known in infos}]
    models = [openai_model(info) for info in infos]
    targets = {info.id: model for info, model in zip(infos, models, strict=True)}
    names = {alias: info.id for info in infos for alias in info.aliases} | peers.aliases
    return models + [
        {**targets[target], "id": alias, "root": target}
        for alias, target in names.items()
        if target in targets and alias not in targets
    ]
