"""AsrService over gRPC: checks the request, lets it be heard, packs what was said."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from typing import Any

from ledge.asr.v1 import asr_pb2 as pb
from ledge.asr.v1 import asr_pb2_grpc as rpc
from ledge.audio.v1 import audio_pb2
from ledge.model.v1 import model_pb2

from services.asr.audio_input import LiveAudio, RawAudio, RawEncoding, read_file, read_raw
from services.asr.config import AsrConfig
from services.asr.endpointing import EndpointingSettings
from services.asr.engine import Engine, Hypothesis, Options, Samples, Task
from services.asr.listening import (
    Ended,
    EndUtterance,
    Event,
    Final,
    Heard,
    Listening,
    Progressed,
    Started,
    Told,
)
from services.asr.vad import VoiceDetector
from services.kit.errors import InvalidInput, NotFound, Overloaded

RAW_ENCODINGS = {
    audio_pb2.ENCODING_UNSPECIFIED: RawEncoding.PCM_S16LE,
    audio_pb2.PCM_S16LE: RawEncoding.PCM_S16LE,
    audio_pb2.MULAW: RawEncoding.MULAW,
    audio_pb2.ALAW: RawEncoding.ALAW,
}
TASKS = {
    pb.Recognition.TASK_UNSPECIFIED: Task.TRANSCRIBE,
    pb.Recognition.TRANSCRIBE: Task.TRANSCRIBE,
    pb.Recognition.TRANSLATE: Task.TRANSLATE,
}
MAX_HOTWORDS, MAX_HOTWORD_CHARACTERS = 100, 64
MAX_PIECE_BYTES = 2**20
MIN_SILENCE_MS, MAX_SILENCE_MS, DEFAULT_SILENCE_MS = 100, 5000, 500
MIN_PROGRESS_MS, MAX_PROGRESS_MS = 32, 1000
MAX_NAME_CHARACTERS = 96
"""Of a name, in an error."""


class AsrService(rpc.AsrServiceServicer):
    """Answers `Transcribe`, `TranscribeStream` and `ListModels` for one engine."""

    def __init__(self, engine: Engine, detector: VoiceDetector, config: AsrConfig) -> None:
        self._engine = engine
        self._detector = detector
        self._config = config
        self._model = engine.model
        self._streams = 0

    def mount(self, server: Any) -> None:
        rpc.add_AsrServiceServicer_to_server(self, server)

    def models(self) -> Sequence[model_pb2.ModelInfo]:
        model = self._model
        info = model_pb2.ModelInfo(id=model.id, engine=model.engine, licence=model.licence)
        if model.commercial_use is not None:
            info.commercial_use = model.commercial_use
        return [info]

    async def close(self) -> None:
        self._detector.close()
        await self._engine.close()

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        model = self._model
        told = pb.AsrModel(
            info=self.models()[0],
            languages=model.languages,
            detects_language=model.detects_language,
            hotwords=model.hotwords,
            translates=model.translates,
        )
        return pb.ListModelsResponse(models=[told])

    async def Transcribe(self, request: pb.TranscribeRequest, context: Any) -> pb.TranscribeResponse:
        response = pb.TranscribeResponse()
        async with contextlib.aclosing(self._heard(request)) as events:
            async for event in events:
                match event:
                    case Final() if event.hypothesis.text:
                        response.utterances.append(_utterance(event, request.recognition.word_times))
                    case pb.End():
                        response.model, response.language = event.model, event.language
                        response.duration_ms = event.duration_ms
        response.text = " ".join(utterance.text for utterance in response.utterances)
        return response

    async def TranscribeFile(
        self, request: pb.TranscribeFileRequest, context: Any
    ) -> AsyncIterator[pb.TranscribeFileResponse]:
        word_times = request.transcribe.recognition.word_times
        async with contextlib.aclosing(self._heard(request.transcribe)) as events:
            async for event in events:
                match event:
                    case Started(offset_s):
                        started = pb.SpeechStarted(offset_ms=round(offset_s * 1000))
                        yield pb.TranscribeFileResponse(speech_started=started)
                    case Ended(offset_s):
                        ended = pb.SpeechEnded(offset_ms=round(offset_s * 1000))
                        yield pb.TranscribeFileResponse(speech_ended=ended)
                    case Final():
                        yield pb.TranscribeFileResponse(final=_utterance(event, word_times))
                    case pb.End():
                        yield pb.TranscribeFileResponse(end=event)

    async def _heard(self, request: pb.TranscribeRequest) -> AsyncGenerator[Event | pb.End]:
        """What is heard in a whole piece of audio, and last how it ends."""
        options = self._options(request.recognition)
        if request.HasField("raw"):
            pieces = read_raw(request.audio, _raw_audio(request.raw), self._config.max_audio_s)
        else:
            pieces = read_file(request.audio, self._config.max_audio_s)
        language = ""
        settings = EndpointingSettings(max_utterance_s=self._config.max_utterance_s)
        listening = Listening(
            self._engine.session(options, live=False), self._detector.stream(), settings, partials=False
        )
        async with contextlib.aclosing(listening.events(_read(pieces))) as events:
            async for told in events:
                language = language or _language_of(told.event)
                yield told.event
        duration_ms = round(listening.heard_s * 1000)
        yield pb.End(model=self._model.id, language=language or options.language, duration_ms=duration_ms)

    async def TranscribeStream(
        self, requests: AsyncIterator[pb.TranscribeStreamRequest], context: Any
    ) -> AsyncIterator[pb.TranscribeStreamResponse]:
        first = await anext(requests, None)
        if first is None or first.WhichOneof("kind") != "config":
            raise InvalidInput("a stream begins with its config")
        config = first.config
        options = self._options(config.recognition)
        audio = LiveAudio(_raw_audio(config.format))
        settings = self._endpointing(config.endpointing)
        progress_s = _progress_s(config)
        if self._streams >= self._config.max_streams:
            raise Overloaded(f"asr already hears {self._streams} streams", retry_after_s=1.0)
        self._streams += 1
        try:
            listening = Listening(
                self._engine.session(options, live=True),
                self._detector.stream(),
                settings,
                partials=config.partials,
                progress_s=progress_s,
            )
            async with contextlib.aclosing(listening.events(_sounds(requests, audio))) as events:
                async for told in events:
                    yield _packed(told, config.recognition.word_times)
        finally:
            self._streams -= 1

    def _options(self, recognition: pb.Recognition) -> Options:
        model = self._model
        if recognition.model not in ("", model.id):
            raise NotFound(f"no model {recognition.model[:MAX_NAME_CHARACTERS]!r} here; this service has {model.id!r}")
        if recognition.task not in TASKS:
            raise InvalidInput(f"no task has the number {recognition.task}")
        task = TASKS[recognition.task]
        if task is Task.TRANSLATE and not model.translates:
            raise InvalidInput(f"{model.id} does not translate")
        if recognition.hotwords and not model.hotwords:
            raise InvalidInput(f"{model.id} takes no hotwords")
        if len(recognition.hotwords) > MAX_HOTWORDS:
            raise InvalidInput(f"{len(recognition.hotwords)} hotwords; a request takes {MAX_HOTWORDS}")
        for hotword in recognition.hotwords:
            if not hotword.strip() or len(hotword) > MAX_HOTWORD_CHARACTERS:
                raise InvalidInput(f"a hotword has 1 to {MAX_HOTWORD_CHARACTERS} characters")
        language = self._language(recognition.language)
        return Options(language, task, tuple(recognition.hotwords), recognition.word_times)

    def _language(self, asked: str) -> str:
        """The model's language that is meant; empty where it is to be detected."""
        languages = self._model.languages
        if not asked:
            return "" if self._model.detects_language else languages[0]
        wanted = asked.replace("_", "-").lower()
        for language in languages:
            if language.lower() == wanted or language.lower().startswith(f"{wanted}-"):
                return language
        # Who knows any English knows that of one country.
        if wanted.partition("-")[0] in languages:
            return wanted.partition("-")[0]
        told = asked[:MAX_NAME_CHARACTERS]
        raise InvalidInput(f"{self._model.id} does not know the language {told!r}; it knows {', '.join(languages)}")

    def _endpointing(self, endpointing: pb.Endpointing) -> EndpointingSettings:
        silence_ms = endpointing.silence_ms if endpointing.HasField("silence_ms") else DEFAULT_SILENCE_MS
        if not MIN_SILENCE_MS <= silence_ms <= MAX_SILENCE_MS:
            raise InvalidInput(f"a silence of {silence_ms} ms; it may be {MIN_SILENCE_MS} to {MAX_SILENCE_MS} ms")
        threshold = endpointing.threshold if endpointing.HasField("threshold") else 0.5
        if not 0 < threshold < 1:
            raise InvalidInput(f"a threshold of {threshold:g}; it is above 0 and below 1")
        return EndpointingSettings(silence_ms / 1000, threshold, endpointing.manual, self._config.max_utterance_s)


