"""TranslateSpeech: checks what is asked for before anything is heard, and bounds how many are interpreted for."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

from ledge.asr.v1 import asr_pb2_grpc
from ledge.audio.v1 import audio_pb2
from ledge.translation.v1 import translation_pb2, translation_pb2_grpc
from ledge.tts.v1 import tts_pb2, tts_pb2_grpc
from ledge.voice.v1 import voice_pb2 as pb

from services.kit.errors import InvalidInput, NotFound, Overloaded, step
from services.voice.interpreting.interpretation import Interpretation, Translating, primary

SPOKEN = {
    audio_pb2.ENCODING_UNSPECIFIED: audio_pb2.PCM_S16LE,
    audio_pb2.PCM_S16LE: audio_pb2.PCM_S16LE,
    audio_pb2.MULAW: audio_pb2.MULAW,
    audio_pb2.ALAW: audio_pb2.ALAW,
}
PCM_RATE_HZ, TELEPHONE_RATE_HZ = 24_000, 8_000
UNSPEAKABLE = "…"
"""A text that every voice takes no time to say: what it is said with is checked all the same."""


class Interpreting:
    """Shared by all streams; holds nothing of them but their number."""

    def __init__(
        self,
        *,
        asr_streams: "asr_pb2_grpc.AsrServiceAsyncStub",
        translation: "translation_pb2_grpc.TranslationServiceAsyncStub",
        tts: "tts_pb2_grpc.TtsServiceAsyncStub",
        tts_streams: "tts_pb2_grpc.TtsServiceAsyncStub",
        max_streams: int,
    ) -> None:
        self._asr_streams = asr_streams
        self._translation = translation
        self._tts = tts
        self._tts_streams = tts_streams
        self._max_streams = max_streams
        self._streams = 0

    async def responses(
        self, requests: AsyncIterator[pb.TranslateSpeechRequest]
    ) -> AsyncGenerator[pb.TranslateSpeechResponse]:
        """The answers of one stream."""
        first = await anext(requests, None)
        if first is None or first.WhichOneof("event") != "config":
            raise InvalidInput("a stream begins with its config")
        config = first.config
        if not config.target_language:
            raise InvalidInput("target_language is missing")
        speech = _speech(config) if config.speak else None
        if self._streams >= self._max_streams:
            raise Overloaded(f"voice already interprets {self._streams} streams", retry_after_s=1.0)
        self._streams += 1
        try:
            await self._check_languages(config)
            if speech is not None:
                with step("tts"):
                    silent = tts_pb2.Input(text=UNSPEAKABLE)
                    await self._tts.Synthesize(tts_pb2.SynthesizeRequest(speech=speech, input=silent))
            translating = Translating(self._translation, config)
            interpretation = Interpretation(self._asr_streams, translating, self._tts_streams, config, speech)
            async with contextlib.aclosing(interpretation.responses(requests)) as responses:
                async for response in responses:
                    yield response
        finally:
            self._streams -= 1

    async def _check_languages(self, config: pb.TranslateSpeechConfig) -> None:
        """Raises NotFound now rather than when the first sentence has been said."""
        with step("translation"):
            if config.source_language:
                # An empty text stays empty, but its languages are looked for.
                probe = translation_pb2.TranslateRequest(
                    texts=[""], source_language=config.source_language, target_language=config.target_language
                )
                await self._translation.Translate(probe)
                return
            listed = await self._translation.ListLanguagePairs(translation_pb2.ListLanguagePairsRequest())
        targets = {primary(pair.target_language) for pair in listed.pairs}
        if primary(config.target_language) not in targets:
            there = ", ".join(sorted(targets)) or "none"
            raise NotFound(f"no model translates to {config.target_language[:35]!r}; there is {there}")


def _speech(config: pb.TranslateSpeechConfig) -> tts_pb2.Speech:
    speaking = config.speaking
    if speaking.encoding not in SPOKEN:
        raise InvalidInput("translations are spoken as PCM_S16LE, MULAW or ALAW")
    encoding = SPOKEN[speaking.encoding]
    usual_hz = PCM_RATE_HZ if encoding == audio_pb2.PCM_S16LE else TELEPHONE_RATE_HZ
    return tts_pb2.Speech(
        voice=speaking.voice,
        # Who is named may be of another country than the listener.
        language=primary(config.target_language) if speaking.voice else config.target_language,
        encoding=encoding,
        sample_rate_hz=speaking.sample_rate_hz or usual_hz,
        rate=speaking.rate if speaking.HasField("rate") else None,
    )
