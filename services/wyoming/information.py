"""Tells clients what is behind the door: models, voices and documents, of the services that can be reached."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import TypeVar

import grpc
from grpc_health.v1 import health_pb2
from ledge.asr.v1 import asr_pb2
from ledge.tts.v1 import tts_pb2
from wyoming.info import AsrModel, AsrProgram, Attribution, HandleModel, HandleProgram, Info, TtsProgram, TtsVoice

from services.kit.ops import release
from services.wyoming.peers import Peers

log = logging.getLogger("ledge.wyoming")
PROGRAM = "ledge"
REACH_TIMEOUT_S = 3.0
LEDGE = Attribution("Ledge", "")
RAG = "ledge.rag.v1.RagService"
Answer = TypeVar("Answer")


async def information(peers: Peers) -> Info:
    """What is served now. A service that cannot be reached is left out, and the log says so."""
    models, voices, documents = await asyncio.gather(
        _reached("asr", peers.asr.ListModels(asr_pb2.ListModelsRequest(), timeout=REACH_TIMEOUT_S)),
        _reached("tts", peers.tts.ListVoices(tts_pb2.ListVoicesRequest(), timeout=REACH_TIMEOUT_S)),
        _reached("rag", peers.rag_health.Check(health_pb2.HealthCheckRequest(service=RAG), timeout=REACH_TIMEOUT_S)),
    )
    return Info(
        asr=[_recognition(models)] if models else [],
        tts=[_synthesis(voices)] if voices else [],
        handle=[_answers()] if documents and documents.status == health_pb2.HealthCheckResponse.SERVING else [],
    )


async def _reached(name: str, call: Awaitable[Answer]) -> Answer | None:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        log.warning("a peer cannot be reached", extra={"peer": name, "code": error.code().name})
        return None


def _recognition(listed: asr_pb2.ListModelsResponse) -> AsrProgram:
    models = [
        AsrModel(
            name=model.info.id,
            languages=list(model.languages),
            attribution=Attribution(model.info.engine, ""),
            installed=True,
            description=model.info.id,
            version=None,
        )
        for model in listed.models
    ]
    return AsrProgram(
        name=PROGRAM,
        attribution=LEDGE,
        installed=True,
        description="Ledge's speech recognition",
        version=release(),
        models=models,
        supports_transcript_streaming=True,
    )


def _synthesis(listed: tts_pb2.ListVoicesResponse) -> TtsProgram:
    engine = listed.models[0].engine if listed.models else PROGRAM
    # Clients take the first voice of a language for its default.
    voices = [
        TtsVoice(
            name=voice.id,
            languages=[voice.language],
            attribution=Attribution(engine, ""),
            installed=True,
            description=f"{voice.id} ({voice.language})",
            version=None,
        )
        for voice in sorted(listed.voices, key=lambda voice: not voice.default_of_language)
    ]
    return TtsProgram(
        name=PROGRAM,
        attribution=LEDGE,
        installed=True,
        description="Ledge's voices",
        version=release(),
        voices=voices,
        supports_synthesize_streaming=True,
    )


def _answers() -> HandleProgram:
    model = HandleModel(
        name="ledge-rag",
        languages=[],
        attribution=LEDGE,
        installed=True,
        description="Answers from the documents",
        version=None,
    )
    return HandleProgram(
        name=PROGRAM,
        attribution=LEDGE,
        installed=True,
        description="Ledge's answers from the documents",
        version=release(),
        models=[model],
        supports_handled_streaming=True,
    )
