"""RivaTranslation: texts, and speech as text or as speech, translated utterance by utterance."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from riva_compat import asr_pb2, request_id_pb2
from riva_compat import nmt_pb2 as pb

from services.riva.translating import protected_terms
from tests.asr.asking import pcm, silence, speech
from tests.riva.asking import RAW, TWO_UTTERANCES, WAV, pieces, text_of
from tests.riva.test_synthesis import words_in

S2T, S2S = pb.StreamingTranslateSpeechToTextRequest, pb.StreamingTranslateSpeechToSpeechRequest
SPANISH = pb.TranslationConfig(source_language_code="en-US", target_language_code="es-US")
HEARD = asr_pb2.StreamingRecognitionConfig(
    config=asr_pb2.RecognitionConfig(language_code="en-US", enable_word_time_offsets=True), interim_results=True
)


def ask(*texts: str, **fields: Any) -> pb.TranslateTextRequest:
    return pb.TranslateTextRequest(texts=texts, **{"source_language": "en", "target_language": "es", **fields})


async def given_audio(kind: Any, config: Any, audio: Iterable[bytes]) -> AsyncIterator[Any]:
    yield kind(config=config, id=request_id_pb2.RequestId(value="5"))
    for piece in audio:
        yield kind(audio_content=piece)


def to_text(audio: Iterable[bytes], translation: pb.TranslationConfig = SPANISH) -> AsyncIterator[Any]:
    config = pb.StreamingTranslateSpeechToTextConfig(asr_config=HEARD, translation_config=translation)
    return given_audio(S2T, config, audio)


def to_speech(audio: Iterable[bytes], **speech: Any) -> AsyncIterator[Any]:
    config = pb.StreamingTranslateSpeechToSpeechConfig(
        asr_config=HEARD, translation_config=SPANISH, tts_config=pb.SynthesizeSpeechConfig(encoding=1, **speech)
    )
    return given_audio(S2S, config, audio)


async def test_texts_are_translated_in_order(translator: Any) -> None:
    response = await translator.TranslateText(ask("one two", "water", id=request_id_pb2.RequestId(value="3")))
    told = [(translation.text, translation.language) for translation in response.translations]
    assert told == [("uno dos", "es"), ("agua", "es")]
    assert response.id.value == "3"


@pytest.mark.parametrize(("source", "target"), [("en-US", "es-ES"), ("EN", "es_US"), ("en-us", "ES")])
async def test_languages_of_a_region_are_those_that_are_there(translator: Any, source: str, target: str) -> None:
    response = await translator.TranslateText(ask("one", source_language=source, target_language=target))
    assert [(translation.text, translation.language) for translation in response.translations] == [("uno", target)]


async def test_terms_are_protected_as_nvidias_client_joins_them(translator: Any) -> None:
    response = await translator.TranslateText(ask("one water two", dnt_phrases=["water##water,two##deux", "one##"]))
    assert response.translations[0].text == "one water deux"


@given(st.dictionaries(st.text("abc", min_size=1, max_size=4), st.text("xyz", max_size=4), max_size=6))
def test_any_terms_that_the_client_joins_are_taken_apart(terms: dict[str, str]) -> None:
    joined = ",".join(f"{term}##{translation}" for term, translation in terms.items())
    taken = protected_terms([joined] if joined else [])
    assert {term.term: term.translation for term in taken} == terms


async def test_pairs_are_listed_by_model(translator: Any) -> None:
    async def listed(model: str) -> Any:
        response = await translator.ListSupportedLanguagePairs(pb.AvailableLanguageRequest(model=model))
        return {name: (set(pair.src_lang), set(pair.tgt_lang)) for name, pair in response.languages.items()}

    both = {"en", "es"}
    assert await listed("") == await listed("scripted") == {"scripted": (both, both)}
    assert await listed("s2t_model") == {"s2t_model": (both, both)}
    assert await listed("s2s_model") == {"s2s_model": (both, both)}
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await listed("megatron")
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (pb.TranslateTextRequest(source_language="en", target_language="es"), grpc.StatusCode.INVALID_ARGUMENT),
        (ask("one", target_language="tlh"), grpc.StatusCode.NOT_FOUND),
    ],
)
async def test_what_cannot_be_translated_is_refused(
    translator: Any, request_: pb.TranslateTextRequest, code: grpc.StatusCode
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await translator.TranslateText(request_)
    assert refused.value.code() is code


async def test_an_unknown_model_is_any_that_has_the_pair(translator: Any) -> None:
    call = translator.TranslateText(ask("one", model="megatronnmt_any_any_1b"))
    assert (await call).translations[0].text == "uno"
    assert "megatronnmt" in dict(await call.initial_metadata())["ledge-warning"]


async def test_speech_becomes_text_of_another_language(translator: Any) -> None:
    call = translator.StreamingTranslateSpeechToText(to_text(pieces(WAV)))
    responses = [response async for response in call]
    (result,) = [result for response in responses for result in response.results]
    assert result.is_final
    assert text_of([result]) == "uno dos tres cuatro "
    assert result.alternatives[0].language_code == ["es-US"]
    assert not result.alternatives[0].words
    assert responses[0].id.value == "5"


async def test_each_utterance_is_translated_when_it_has_ended(translator: Any) -> None:
    call = translator.StreamingTranslateSpeechToText()
    config = pb.StreamingTranslateSpeechToTextConfig(
        asr_config=asr_pb2.StreamingRecognitionConfig(config=asr_pb2.RecognitionConfig(**RAW)),
        translation_config=pb.TranslationConfig(source_language_code="en", target_language_code="es"),
    )
    await call.write(S2T(config=config))
    for piece in pieces(pcm(speech("capital")) + pcm(silence(1.5))):
        await call.write(S2T(audio_content=piece))
    assert text_of((await call.read()).results).startswith("uno dos tres ")
    for piece in pieces(pcm(speech("window"))):
        await call.write(S2T(audio_content=piece))
    await call.done_writing()
    assert text_of((await call.read()).results).startswith("uno dos tres ")
    assert await call.read() is grpc.aio.EOF


async def test_speech_becomes_speech_of_another_language(translator: Any) -> None:
    call = translator.StreamingTranslateSpeechToSpeech(to_speech(pieces(WAV), sample_rate_hz=16_000))
    responses = [response async for response in call]
    assert words_in(b"".join(response.speech.audio for response in responses)) == 4
    assert responses[0].speech.audio
    assert not responses[-1].speech.audio
    assert responses[-1].id.value == "5"


async def test_the_rate_of_speech_is_what_it_is_asked_to_be(translator: Any) -> None:
    lengths = []
    for rate in ("", "fast", "200%", "2"):
        call = translator.StreamingTranslateSpeechToSpeech(to_speech(pieces(WAV), prosody_rate=rate))
        lengths.append(len(b"".join([response.speech.audio async for response in call])))
    plain, fast, double, factor = lengths
    assert plain > fast > double == factor
    with pytest.raises(grpc.aio.AioRpcError, match="prosody_rate"):
        async for _ in translator.StreamingTranslateSpeechToSpeech(to_speech([], prosody_rate="rapidly")):
            pass


async def test_silence_becomes_nothing(translator: Any) -> None:
    quiet = pieces(b"RIFF" + WAV[4:44] + bytes(32_000))
    assert [response async for response in translator.StreamingTranslateSpeechToText(to_text(quiet))] == []
    call = translator.StreamingTranslateSpeechToSpeech(to_speech(quiet))
    assert b"".join([response.speech.audio async for response in call]) == b""


async def test_a_pair_that_is_not_there_ends_the_stream_with_its_own_error(translator: Any) -> None:
    wanted = pb.TranslationConfig(source_language_code="en", target_language_code="tlh")
    with pytest.raises(grpc.aio.AioRpcError, match="tlh") as refused:
        async for _ in translator.StreamingTranslateSpeechToText(to_text(pieces(WAV), wanted)):
            pass
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_stream_begins_with_its_config_and_names_a_target(translator: Any) -> None:
    async def audio_first() -> AsyncIterator[Any]:
        yield S2T(audio_content=WAV)

    for requests in (audio_first(), to_text([], pb.TranslationConfig())):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            async for _ in translator.StreamingTranslateSpeechToText(requests):
                pass
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_several_utterances_are_spoken_over_one_stream(translator: Any) -> None:
    header = b"RIFF" + WAV[4:40] + b"\xff\xff\xff\xff"
    call = translator.StreamingTranslateSpeechToSpeech(to_speech(pieces(header + TWO_UTTERANCES)))
    assert words_in(b"".join([response.speech.audio async for response in call])) == 9
