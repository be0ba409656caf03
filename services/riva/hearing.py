"""Lets `asr` hear audio as Riva's clients send it, whole or in pieces."""

import contextlib
from collections.abc import AsyncGenerator

from ledge.asr.v1 import asr_pb2
from riva_compat import asr_pb2 as riva

from services.kit.errors import InvalidInput
from services.kit.relay import relay
from services.riva.incoming_audio import IncomingAudio, Kind, is_file, raw_format
from services.riva.names import Names, Warnings
from services.riva.peers import Peers
from services.riva.recognition_options import endpointing_of, recognition_of

PIECE_BYTES = 2**16

Piece = bytes | None
"""Audio, or None: the speaker has ended an utterance."""


class Hearing:
    """Shared by all calls; holds nothing of them."""

    def __init__(self, peers: Peers, names: Names, max_file_bytes: int) -> None:
        self._peers = peers
        self._names = names
        self._max_file_bytes = max_file_bytes

    async def whole(
        self, audio: bytes, config: riva.RecognitionConfig, warnings: Warnings
    ) -> asr_pb2.TranscribeResponse:
        """What is said in audio that is here as a whole."""
        request = asr_pb2.TranscribeRequest(audio=audio, recognition=await self._recognition(config, warnings))
        if not is_file(audio, config):
            request.raw.CopyFrom(raw_format(config))
        return await self._peers.asr.Transcribe(request)

    async def events(
        self, pieces: AsyncGenerator[Piece], config: riva.StreamingRecognitionConfig, warnings: Warnings
    ) -> AsyncGenerator[asr_pb2.TranscribeStreamResponse]:
        """What is heard while it is spoken; a FLAC or Ogg file is heard when all of it is here."""
        recognition = await self._recognition(config.config, warnings)
        await warnings.send()
        audio = IncomingAudio(config.config)
        begun = b""
        async for piece in pieces:
            begun = audio.take(piece or b"")
            if audio.kind is not Kind.UNKNOWN:
                break
        begun += audio.finish()
        if audio.kind is Kind.CONTAINER:
            whole = await self._collected(begun, pieces)
            for event in _events_of(await self.whole(whole, config.config, warnings)):
                yield event
            return

        async def messages() -> AsyncGenerator[asr_pb2.TranscribeStreamRequest]:
            settings = asr_pb2.StreamConfig(
                format=audio.format,
                recognition=recognition,
                partials=config.interim_results,
                endpointing=endpointing_of(config.config),
            )
            yield asr_pb2.TranscribeStreamRequest(config=settings)
            for message in _audio_messages(begun):
                yield message
            async for piece in pieces:
                if piece is None:
                    yield asr_pb2.TranscribeStreamRequest(end_utterance=asr_pb2.EndUtterance())
                else:
                    for message in _audio_messages(audio.take(piece)):
                        yield message

        call = self._peers.asr_streams.TranscribeStream()
        async with contextlib.aclosing(relay(call, messages())) as events:
            async for event in events:
                yield event

    async def _recognition(self, config: riva.RecognitionConfig, warnings: Warnings) -> asr_pb2.Recognition:
        return recognition_of(config, await self._peers.models.get(), self._names, warnings)

    async def _collected(self, begun: bytes, pieces: AsyncGenerator[Piece]) -> bytes:
        file = bytearray(begun)
        async for piece in pieces:
            file += piece or b""
            if len(file) > self._max_file_bytes:
                raise InvalidInput(f"the file is longer than {self._max_file_bytes} bytes; stream it as LINEAR_PCM")
        return bytes(file)


def _audio_messages(audio: bytes) -> list[asr_pb2.TranscribeStreamRequest]:
    pieces = (audio[start : start + PIECE_BYTES] for start in range(0, len(audio), PIECE_BYTES))
    return [asr_pb2.TranscribeStreamRequest(audio=piece) for piece in pieces]


def _events_of(response: asr_pb2.TranscribeResponse) -> list[asr_pb2.TranscribeStreamResponse]:
    return [
        asr_pb2.TranscribeStreamResponse(final=utterance, heard_ms=response.duration_ms)
        for utterance in response.utterances
    ]
