"""RivaSpeechSynthesis: reads the requests, lets `tts` speak, packs Riva's answers."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from typing import Any

from ledge.tts.v1 import tts_pb2
from riva_compat import tts_pb2 as pb
from riva_compat import tts_pb2_grpc as rpc

from services.kit.errors import InvalidInput, NotFound
from services.riva.names import MAX_NAME_CHARACTERS, Warnings
from services.riva.peers import Peers
from services.riva.speaking import Speaking, Wanted, is_ssml


class Synthesis(rpc.RivaSpeechSynthesisServicer):
    """Answers for the one `tts` behind the door."""

    def __init__(self, peers: Peers, speaking: Speaking) -> None:
        self._peers = peers
        self._speaking = speaking

    async def Synthesize(self, request: pb.SynthesizeSpeechRequest, context: Any) -> pb.SynthesizeSpeechResponse:
        warnings = Warnings(context)
        spoken = await self._speaking.whole(request.text, _wanted(request, warnings), warnings)
        await warnings.send()
        return pb.SynthesizeSpeechResponse(
            audio=spoken.audio,
            meta=pb.SynthesizeSpeechResponseMetadata(
                text=request.text, processed_text=request.text, words=_words(spoken.words)
            ),
            id=_id(request),
        )

    async def SynthesizeOnline(
        self, requests: AsyncIterator[pb.SynthesizeSpeechRequest], context: Any
    ) -> AsyncIterator[pb.SynthesizeSpeechResponse]:
        warnings = Warnings(context)
        texts = _Texts(requests)
        while (request := await texts.next()) is not None:
            wanted = _wanted(request, warnings)
            if is_ssml(request.text):
                pieces = self._speaking.ssml_pieces(request.text, wanted, warnings)
            else:
                pieces = self._speaking.pieces(texts.alike(request), wanted, warnings)
            async with contextlib.aclosing(pieces):
                async for piece in pieces:
                    yield pb.SynthesizeSpeechResponse(
                        audio=piece.audio,
                        meta=pb.SynthesizeSpeechResponseMetadata(words=_words(piece.words)),
                        id=_id(request),
                    )

    async def GetRivaSynthesisConfig(
        self, request: pb.RivaSynthesisConfigRequest, context: Any
    ) -> pb.RivaSynthesisConfigResponse:
        listed = await self._peers.voices.get()
        model = listed.models[0].id if listed.models else "tts"
        if request.model_name not in ("", model):
            raise NotFound(f"no model {request.model_name[:MAX_NAME_CHARACTERS]!r} here; there is {model!r}")
        response = pb.RivaSynthesisConfigResponse()
        for language in dict.fromkeys(voice.language for voice in listed.voices):
            voices = [voice for voice in listed.voices if voice.language == language]
            voices.sort(key=lambda voice: not voice.default_of_language)
            parameters = {
                "type": "tts",
                "language_code": language,
                "voice_name": model,
                "subvoices": ",".join(f"{voice.id}:{number}" for number, voice in enumerate(voices)),
                "sample_rate": str(voices[0].sample_rate_hz),
            }
            response.model_config.add(model_name=model, parameters=parameters)
        return response


class _Texts:
    """The requests of a stream, of which those that want to be spoken alike are spoken as one text."""

    def __init__(self, requests: AsyncIterator[pb.SynthesizeSpeechRequest]) -> None:
        self._requests = requests
        self._different: pb.SynthesizeSpeechRequest | None = None

    async def next(self) -> pb.SynthesizeSpeechRequest | None:
        different, self._different = self._different, None
        return different or await anext(self._requests, None)

    async def alike(self, first: pb.SynthesizeSpeechRequest) -> AsyncGenerator[str]:
        """The texts from `first` on, up to one in another voice, or SSML."""
        yield first.text
        async for request in self._requests:
            if is_ssml(request.text) or _manner(request) != _manner(first):
                self._different = request
                return
            yield request.text


def _manner(request: pb.SynthesizeSpeechRequest) -> pb.SynthesizeSpeechRequest:
    manner = pb.SynthesizeSpeechRequest()
    manner.CopyFrom(request)
    manner.ClearField("text")
    manner.ClearField("id")
    return manner


def _wanted(request: pb.SynthesizeSpeechRequest, warnings: Warnings) -> Wanted:
    if request.zero_shot_data.audio_prompt:
        raise InvalidInput("zero_shot_data: no voice here imitates another; leave it away")
    if request.custom_dictionary:
        warnings.add("custom_dictionary is not heeded: write <phoneme> or <sub> in SSML")
    return Wanted(
        voice=request.voice_name,
        language=request.language_code,
        encoding=request.encoding,
        sample_rate_hz=request.sample_rate_hz,
        word_times=request.enable_word_time_offsets,
    )


def _words(words: Iterable[tts_pb2.WordTime]) -> list[pb.WordTiming]:
    return [pb.WordTiming(word=word.text, start_time=word.start_ms, end_time=word.end_ms) for word in words]


def _id(request: pb.SynthesizeSpeechRequest) -> Any:
    return request.id if request.HasField("id") else None