def _progress_s(config: pb.StreamConfig) -> float | None:
    if not config.HasField("progress_ms"):
        return None
    if not MIN_PROGRESS_MS <= config.progress_ms <= MAX_PROGRESS_MS:
        raise InvalidInput(
            f"progress every {config.progress_ms} ms; it may come every {MIN_PROGRESS_MS} to {MAX_PROGRESS_MS} ms"
        )
    return config.progress_ms / 1000


async def _sounds(
    requests: AsyncIterator[pb.TranscribeStreamRequest], audio: LiveAudio
) -> AsyncGenerator[Samples | EndUtterance]:
    async for request in requests:
        match request.WhichOneof("kind"):
            case "audio":
                if len(request.audio) > MAX_PIECE_BYTES:
                    raise InvalidInput(f"{len(request.audio)} bytes of audio; a message takes {MAX_PIECE_BYTES}")
                yield audio.take(request.audio)
            case "end_utterance":
                yield EndUtterance.HERE
            case _:
                raise InvalidInput("a stream has one config, its first message; then audio or end_utterance")
    yield audio.finish()


async def _read(pieces: Iterator[Samples]) -> AsyncGenerator[Samples | EndUtterance]:
    while (samples := await asyncio.to_thread(_next, pieces)) is not None:
        yield samples


