"""Audio in, transcript out: an utterance is told when it has ended, the whole when the client has stopped.

transcribe → audio-start → audio-chunk… → audio-stop        (the client)
      transcript-start → transcript-chunk… → transcript → transcript-stop
"""

import contextlib
from collections.abc import AsyncGenerator

from ledge.asr.v1 import asr_pb2
from ledge.audio.v1 import audio_pb2
from wyoming import asr
from wyoming.audio import AudioChunk, AudioStop
from wyoming.event import Event

from services.kit.errors import InvalidInput
from services.kit.relay import relay
from services.wyoming.activity import Inbox
from services.wyoming.peers import Peers
from services.wyoming.requests import AudioFormat, Transcribe, data_of
from services.wyoming.served_request import served
from services.wyoming.wire import Wire

WIDTH_BYTES = 2
PIECE_BYTES = 2**16
MAX_HINTS, MAX_HINT_CHARACTERS = 100, 64
"""What a request to `asr` takes of hotwords; they are hints, so the rest is left out."""


class Hearing:
    """One transcription. `format` is of the event that began it."""

    def __init__(self, wire: Wire, peers: Peers, asked: Transcribe, format: AudioFormat) -> None:
        if format.width != WIDTH_BYTES:
            raise InvalidInput(f"samples have {format.width} bytes; they may have {WIDTH_BYTES}, as signed integers")
        self._wire = wire
        self._peers = peers
        self._asked = asked
        self._format = format
        self._audio: Inbox[bytes] = Inbox()

    def is_open(self) -> bool:
        return self._audio.is_open

    async def take(self, event: Event) -> bool:
        if not self.is_open():
            return False
        if AudioChunk.is_type(event.type):
            if data_of(event, AudioFormat) != self._format:
                raise InvalidInput("the format of the audio changes within a stream")
            if event.payload:
                await self._audio.put(event.payload)
            return True
        if AudioStop.is_type(event.type):
            await self._audio.close()
            return True
        return False

    async def run(self) -> None:
        async with served("transcribe"):
            config = await self._config()
            call = self._peers.asr.TranscribeStream()
            texts: list[str] = []
            language = ""
            async with contextlib.aclosing(relay(call, self._messages(config))) as events:
                async for event in events:
                    if event.WhichOneof("event") != "final" or not event.final.text:
                        continue
                    if not texts:
                        language = event.final.language
                        await self._wire.write(asr.TranscriptStart(language=language or None))
                    await self._wire.write(asr.TranscriptChunk((" " if texts else "") + event.final.text))
                    texts.append(event.final.text)
            if not texts:
                await self._wire.write(asr.TranscriptStart())
            await self._wire.write(asr.Transcript(" ".join(texts), language=language or None))
            await self._wire.write(asr.TranscriptStop())

    async def _config(self) -> asr_pb2.StreamConfig:
        recognition = asr_pb2.Recognition(model=self._asked.name or "", language=self._asked.language or "")
        hints = [hint for hint in self._asked.hints() if 0 < len(hint.strip()) <= MAX_HINT_CHARACTERS]
        if hints:
            served_models = (await self._peers.asr.ListModels(asr_pb2.ListModelsRequest())).models
            if all(model.hotwords for model in served_models):
                recognition.hotwords.extend(hints[:MAX_HINTS])
        format = audio_pb2.RawFormat(sample_rate_hz=self._format.rate, channels=self._format.channels)
        return asr_pb2.StreamConfig(format=format, recognition=recognition)

    async def _messages(self, config: asr_pb2.StreamConfig) -> AsyncGenerator[asr_pb2.TranscribeStreamRequest]:
        yield asr_pb2.TranscribeStreamRequest(config=config)
        async for audio in self._audio.items():
            for start in range(0, len(audio), PIECE_BYTES):
                yield asr_pb2.TranscribeStreamRequest(audio=audio[start : start + PIECE_BYTES])
