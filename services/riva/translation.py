"""RivaTranslation: of texts, and of speech as text or as speech, utterance by utterance."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from riva_compat import asr_pb2, tts_pb2
from riva_compat import nmt_pb2 as pb
from riva_compat import nmt_pb2_grpc as rpc

from services.kit.errors import InvalidInput, NotFound
from services.riva.hearing import Hearing, Piece
from services.riva.names import MAX_NAME_CHARACTERS, Warnings
from services.riva.peers import Peers
from services.riva.results import streaming_result
from services.riva.speaking import Speaking, Wanted
from services.riva.translating import Translating

SPEECH_TO_TEXT, SPEECH_TO_SPEECH = "s2t_model", "s2s_model"
"""The names under which clients ask which languages may be spoken."""
RATES = {"x-slow": 0.5, "slow": 0.8, "medium": 1.0, "default": 1.0, "fast": 1.25, "x-fast": 1.5}
"""SSML's words for a speaking rate."""
SpeechRequest = pb.StreamingTranslateSpeechToTextRequest | pb.StreamingTranslateSpeechToSpeechRequest


class Translation(rpc.RivaTranslationServicer):
    """Answers for the `translation`, `asr` and `tts` behind the door."""

    def __init__(self, peers: Peers, hearing: Hearing, speaking: Speaking, translating: Translating) -> None:
        self._peers = peers
        self._hearing = hearing
        self._speaking = speaking
        self._translating = translating

    async def TranslateText(self, request: pb.TranslateTextRequest, context: Any) -> pb.TranslateTextResponse:
        warnings = Warnings(context)
        texts = await self._translating.texts(
            request.texts,
            request.source_language,
            request.target_language,
            request.model,
            request.dnt_phrases,
            warnings,
        )
        await warnings.send()
        translations = [pb.Translation(text=text, language=request.target_language) for text in texts]
        return pb.TranslateTextResponse(translations=translations, id=request.id if request.HasField("id") else None)

    async def ListSupportedLanguagePairs(
        self, request: pb.AvailableLanguageRequest, context: Any
    ) -> pb.AvailableLanguageResponse:
        pairs = list((await self._peers.pairs.get()).pairs)
        response = pb.AvailableLanguageResponse()
        if request.model in (SPEECH_TO_TEXT, SPEECH_TO_SPEECH):
            heard = {tag for model in (await self._peers.models.get()).models for tag in _primary(model.languages)}
            pairs = [pair for pair in pairs if pair.source_language.partition("-")[0].lower() in heard]
            if request.model == SPEECH_TO_SPEECH:
                spoken = _primary(voice.language for voice in (await self._peers.voices.get()).voices)
                pairs = [pair for pair in pairs if pair.target_language.partition("-")[0].lower() in spoken]
        elif request.model:
            pairs = [pair for pair in pairs if pair.model == request.model]
            if not pairs:
                raise NotFound(f"no model {request.model[:MAX_NAME_CHARACTERS]!r} here")
        for pair in pairs:
            name = request.model or pair.model
            listed = response.languages[name]
            if pair.source_language not in listed.src_lang:
                listed.src_lang.append(pair.source_language)
            if pair.target_language not in listed.tgt_lang:
                listed.tgt_lang.append(pair.target_language)
        return response

    async def StreamingTranslateSpeechToText(
        self, requests: AsyncIterator[pb.StreamingTranslateSpeechToTextRequest], context: Any
    ) -> AsyncIterator[pb.StreamingTranslateSpeechToTextResponse]:
        first = await _first(requests)
        warnings = Warnings(context)
        results = self._translated(_pieces(requests), first.config, warnings)
        async with contextlib.aclosing(results):
            async for result in results:
                yield pb.StreamingTranslateSpeechToTextResponse(results=[result], id=_id(first))

    async def StreamingTranslateSpeechToSpeech(
        self, requests: AsyncIterator[pb.StreamingTranslateSpeechToSpeechRequest], context: Any
    ) -> AsyncIterator[pb.StreamingTranslateSpeechToSpeechResponse]:
        first = await _first(requests)
        warnings = Warnings(context)
        wanted = _wanted(first.config, warnings)
        results = self._translated(_pieces(requests), first.config, warnings)

        async def texts() -> AsyncGenerator[str]:
            async with contextlib.aclosing(results):
                async for result in results:
                    if result.alternatives[0].transcript:
                        yield result.alternatives[0].transcript

        async with contextlib.aclosing(self._speaking.pieces(texts(), wanted, warnings)) as pieces:
            async for piece in pieces:
                speech = tts_pb2.SynthesizeSpeechResponse(audio=piece.audio)
                yield pb.StreamingTranslateSpeechToSpeechResponse(speech=speech, id=_id(first))
        yield pb.StreamingTranslateSpeechToSpeechResponse(speech=tts_pb2.SynthesizeSpeechResponse(), id=_id(first))

    async def _translated(
        self,
        pieces: AsyncGenerator[Piece],
        config: pb.StreamingTranslateSpeechToTextConfig | pb.StreamingTranslateSpeechToSpeechConfig,
        warnings: Warnings,
    ) -> AsyncGenerator[asr_pb2.StreamingRecognitionResult]:
        """The final results, in the language asked for; their word times, which are of other words, are left out."""
        heard = asr_pb2.StreamingRecognitionConfig(config=config.asr_config.config)
        wanted = config.translation_config
        source = wanted.source_language_code or heard.config.language_code
        heard.config.language_code = heard.config.language_code or source
        async with contextlib.aclosing(self._hearing.events(pieces, heard, warnings)) as events:
            async for event in events:
                result = streaming_result(event)
                if result is None or not result.is_final:
                    continue
                best = result.alternatives[0]
                if best.transcript.strip():
                    target = wanted.target_language_code
                    (text,) = await self._translating.texts(
                        [best.transcript.strip()], source, target, wanted.model_name, wanted.dnt_phrases, warnings
                    )
                    best.transcript = f"{text} "
                    best.language_code[:] = [target]
                    del best.words[:]
                yield result