def _next(pieces: Iterator[Samples]) -> Samples | None:
    return next(pieces, None)


def _raw_audio(raw: audio_pb2.RawFormat) -> RawAudio:
    if raw.encoding not in RAW_ENCODINGS:
        raise InvalidInput("headerless audio is PCM_S16LE, MULAW or ALAW")
    return RawAudio(RAW_ENCODINGS[raw.encoding], raw.sample_rate_hz, raw.channels or 1)


def _language_of(event: Event) -> str:
    return event.hypothesis.language if isinstance(event, Final) and event.hypothesis.text else ""


def _packed(told: Told, word_times: bool) -> pb.TranscribeStreamResponse:
    response = pb.TranscribeStreamResponse(heard_ms=round(told.heard_s * 1000))
    match told.event:
        case Started(offset_s):
            response.speech_started.offset_ms = round(offset_s * 1000)
        case Heard(text, stable_characters):
            response.partial.text, response.partial.stable_characters = text, stable_characters
        case Progressed(speech_until_s, utterance_ended):
            response.progress.speech_until_ms = round(speech_until_s * 1000)
            response.progress.utterance_ended = utterance_ended
        case Ended(offset_s):
            response.speech_ended.offset_ms = round(offset_s * 1000)
        case Final() as final:
            response.final.CopyFrom(_utterance(final, word_times))
    return response


def _utterance(final: Final, word_times: bool) -> pb.Utterance:
    hypothesis = final.hypothesis
    return pb.Utterance(
        text=hypothesis.text,
        start_ms=round(final.start_s * 1000),
        end_ms=round(final.end_s * 1000),
        confidence=hypothesis.confidence,
        words=_words(hypothesis, final.audio_offset_s) if word_times else (),
        language=hypothesis.language,
    )


def _words(hypothesis: Hypothesis, audio_offset_s: float) -> list[pb.Word]:
    return [
        pb.Word(
            text=word.text,
            start_ms=round((audio_offset_s + word.start_s) * 1000),
            end_ms=round((audio_offset_s + word.end_s) * 1000),
            confidence=word.confidence,
        )
        for word in hypothesis.words
    ]
