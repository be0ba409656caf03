"""TtsService over gRPC: checks the request, lets it be narrated, packs the audio."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ledge.audio.v1 import audio_pb2
from ledge.model.v1 import model_pb2
from ledge.tts.v1 import tts_pb2 as pb
from ledge.tts.v1 import tts_pb2_grpc as rpc

from services.kit.errors import InvalidInput, NotFound
from services.tts.clauses import Clauses
from services.tts.config import TtsConfig
from services.tts.encoding import Encoding, Resampler, encoded, rate_for
from services.tts.engine import Engine, Gender, Samples, SpokenWord, Voice
from services.tts.loudness import Gains
from services.tts.narration import Narrator
from services.tts.speakable import speakable
from services.tts.ssml import Passage, read_ssml
from services.tts.stream_encoding import STREAMED, stream_encoder
from services.tts.voices import Voices

ENCODINGS = {
    audio_pb2.ENCODING_UNSPECIFIED: Encoding.PCM_S16LE,
    **{audio_pb2.Encoding.Value(encoding.name): encoding for encoding in Encoding},
}
GENDERS = {
    Gender.UNKNOWN: pb.Voice.GENDER_UNSPECIFIED,
    Gender.FEMALE: pb.Voice.FEMALE,
    Gender.MALE: pb.Voice.MALE,
    Gender.NEUTRAL: pb.Voice.NEUTRAL,
}
MIN_RATE, MAX_RATE = 0.25, 4.0
CLAUSE_PAUSE_S = 0.08
"""Between clauses; voices leave some silence of their own."""
MAX_WAITING_CLAUSES = 64
"""Of one stream; past it no more text is read until some are spoken."""


@dataclass(frozen=True)
class _Speech:
    """A checked `Speech`."""

    voice: Voice
    encoding: Encoding
    rate_hz: int
    rate: float
    word_times: bool


class TtsService(rpc.TtsServiceServicer):
    """Answers `Synthesize`, `SynthesizeStream` and `ListVoices` for one engine."""

    def __init__(self, engine: Engine, voices: Voices, gains: Gains, config: TtsConfig) -> None:
        self._engine = engine
        self._voices = voices
        self._gains = gains
        self._config = config

    def mount(self, server: Any) -> None:
        rpc.add_TtsServiceServicer_to_server(self, server)

    def models(self) -> Sequence[model_pb2.ModelInfo]:
        model = self._engine.model
        info = model_pb2.ModelInfo(id=model.id, engine=model.engine, licence=model.licence)
        if model.commercial_use is not None:
            info.commercial_use = model.commercial_use
        return [info]

    async def close(self) -> None:
        await self._engine.close()

    async def ListVoices(self, request: pb.ListVoicesRequest, context: Any) -> pb.ListVoicesResponse:
        voices = [
            pb.Voice(
                id=voice.id,
                language=voice.language,
                gender=GENDERS[voice.gender],
                licence=voice.licence,
                sample_rate_hz=voice.sample_rate_hz,
                default_of_language=self._voices.is_default(voice),
            )
            for voice in self._voices.of(request.language)
        ]
        return pb.ListVoicesResponse(voices=voices, models=self.models())

    async def Synthesize(self, request: pb.SynthesizeRequest, context: Any) -> pb.SynthesizeResponse:
        speech = self._checked(request.speech)
        passages = await asyncio.to_thread(self._passages, request.input, speech.voice.language)
        samples, words = await self._whole(passages, speech)
        audio = await asyncio.to_thread(_encoded, samples, speech)
        response = pb.SynthesizeResponse(
            audio=audio,
            encoding=speech.encoding.name,
            sample_rate_hz=speech.rate_hz,
            duration_ms=round(len(samples) * 1000 / speech.voice.sample_rate_hz),
            voice=speech.voice.id,
            words=[_word(word) for word in words] if speech.word_times else (),
        )
        if response.ByteSize() > self._config.max_message_bytes:
            raise InvalidInput(
                f"the answer has {response.ByteSize()} bytes and a message takes {self._config.max_message_bytes}: "
                "use SynthesizeStream, a compressed encoding or less text"
            )
        return response

    async def SynthesizeStream(
        self, requests: AsyncIterator[pb.SynthesizeStreamRequest], context: Any
    ) -> AsyncIterator[pb.SynthesizeStreamResponse]:
        first = await anext(requests, None)
        if first is None or first.WhichOneof("kind") != "config":
            raise InvalidInput("a stream begins with its config")
        speech = self._checked(first.config)
        if speech.encoding not in STREAMED:
            takes = ", ".join(encoding.name for encoding in STREAMED)
            raise InvalidInput(f"{speech.encoding.value} is not streamed; take one of {takes}")
        response = pb.SynthesizeStreamResponse(
            format=pb.StreamFormat(
                encoding=speech.encoding.name,
                sample_rate_hz=speech.rate_hz,
                voice=speech.voice.id,
            )
        )
        resampler = Resampler(speech.voice.sample_rate_hz, speech.rate_hz)
        encoder = stream_encoder(speech.encoding, speech.rate_hz)
        told = 0
        narrator = await self._narrator(speech, listened=True)
        async with contextlib.AsyncExitStack() as stack:
            texts = await stack.enter_async_context(contextlib.aclosing(self._written(requests, speech.voice.language)))
            frames = await stack.enter_async_context(contextlib.aclosing(narrator.narrate(texts)))
            async for frame in frames:
                samples = resampler.convert(frame.samples)
                if speech.word_times:
                    response.words.extend(_word(word) for word in frame.words)
                response.audio = encoder.encode(samples)
                told += len(samples)
                if response.audio:
                    yield response
                    response = pb.SynthesizeStreamResponse(offset_ms=round(told * 1000 / speech.rate_hz))
        rest = resampler.convert(np.zeros(0, np.float32), last=True)
        response.audio = encoder.encode(rest) + encoder.finish()
        if response.audio or response.HasField("format") or response.words:
            yield response

    async def _narrator(self, speech: _Speech, *, listened: bool) -> Narrator:
        gain = await self._gains.of(speech.voice)
        return Narrator(self._engine, speech.voice, gain, speech.rate, listened=listened)

    async def _written(
        self, requests: AsyncIterator[pb.SynthesizeStreamRequest], language: str
    ) -> AsyncGenerator[Passage]:
        """Passages as the text of a stream comes, read ahead as far as `MAX_WAITING_CLAUSES`."""
        waiting: asyncio.Queue[Passage | Exception | None] = asyncio.Queue(MAX_WAITING_CLAUSES)

        async def read() -> None:
            try:
                clauses = Clauses(language)
                async for request in requests:
                    match request.WhichOneof("kind"):
                        case "text":
                            self._check_length(request.text)
                            complete = clauses.feed(request.text)
                        case "flush":
                            complete = clauses.finish()
                        case _:
                            raise InvalidInput("a stream has one config, its first message; then text or flush")
                    for passage in _spoken(complete, language):
                        await waiting.put(passage)
                for passage in _spoken(clauses.finish(), language):
                    await waiting.put(passage)
                await waiting.put(None)
            except Exception as error:
                await waiting.put(error)

        reading = asyncio.create_task(read())
        try:
            while (passage := await waiting.get()) is not None:
                if isinstance(passage, Exception):
                    raise passage
                yield passage
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _whole(self, passages: Sequence[Passage], speech: _Speech) -> tuple[Samples, list[SpokenWord]]:
        async def given() -> AsyncIterator[Passage]:
            for passage in passages:
                yield passage

        pieces, words = [np.zeros(0, np.float32)], list[SpokenWord]()
        # Samples of 4 bytes become at least one; what cannot fit in any encoding is not spoken to its end.
        most_samples = self._config.max_message_bytes * 8
        narrator = await self._narrator(speech, listened=False)
        async with contextlib.aclosing(narrator.narrate(given())) as frames:
            async for frame in frames:
                pieces.append(frame.samples)
                words += frame.words
                most_samples -= len(frame.samples)
                if most_samples < 0:
                    raise InvalidInput("the answer is longer than a message may be: use SynthesizeStream or less text")
        return np.concatenate(pieces), words

    def _passages(self, text: pb.Input, language: str) -> list[Passage]:
        match text.WhichOneof("kind"):
            case "text":
                self._check_length(text.text)
                if not text.text.strip():
                    raise InvalidInput("there is no text to speak")
                clauses = Clauses(language, early=False)
                return _spoken([*clauses.feed(text.text), *clauses.finish()], language)
            case "ssml":
                self._check_length(text.ssml)
                return _short(read_ssml(text.ssml, language), language)
            case _:
                raise InvalidInput("there is no text to speak")

    def _check_length(self, text: str) -> None:
        if len(text) > self._config.max_text_characters:
            raise InvalidInput(
                f"the text has {len(text)} characters; a message takes {self._config.max_text_characters}"
            )

    def _checked(self, speech: pb.Speech) -> _Speech:
        if speech.model not in ("", self._engine.model.id):
            raise NotFound(f"no model {speech.model[:96]!r} here; this service has {self._engine.model.id!r}")
        voice = self._voices.pick(speech.voice, speech.language)
        if speech.encoding not in ENCODINGS:
            raise InvalidInput(f"no encoding has the number {speech.encoding}")
        encoding = ENCODINGS[speech.encoding]
        rate = speech.rate if speech.HasField("rate") else 1.0
        if not MIN_RATE <= rate <= MAX_RATE:
            raise InvalidInput(f"the rate is {rate:g}; it may be {MIN_RATE} to {MAX_RATE:g}")
        rate_hz = rate_for(encoding, speech.sample_rate_hz, voice.sample_rate_hz)
        return _Speech(voice, encoding, rate_hz, rate, speech.word_times)


def _spoken(clauses: Sequence[str], language: str) -> list[Passage]:
    said = (speakable(clause, language) for clause in clauses)
    return [Passage(text, pause_s=CLAUSE_PAUSE_S) for text in said if text]


def _short(passages: Sequence[Passage], language: str) -> list[Passage]:
    """The same with long passages cut into clauses, each in its passage's way."""
    short = []
    for passage in passages:
        clauses = Clauses(language, early=False)
        cut = [*clauses.feed(passage.text), *clauses.finish()]
        short += [Passage(text, passage.rate, passage.gain) for text in cut]
        if passage.pause_s:
            short.append(Passage("", pause_s=passage.pause_s))
    return short


def _encoded(samples: Samples, speech: _Speech) -> bytes:
    converted = Resampler(speech.voice.sample_rate_hz, speech.rate_hz).convert(samples, last=True)
    return encoded(converted, speech.encoding, speech.rate_hz)


def _word(word: SpokenWord) -> pb.WordTime:
    return pb.WordTime(text=word.text, start_ms=round(word.start_s * 1000), end_ms=round(word.end_s * 1000))