async def _first(requests: AsyncIterator[Any]) -> Any:
    first = await anext(requests, None)
    if first is None or first.WhichOneof("streaming_request") != "config":
        raise InvalidInput("a stream begins with its config")
    if not first.config.translation_config.target_language_code:
        raise InvalidInput("translation_config needs its target_language_code")
    return first


async def _pieces(requests: AsyncIterator[SpeechRequest]) -> AsyncGenerator[Piece]:
    async for request in requests:
        if request.WhichOneof("streaming_request") == "config":
            raise InvalidInput("a stream has one config, its first message; then audio_content")
        yield request.audio_content


def _wanted(config: pb.StreamingTranslateSpeechToSpeechConfig, warnings: Warnings) -> Wanted:
    speech = config.tts_config
    if speech.prosody_pitch or speech.prosody_volume:
        warnings.add("prosody_pitch and prosody_volume are not heeded")
    return Wanted(
        voice=speech.voice_name,
        language=speech.language_code or config.translation_config.target_language_code,
        encoding=speech.encoding,
        sample_rate_hz=speech.sample_rate_hz,
        rate=_rate(speech.prosody_rate),
    )


def _rate(prosody: str) -> float | None:
    """A factor, as SSML writes it: "fast", "120%" or "1.2"."""
    if not prosody:
        return None
    if prosody in RATES:
        return RATES[prosody]
    try:
        return float(prosody.removesuffix("%")) / (100 if prosody.endswith("%") else 1)
    except ValueError:
        raise InvalidInput('prosody_rate is a word such as "fast", "120%" or "1.2"') from None


def _primary(tags: Any) -> set[str]:
    return {tag.partition("-")[0].lower() for tag in tags}


def _id(request: SpeechRequest) -> Any:
    return request.id if request.HasField("id") else None
