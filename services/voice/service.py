"""VoiceService over gRPC: lets in as many sessions as there is room for, and tells what answers in them."""

import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
from ledge.model.v1 import model_pb2
from ledge.voice.v1 import voice_pb2 as pb
from ledge.voice.v1 import voice_pb2_grpc as rpc

from services.kit.errors import Overloaded
from services.voice import metrics
from services.voice.config import VoiceConfig
from services.voice.conversing.session import Session
from services.voice.interpreting.admission import Interpreting
from services.voice.peers import Peers

log = logging.getLogger("ledge.voice")


class VoiceService(rpc.VoiceServiceServicer):
    """Answers `Converse`, `TranslateSpeech` and `ListModels`. Holds nothing of a session when its stream has ended."""

    def __init__(self, peers: Peers, config: VoiceConfig) -> None:
        self._peers = peers
        self._config = config
        self._sessions = 0
        self._interpreting = Interpreting(
            asr_streams=peers.asr_streams,
            translation=peers.translation,
            tts=peers.tts,
            tts_streams=peers.tts_streams,
            max_streams=config.max_interpretations,
        )

    def mount(self, server: Any) -> None:
        rpc.add_VoiceServiceServicer_to_server(self, server)

    def models(self) -> Sequence[model_pb2.ModelInfo]:
        return ()

    async def close(self) -> None:
        await self._peers.close()

    async def Converse(
        self, requests: AsyncIterator[pb.ConverseRequest], context: Any
    ) -> AsyncIterator[pb.ConverseResponse]:
        if self._sessions >= self._config.max_sessions:
            raise Overloaded(f"voice already holds {self._sessions} conversations", retry_after_s=1.0)
        self._sessions += 1
        metrics.SESSIONS.set(self._sessions)
        try:
            session = Session(self._peers, self._config)
            async with contextlib.aclosing(session.responses(requests)) as responses:
                async for response in responses:
                    yield response
        finally:
            self._sessions -= 1
            metrics.SESSIONS.set(self._sessions)

    async def TranslateSpeech(
        self, requests: AsyncIterator[pb.TranslateSpeechRequest], context: Any
    ) -> AsyncIterator[pb.TranslateSpeechResponse]:
        async with contextlib.aclosing(self._interpreting.responses(requests)) as responses:
            async for response in responses:
                yield response

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        response = pb.ListModelsResponse(models=[model_pb2.ModelInfo(id=self._config.rag_model, engine="rag")])
        if self._peers.has_llm:
            try:
                response.models.extend((await self._peers.models.get()).models)
            except grpc.aio.AioRpcError as error:
                log.warning("no chat models are listed", extra={"code": error.code().name})
        return response
