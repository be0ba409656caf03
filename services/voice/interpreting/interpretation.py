"""One stream that is interpreted: heard, translated and spoken side by side, told in order.

requests ──► HEAR ──finals──► TRANSLATE ──texts──► SPEAK ──audio──┐
              │ │                 └──────────finals───────────────┤
              │ └─partials──► PARTIALS (one at a time) ──partials─┼──► responses
              └──────────────── speech started, stopped ──────────┘

Each arrow is a bounded queue: a client that does not read is not heard any further. What fails first ends the stream.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

import grpc
from ledge.asr.v1 import asr_pb2, asr_pb2_grpc
from ledge.audio.v1 import audio_pb2
from ledge.translation.v1 import translation_pb2, translation_pb2_grpc
from ledge.tts.v1 import tts_pb2, tts_pb2_grpc
from ledge.voice.v1 import voice_pb2 as pb

from services.kit.errors import InvalidInput, step
from services.kit.relay import relay
from services.voice.interpreting.partial_translations import PartialTranslations

MAX_WAITING_RESPONSES = 64
"""Of a client that does not read; each at most some kilobytes."""
MAX_WAITING_UTTERANCES = 8


class Translating:
    """Translates what one stream says."""

    def __init__(
        self, translation: "translation_pb2_grpc.TranslationServiceAsyncStub", config: pb.TranslateSpeechConfig
    ) -> None:
        self._translation = translation
        self._config = config
        self._terms = [
            translation_pb2.ProtectedTerm(term=term, translation=instead)
            for term, instead in config.protected_terms.items()
        ]

    async def text(self, text: str, source: str) -> str:
        """The translation; `source` empty: as the text itself tells."""
        request = translation_pb2.TranslateRequest(
            texts=[text],
            source_language=source,
            target_language=self._config.target_language,
            protected_terms=self._terms,
        )
        with step("translation"):
            response = await self._translation.Translate(request)
        return str(response.translations[0].text)


class Interpretation:
    """Used once. Closing `responses` frees everything, also in the services below."""

    def __init__(
        self,
        asr_streams: "asr_pb2_grpc.AsrServiceAsyncStub",
        translating: Translating,
        tts_streams: "tts_pb2_grpc.TtsServiceAsyncStub",
        config: pb.TranslateSpeechConfig,
        speech: tts_pb2.Speech | None,
    ) -> None:
        self._asr_streams = asr_streams
        self._translating = translating
        self._tts_streams = tts_streams
        self._config = config
        self._speech = speech
        self._responses: asyncio.Queue[pb.TranslateSpeechResponse | None] = asyncio.Queue(MAX_WAITING_RESPONSES)
        self._said: asyncio.Queue[tuple[int, asr_pb2.Utterance] | None] = asyncio.Queue(MAX_WAITING_UTTERANCES)
        self._to_speak: asyncio.Queue[tuple[int, str] | None] = asyncio.Queue(MAX_WAITING_UTTERANCES)
        self._failure: BaseException | None = None
        self._heard_bytes = 0
        self._utterances = 0
        self._language = config.source_language
        """What was asked for, or heard last."""

    async def responses(
        self, requests: AsyncIterator[pb.TranslateSpeechRequest]
    ) -> AsyncGenerator[pb.TranslateSpeechResponse]:
        """Everything that is told, in order; `end` last."""
        working = asyncio.create_task(self._work(requests))
        try:
            while (response := await self._responses.get()) is not None:
                yield response
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        if self._failure is not None:
            raise self._failure

    async def _work(self, requests: AsyncIterator[pb.TranslateSpeechRequest]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                partials = PartialTranslations(group, self._translated_partial, self._tell_partial)
                group.create_task(self._hear(requests, partials))
                group.create_task(self._translate())
                group.create_task(self._speak())
            end = pb.TranslateSpeechEnd(heard_ms=self._heard_ms, utterances=self._utterances)
            await self._responses.put(pb.TranslateSpeechResponse(end=end))
        except BaseExceptionGroup as failures:
            self._failure = _first(failures)
        await self._responses.put(None)

    async def _hear(self, requests: AsyncIterator[pb.TranslateSpeechRequest], partials: PartialTranslations) -> None:
        call = self._asr_streams.TranscribeStream()
        index, start_ms = -1, 0
        async with contextlib.aclosing(relay(call, self._audio(requests))) as events:
            async for event in events:
                match event.WhichOneof("event"):
                    case "speech_started":
                        index, start_ms = index + 1, event.speech_started.offset_ms
                        started = pb.SpeechStarted(audio_start_ms=start_ms, item_id=str(index))
                        await self._responses.put(pb.TranslateSpeechResponse(speech_started=started))
                    case "partial":
                        partials.hear(pb.TranslatedSpeech(index=index, start_ms=start_ms), event.partial)
                    case "speech_ended":
                        partials.end()
                        stopped = pb.SpeechStopped(audio_end_ms=event.speech_ended.offset_ms, item_id=str(index))
                        await self._responses.put(pb.TranslateSpeechResponse(speech_stopped=stopped))
                    case "final":
                        await self._said.put((index, event.final))
        await self._said.put(None)

    async def _audio(
        self, requests: AsyncIterator[pb.TranslateSpeechRequest]
    ) -> AsyncGenerator[asr_pb2.TranscribeStreamRequest]:
        config = self._config
        settings = asr_pb2.StreamConfig(
            format=config.input_format,
            recognition=asr_pb2.Recognition(
                model=config.transcription.model,
                language=config.source_language,
                hotwords=config.transcription.hotwords,
            ),
            partials=config.partials,
            endpointing=asr_pb2.Endpointing(silence_ms=config.silence_ms if config.HasField("silence_ms") else None),
        )
        yield asr_pb2.TranscribeStreamRequest(config=settings)
        async for request in requests:
            if request.WhichOneof("event") != "audio":
                raise InvalidInput("a stream has one config, its first message; then audio")
            self._heard_bytes += len(request.audio)
            yield asr_pb2.TranscribeStreamRequest(audio=request.audio)

    async def _translate(self) -> None:
        while (said := await self._said.get()) is not None:
            index, utterance = said
            self._utterances += 1
            self._language = self._config.source_language or utterance.language
            told = pb.TranslatedSpeech(
                index=index,
                source_text=utterance.text,
                source_language=self._language,
                language=self._config.target_language,
                start_ms=utterance.start_ms,
                end_ms=utterance.end_ms,
            )
            if utterance.text.strip():
                await self._fill_in(told)
            told.stable_characters = len(told.text)
            await self._responses.put(pb.TranslateSpeechResponse(final=told))
            if self._speech is not None and told.text.strip():
                await self._to_speak.put((index, told.text))
        await self._to_speak.put(None)

    async def _fill_in(self, told: pb.TranslatedSpeech) -> None:
        """The translation; where the language was only heard, a speaker may change to one that cannot be translated."""
        asked = bool(self._config.source_language)
        if not asked and primary(told.source_language) == primary(told.language):
            told.text, told.language = told.source_text, told.source_language
            return
        try:
            told.text = await self._translating.text(told.source_text, told.source_language)
        except grpc.aio.AioRpcError as error:
            if asked or error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
            told.untranslated = error.details() or "no model has this pair of languages"

    async def _speak(self) -> None:
        while (text := await self._to_speak.get()) is not None:
            index, spoken = text
            call = self._tts_streams.SynthesizeStream(_text_of(self._speech, spoken))
            form = tts_pb2.StreamFormat()
            try:
                async for answer in call:
                    form = answer.format if answer.HasField("format") else form
                    if answer.audio:
                        audio = pb.TranslatedAudio(
                            index=index,
                            audio=answer.audio,
                            encoding=form.encoding,
                            sample_rate_hz=form.sample_rate_hz,
                        )
                        await self._responses.put(pb.TranslateSpeechResponse(audio=audio))
            finally:
                call.cancel()

    async def _translated_partial(self, text: str) -> str:
        if self._language and primary(self._language) == primary(self._config.target_language):
            return text
        return await self._translating.text(text, self._language)

    def _tell_partial(self, told: pb.TranslatedSpeech) -> None:
        told.source_language, told.language = self._language, self._config.target_language
        # Who does not keep up with the partial results gets fewer of them.
        if not self._responses.full():
            self._responses.put_nowait(pb.TranslateSpeechResponse(partial=told))

    @property
    def _heard_ms(self) -> int:
        form = self._config.input_format
        sample_bytes = 1 if form.encoding in (audio_pb2.MULAW, audio_pb2.ALAW) else 2
        return round(self._heard_bytes * 1000 / (sample_bytes * (form.channels or 1) * form.sample_rate_hz))


def primary(language: str) -> str:
    """The language of a tag, without region and script."""
    return language.replace("_", "-").partition("-")[0].lower()


async def _text_of(speech: tts_pb2.Speech | None, text: str) -> AsyncIterator[tts_pb2.SynthesizeStreamRequest]:
    yield tts_pb2.SynthesizeStreamRequest(config=speech)
    yield tts_pb2.SynthesizeStreamRequest(text=text)


def _first(failures: BaseExceptionGroup) -> BaseException:
    """The failure that the others followed."""
    failure: BaseException = failures
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure
