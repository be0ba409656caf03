"""Text in, audio out: whole, or while the text is still being written.

synthesize                                                  (the client)
      audio-start → audio-chunk… → audio-stop
synthesize-start → synthesize-chunk… → synthesize → synthesize-stop      (the client; `synthesize` says it all again)
      audio-start → audio-chunk… → audio-stop → synthesize-stopped
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

from ledge.audio.v1 import audio_pb2
from ledge.tts.v1 import tts_pb2
from wyoming import tts
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event

from services.kit.errors import InvalidInput
from services.kit.relay import relay
from services.wyoming.activity import Inbox
from services.wyoming.peers import Peers
from services.wyoming.requests import Synthesize, SynthesizeChunk, SynthesizeStart, data_of
from services.wyoming.served_request import served
from services.wyoming.wire import Wire

TEXT, SSML = "text", "ssml"
PIECE_CHARACTERS = 4000
"""A text of any length is passed on in such pieces; where it is cut does not matter."""
PIECE_SAMPLES = 2048
MAX_SSML_CHARACTERS = 20_000


class Speaking:
    """One text, read aloud."""

    def __init__(self, wire: Wire, peers: Peers, asked: Synthesize | SynthesizeStart) -> None:
        self._format = asked.text_format or TEXT
        if self._format not in (TEXT, SSML):
            raise InvalidInput(f"no text_format is called {self._format!r}; there is {TEXT} and {SSML}")
        voice = asked.voice
        self._wire = wire
        self._peers = peers
        self._speech = tts_pb2.Speech(encoding=audio_pb2.PCM_S16LE)
        if voice is not None:
            # As in the protocol, a voice's name overrides a language.
            self._speech.voice, self._speech.language = voice.name or "", "" if voice.name else voice.language or ""
        self._whole = asked.text if isinstance(asked, Synthesize) else None
        self._texts: Inbox[str] = Inbox()

    def is_open(self) -> bool:
        return self._whole is None and self._texts.is_open

    async def take(self, event: Event) -> bool:
        if not self.is_open():
            return False
        if tts.SynthesizeChunk.is_type(event.type):
            await self._texts.put(data_of(event, SynthesizeChunk).text)
            return True
        if tts.SynthesizeStop.is_type(event.type):
            await self._texts.close()
            return True
        return tts.Synthesize.is_type(event.type)

    async def run(self) -> None:
        async with served("synthesize"):
            if self._format == SSML:
                await self._speak_ssml()
            else:
                await self._speak_text()
            if self._whole is None:
                await self._wire.write(tts.SynthesizeStopped())

    async def _speak_text(self) -> None:
        call = self._peers.tts.SynthesizeStream()
        rate_hz = 0
        async with contextlib.aclosing(relay(call, self._messages())) as answers:
            async for answer in answers:
                if answer.HasField("format"):
                    rate_hz = answer.format.sample_rate_hz
                    await self._wire.write(AudioStart(rate_hz, 2, 1, timestamp=0))
                if answer.audio:
                    await self._wire.write(AudioChunk(rate_hz, 2, 1, answer.audio, timestamp=answer.offset_ms))
        await self._wire.write(AudioStop())

    async def _speak_ssml(self) -> None:
        ssml = ""
        async with contextlib.aclosing(self._written()) as texts:
            async for text in texts:
                ssml += text
                if len(ssml) > MAX_SSML_CHARACTERS:
                    raise InvalidInput(f"SSML has more than {MAX_SSML_CHARACTERS} characters")
        request = tts_pb2.SynthesizeRequest(speech=self._speech, input=tts_pb2.Input(ssml=ssml))
        answer = await self._peers.tts.Synthesize(request)
        rate_hz = answer.sample_rate_hz
        await self._wire.write(AudioStart(rate_hz, 2, 1, timestamp=0))
        for start in range(0, len(answer.audio), PIECE_SAMPLES * 2):
            piece = answer.audio[start : start + PIECE_SAMPLES * 2]
            await self._wire.write(AudioChunk(rate_hz, 2, 1, piece, timestamp=start * 500 // rate_hz))
        await self._wire.write(AudioStop())

    async def _messages(self) -> AsyncGenerator[tts_pb2.SynthesizeStreamRequest]:
        yield tts_pb2.SynthesizeStreamRequest(config=self._speech)
        async for text in self._written():
            for start in range(0, len(text), PIECE_CHARACTERS):
                yield tts_pb2.SynthesizeStreamRequest(text=text[start : start + PIECE_CHARACTERS])

    async def _written(self) -> AsyncGenerator[str]:
        if self._whole is not None:
            if not self._whole.strip():
                raise InvalidInput("there is no text to speak")
            yield self._whole
            return
        texts: AsyncIterator[str] = self._texts.items()
        async for text in texts:
            yield text
