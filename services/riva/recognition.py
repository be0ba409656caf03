"""RivaSpeechRecognition: reads the request, lets `asr` hear, packs Riva's results."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from riva_compat import asr_pb2 as pb
from riva_compat import asr_pb2_grpc as rpc

from services.kit.errors import InvalidInput, NotFound
from services.riva.hearing import Hearing, Piece
from services.riva.names import MAX_NAME_CHARACTERS, Warnings
from services.riva.peers import Peers
from services.riva.results import offline_result, streaming_result

HEARD_RATE_HZ = 16_000


class Recognition(rpc.RivaSpeechRecognitionServicer):
    """Answers for the one `asr` behind the door."""

    def __init__(self, peers: Peers, hearing: Hearing) -> None:
        self._peers = peers
        self._hearing = hearing

    async def Recognize(self, request: pb.RecognizeRequest, context: Any) -> pb.RecognizeResponse:
        warnings = Warnings(context)
        heard = await self._hearing.whole(request.audio, request.config, warnings)
        await warnings.send()
        results = [offline_result(utterance, heard.duration_ms) for utterance in heard.utterances]
        return pb.RecognizeResponse(results=results, id=_id(request))

    async def StreamingRecognize(
        self, requests: AsyncIterator[pb.StreamingRecognizeRequest], context: Any
    ) -> AsyncIterator[pb.StreamingRecognizeResponse]:
        first = await anext(requests, None)
        if first is None or first.WhichOneof("streaming_request") != "streaming_config":
            raise InvalidInput("a stream begins with its streaming_config")
        events = self._hearing.events(_pieces(requests), first.streaming_config, Warnings(context))
        async with contextlib.aclosing(events):
            async for event in events:
                if (result := streaming_result(event)) is not None:
                    yield pb.StreamingRecognizeResponse(results=[result], id=_id(first))

    async def GetRivaSpeechRecognitionConfig(
        self, request: pb.RivaSpeechRecognitionConfigRequest, context: Any
    ) -> pb.RivaSpeechRecognitionConfigResponse:
        response = pb.RivaSpeechRecognitionConfigResponse()
        for model in (await self._peers.models.get()).models:
            if request.model_name not in ("", model.info.id):
                continue
            for kind in ("online", "offline"):
                parameters = {
                    "type": kind,
                    "streaming": str(kind == "online"),
                    "language_code": ",".join(model.languages),
                    "sample_rate": str(HEARD_RATE_HZ),
                    "engine": model.info.engine,
                }
                response.model_config.add(model_name=model.info.id, parameters=parameters)
        if request.model_name and not response.model_config:
            raise NotFound(f"no model {request.model_name[:MAX_NAME_CHARACTERS]!r} here")
        return response


async def _pieces(requests: AsyncIterator[pb.StreamingRecognizeRequest]) -> AsyncGenerator[Piece]:
    async for request in requests:
        if request.WhichOneof("streaming_request") == "streaming_config":
            raise InvalidInput("a stream has one streaming_config, its first message; then audio_content")
        if request.audio_content:
            yield request.audio_content
        if request.runtime_config.get("force_eou", "").lower() == "true":
            yield None


def _id(request: pb.RecognizeRequest | pb.StreamingRecognizeRequest) -> Any:
    return request.id if request.HasField("id") else None
