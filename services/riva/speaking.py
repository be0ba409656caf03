"""Lets `tts` speak what Riva's clients ask for, whole or while the text still comes."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from ledge.audio.v1 import audio_pb2
from ledge.tts.v1 import tts_pb2
from riva_compat import audio_pb2 as riva_audio_pb2

from services.kit.errors import InvalidInput
from services.kit.relay import relay
from services.riva.names import Names, Warnings
from services.riva.peers import Peers

ENCODINGS = {
    riva_audio_pb2.ENCODING_UNSPECIFIED: audio_pb2.PCM_S16LE,
    riva_audio_pb2.LINEAR_PCM: audio_pb2.PCM_S16LE,
    riva_audio_pb2.MULAW: audio_pb2.MULAW,
    riva_audio_pb2.ALAW: audio_pb2.ALAW,
    riva_audio_pb2.FLAC: audio_pb2.FLAC,
    riva_audio_pb2.OGGOPUS: audio_pb2.OGG_OPUS,
}
OPUS_RATES_HZ = (8000, 12_000, 16_000, 24_000, 48_000)
FLUSH_AFTER_S = 0.1
"""A text that ends within a sentence waits so long for its rest: clients cut long texts anywhere."""
SENTENCE_ENDS = tuple(".!?…。！？")
PIECE_BYTES = 2**16


@dataclass(frozen=True)
class Wanted:
    """How a request wants its text spoken."""

    voice: str
    language: str
    encoding: riva_audio_pb2.AudioEncoding
    sample_rate_hz: int
    word_times: bool = False
    rate: float | None = None


class Speaking:
    """Shared by all calls; holds nothing of them."""

    def __init__(self, peers: Peers, names: Names) -> None:
        self._peers = peers
        self._names = names

    async def whole(self, text: str, wanted: Wanted, warnings: Warnings) -> tts_pb2.SynthesizeResponse:
        """All of the audio of a text, or of one `<speak>` element."""
        given = tts_pb2.Input(ssml=text) if is_ssml(text) else tts_pb2.Input(text=text)
        speech = await self._speech(wanted, warnings)
        return await self._peers.tts.Synthesize(tts_pb2.SynthesizeRequest(speech=speech, input=given))

    async def ssml_pieces(
        self, text: str, wanted: Wanted, warnings: Warnings
    ) -> AsyncGenerator[tts_pb2.SynthesizeStreamResponse]:
        """A `<speak>` element as a stream would give it; it is spoken as a whole first."""
        whole = await self.whole(text, wanted, warnings)
        await warnings.send()
        for start in range(0, len(whole.audio), PIECE_BYTES):
            words = whole.words if start == 0 else ()
            yield tts_pb2.SynthesizeStreamResponse(audio=whole.audio[start : start + PIECE_BYTES], words=words)

    async def pieces(
        self, texts: AsyncIterator[str], wanted: Wanted, warnings: Warnings
    ) -> AsyncGenerator[tts_pb2.SynthesizeStreamResponse]:
        """Audio as soon as there is some. Each text is spoken without waiting long for the next."""
        speech = await self._speech(wanted, warnings)
        await warnings.send()

        async def messages() -> AsyncGenerator[tts_pb2.SynthesizeStreamRequest]:
            yield tts_pb2.SynthesizeStreamRequest(config=speech)
            async with contextlib.aclosing(_with_pauses(texts)) as pieces:
                async for piece in pieces:
                    if piece is None:
                        yield tts_pb2.SynthesizeStreamRequest(flush=tts_pb2.Flush())
                    else:
                        yield tts_pb2.SynthesizeStreamRequest(text=piece)

        call = self._peers.tts_streams.SynthesizeStream()
        async with contextlib.aclosing(relay(call, messages())) as answers:
            async for answer in answers:
                yield answer

    async def _speech(self, wanted: Wanted, warnings: Warnings) -> tts_pb2.Speech:
        if wanted.encoding not in ENCODINGS:
            raise InvalidInput(f"no encoding has the number {wanted.encoding}")
        if wanted.sample_rate_hz < 0:
            raise InvalidInput(f"sample_rate_hz is {wanted.sample_rate_hz}")
        voice, language = wanted.voice, wanted.language
        if voice:
            voice, language = self._names.voice(voice, language, await self._peers.voices.get(), warnings)
        rate_hz = wanted.sample_rate_hz
        if wanted.encoding == riva_audio_pb2.OGGOPUS and rate_hz:
            # What Opus does not have is asked for by clients' defaults; a player of Ogg never sees the difference.
            rate_hz = next((opus_hz for opus_hz in OPUS_RATES_HZ if opus_hz >= rate_hz), OPUS_RATES_HZ[-1])
        return tts_pb2.Speech(
            voice=voice,
            language=language,
            encoding=ENCODINGS[wanted.encoding],
            sample_rate_hz=rate_hz,
            rate=wanted.rate,
            word_times=wanted.word_times,
        )


def is_ssml(text: str) -> bool:
    return text.lstrip().startswith("<speak")


async def _with_pauses(texts: AsyncIterator[str]) -> AsyncGenerator[str | None]:
    """The texts, with spaces between them, and None where what has come is to be spoken without waiting for more."""

    async def read() -> str | None:
        return await anext(texts, None)

    reading = asyncio.create_task(read())
    try:
        while (text := await reading) is not None:
            reading = asyncio.create_task(read())
            yield f"{text} "
            if not text.rstrip().endswith(SENTENCE_ENDS):
                await asyncio.wait([reading], timeout=FLUSH_AFTER_S)
                if reading.done():
                    continue
            yield None
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
