"""`GET /v1/models`: what the suite serves now, under every name it answers to."""

import asyncio
import itertools
from collections.abc import Awaitable, Iterator, Sequence
from typing import Any

import grpc
from fastapi import APIRouter, Request
from ledge.asr.v1 import asr_pb2, asr_pb2_grpc
from ledge.embedding.v1 import embedding_pb2
from ledge.llm.v1 import llm_pb2
from ledge.model.v1 import model_pb2
from ledge.reranking.v1 import reranking_pb2
from ledge.translation.v1 import translation_pb2
from ledge.tts.v1 import tts_pb2
from starlette.responses import JSONResponse, Response

from services.gateway.peers import Peers
from services.gateway.routes.health import ASK_TIMEOUT_S, service_state
from services.kit.errors import NotFound
from services.kit.ops import openai_model

router = APIRouter()
RAG = "ledge.rag.v1.RagService"


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


async def served(peers: Peers) -> dict[str, model_pb2.ModelInfo]:
    """The models of the services that are up, by id; a service that is down has none to offer."""
    asked = await asyncio.gather(
        _told(peers.llm.ListModels(llm_pb2.ListModelsRequest(), timeout=ASK_TIMEOUT_S)),
        _told(peers.embedding.ListModels(embedding_pb2.ListModelsRequest(), timeout=ASK_TIMEOUT_S)),
        _told(peers.reranking.ListModels(reranking_pb2.ListModelsRequest(), timeout=ASK_TIMEOUT_S)),
        _answers_from_documents(peers),
        *_of_speech(peers),
    )
    infos: dict[str, model_pb2.ModelInfo] = {}
    for info in itertools.chain(*asked):
        infos.setdefault(info.id, info)
    return infos


def _of_speech(peers: Peers) -> Iterator[Awaitable[Sequence[model_pb2.ModelInfo]]]:
    """Those of the services that a suite may do without."""
    if peers.asr is not None:
        yield _told_by_asr(peers.asr)
    if peers.tts is not None:
        yield _told(peers.tts.ListVoices(tts_pb2.ListVoicesRequest(), timeout=ASK_TIMEOUT_S))
    if peers.translation is not None:
        pairs = peers.translation.ListLanguagePairs(translation_pb2.ListLanguagePairsRequest(), timeout=ASK_TIMEOUT_S)
        yield _told(pairs)


async def _told_by_asr(asr: "asr_pb2_grpc.AsrServiceAsyncStub") -> Sequence[model_pb2.ModelInfo]:
    models = await _told(asr.ListModels(asr_pb2.ListModelsRequest(), timeout=ASK_TIMEOUT_S))
    return [model.info for model in models]


async def _models(peers: Peers) -> list[dict[str, Any]]:
    """What is served, under every name it answers to."""
    infos = await served(peers)
    models = {info.id: openai_model(info) for info in infos.values()}
    names = {alias: info.id for info in infos.values() for alias in info.aliases} | peers.aliases
    aliases = [
        {**models[target], "id": alias, "root": target}
        for alias, target in names.items()
        if target in models and alias not in models
    ]
    return [*models.values(), *aliases]


async def _told(call: Awaitable[Any]) -> Sequence[Any]:
    try:
        return list((await call).models)
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.UNAUTHENTICATED:
            raise
        return ()


async def _answers_from_documents(peers: Peers) -> Sequence[model_pb2.ModelInfo]:
    state = await service_state(RAG, peers.health[RAG])
    return [model_pb2.ModelInfo(id=peers.rag_model, engine="rag")] if state == "SERVING" else ()
