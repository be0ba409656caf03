"""RivaSpeechRecognition: what its clients send is heard, and told as they expect it."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from riva_compat import asr_pb2 as pb
from riva_compat import asr_pb2_grpc as rpc
from riva_compat import request_id_pb2

from tests.asr.asking import RATE_HZ, file_of, pcm, silence, speech
from tests.processes import ServiceProcess
from tests.riva.asking import RAW, TWO_UTTERANCES, WAV, pieces, results, text_of
from tests.riva.conftest import a_door

HEARD = "one two three four "


async def test_a_wav_file_tells_its_own_format(recognition: Any) -> None:
    response = await recognition.Recognize(pb.RecognizeRequest(audio=WAV, id=request_id_pb2.RequestId(value="7")))
    (result,) = response.results
    assert text_of([result]) == HEARD
    assert result.alternatives[0].language_code == ["en-US"]
    assert result.audio_processed == pytest.approx(len(speech("capital")) / RATE_HZ, abs=0.01)
    assert (result.channel_tag, response.id.value) == (1, "7")


@pytest.mark.parametrize("encoding", [0, 1])
async def test_headerless_samples_need_their_rate(recognition: Any, encoding: int) -> None:
    audio = pcm(speech("capital"))
    config = pb.RecognitionConfig(encoding=encoding, sample_rate_hertz=RATE_HZ)  # type: ignore[arg-type]
    response = await recognition.Recognize(pb.RecognizeRequest(config=config, audio=audio))
    assert text_of(response.results) == HEARD
    config.sample_rate_hertz = 0
    with pytest.raises(grpc.aio.AioRpcError, match="sample_rate_hertz") as refused:
        await recognition.Recognize(pb.RecognizeRequest(config=config, audio=audio))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_words_have_times_in_milliseconds_where_they_are_asked_for(recognition: Any) -> None:
    config = pb.RecognitionConfig(enable_word_time_offsets=True)
    response = await recognition.Recognize(pb.RecognizeRequest(config=config, audio=WAV))
    words = response.results[0].alternatives[0].words
    assert [word.word for word in words] == ["one", "two", "three", "four"]
    assert all(word.end_time - word.start_time == 500 for word in words)
    assert all(word.confidence == 1 for word in words)


async def test_utterances_are_results_that_can_be_joined_as_they_are(recognition: Any) -> None:
    request = pb.RecognizeRequest(config=pb.RecognitionConfig(**RAW), audio=TWO_UTTERANCES)
    response = await recognition.Recognize(request)
    assert len(response.results) == 2
    assert text_of(response.results) == "one two three four five one two three four "


async def test_a_stream_of_a_whole_file_is_heard_header_and_all(recognition: Any) -> None:
    """As NVIDIA's `transcribe_file.py` sends it: no encoding, no rate, and the header wherever the cut falls."""
    for piece_bytes in (3, 200, 3200, len(WAV)):
        heard = await results(recognition, pieces(WAV, piece_bytes))
        assert text_of(heard) == HEARD
        assert [result.is_final for result in heard] == [True]


async def test_interim_results_come_before_the_final_one(recognition: Any) -> None:
    heard = await results(
        recognition, pieces(pcm(speech("capital"))), interim=True, enable_word_time_offsets=True, **RAW
    )
    *interim, final = heard
    assert [result.is_final for result in interim] == [False] * len(interim)
    assert interim
    assert all(0 <= result.stability <= 1 and not result.alternatives[0].words for result in interim)
    assert (final.is_final, final.alternatives[0].transcript, final.stability) == (True, HEARD, 0)
    assert len(final.alternatives[0].words) == 4
    processed_s = [result.audio_processed for result in heard]
    assert processed_s == sorted(processed_s)


async def test_every_utterance_ends_in_one_final_result(recognition: Any) -> None:
    heard = await results(recognition, pieces(TWO_UTTERANCES), **RAW)
    assert [result.is_final for result in heard] == [True, True]
    assert text_of(heard) == "one two three four five one two three four "


async def test_stop_history_is_the_silence_that_ends_an_utterance(recognition: Any) -> None:
    endpointing = pb.EndpointingConfig(stop_history=3000)
    heard = await results(recognition, pieces(TWO_UTTERANCES), endpointing_config=endpointing, **RAW)
    assert [result.is_final for result in heard] == [True]
    endpointing = pb.EndpointingConfig(stop_history=20)
    with pytest.raises(grpc.aio.AioRpcError, match="silence of 20 ms"):
        await results(recognition, pieces(TWO_UTTERANCES), endpointing_config=endpointing, **RAW)


async def test_force_eou_ends_the_utterance_while_the_stream_lives_on(recognition: Any) -> None:
    call = recognition.StreamingRecognize()
    settings = pb.StreamingRecognitionConfig(config=pb.RecognitionConfig(**RAW))
    await call.write(pb.StreamingRecognizeRequest(streaming_config=settings))
    for piece in pieces(pcm(speech("capital"))):
        await call.write(pb.StreamingRecognizeRequest(audio_content=piece))
    await call.write(pb.StreamingRecognizeRequest(runtime_config={"force_eou": "true"}))
    assert text_of((await call.read()).results) == HEARD
    for piece in pieces(pcm(silence(1)) + pcm(speech("window"))):
        await call.write(pb.StreamingRecognizeRequest(audio_content=piece))
    await call.done_writing()
    assert text_of((await call.read()).results) == HEARD


@pytest.mark.parametrize(("container", "subtype"), [("FLAC", "PCM_16"), ("OGG", "OPUS")])
async def test_a_stream_of_a_compressed_file_is_heard_when_it_is_whole(
    recognition: Any, container: str, subtype: str
) -> None:
    file = file_of(speech("capital"), container=container, subtype=subtype)
    assert text_of(await results(recognition, pieces(file, 100))) == HEARD


async def test_a_stream_without_audio_gives_no_result(recognition: Any) -> None:
    assert await results(recognition, [], **RAW) == []
    assert await results(recognition, pieces(pcm(silence(2))), **RAW) == []


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"profanity_filter": True}, "profanity_filter"),
        ({"diarization_config": pb.SpeakerDiarizationConfig(enable_speaker_diarization=True)}, "diarization"),
        ({"enable_separate_recognition_per_channel": True, "audio_channel_count": 2}, "per_channel"),
        ({"custom_configuration": {"task": "sing"}}, "sing"),
        ({"custom_configuration": {"task": "translate", "target_language": "fr-FR"}}, "English"),
        ({"custom_configuration": {"neural_vad.onset": "loud"}}, "neural_vad.onset"),
        ({"custom_configuration": {"neural_vad.onset": "nan"}}, "neural_vad.onset"),
        ({"language_code": "tlh"}, "tlh"),
        ({"encoding": 99}, "99"),
        ({"sample_rate_hertz": 192_000}, "192000"),
        ({"audio_channel_count": 7}, "7"),
        ({"speech_contexts": [pb.SpeechContext(phrases=["x" * 65])]}, "hotword"),
    ],
)
async def test_what_would_change_the_transcript_and_cannot_be_done_is_refused(
    recognition: Any, config: dict[str, Any], told: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match=told) as refused:
        await results(recognition, pieces(pcm(speech("capital"))), **{**RAW, **config})
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_what_changes_nothing_is_let_through(recognition: Any) -> None:
    heard = await results(
        recognition,
        pieces(WAV),
        max_alternatives=3,
        enable_automatic_punctuation=True,
        verbatim_transcripts=True,
        language_code="multi",
        speech_contexts=[pb.SpeechContext(phrases=[""], boost=-1)],
        custom_configuration={"task": "translate", "enable_vad_endpointing": "true", "neural_vad.onset": "0.6"},
        endpointing_config=pb.EndpointingConfig(start_history=300, stop_threshold=0.9),
    )
    assert text_of(heard) == HEARD


async def test_phrases_are_expected(recognition: Any) -> None:
    """The scripted engine hears the words that it is told to expect."""
    contexts = [pb.SpeechContext(phrases=["ledge"], boost=4), pb.SpeechContext(phrases=[""], boost=-1)]
    heard = await results(recognition, pieces(WAV), speech_contexts=contexts)
    assert set(text_of(heard).split()) == {"ledge"}


async def test_a_stream_begins_with_its_config_and_has_one(recognition: Any) -> None:
    async def audio_first() -> AsyncIterator[pb.StreamingRecognizeRequest]:
        yield pb.StreamingRecognizeRequest(audio_content=WAV)

    async def two_configs() -> AsyncIterator[pb.StreamingRecognizeRequest]:
        settings = pb.StreamingRecognitionConfig(config=pb.RecognitionConfig(**RAW))
        yield pb.StreamingRecognizeRequest(streaming_config=settings)
        yield pb.StreamingRecognizeRequest(audio_content=bytes(3200))
        yield pb.StreamingRecognizeRequest(streaming_config=settings)

    for requests in (audio_first, two_configs):
        with pytest.raises(grpc.aio.AioRpcError, match="streaming_config") as refused:
            async for _ in recognition.StreamingRecognize(requests()):
                pass
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_names_of_nvidias_models_are_served_by_the_default_with_a_warning(
    recognition: Any, asr: ServiceProcess, tts: ServiceProcess
) -> None:
    def ask(stub: Any, model: str) -> Any:
        return stub.Recognize(pb.RecognizeRequest(config=pb.RecognitionConfig(model=model), audio=WAV))

    call = ask(recognition, "parakeet-1.1b-en-US-asr-streaming")
    assert text_of((await call).results) == HEARD
    assert "parakeet-1.1b" in dict(await call.initial_metadata())["ledge-warning"]
    for known in ("scripted", "my-PARAKEET", ""):
        call = ask(recognition, known)
        assert text_of((await call).results) == HEARD
        assert "ledge-warning" not in dict(await call.initial_metadata())
    with a_door(asr, tts, LEDGE_STRICT_NAMES="true") as strict:
        async with grpc.aio.insecure_channel(strict.address) as channel:
            with pytest.raises(grpc.aio.AioRpcError, match="there is scripted") as refused:
                await ask(rpc.RivaSpeechRecognitionStub(channel), "parakeet")
            assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_models_are_listed_as_clients_read_them(recognition: Any) -> None:
    listed = await recognition.GetRivaSpeechRecognitionConfig(pb.RivaSpeechRecognitionConfigRequest())
    told = [
        (model.model_name, model.parameters["type"], model.parameters["language_code"]) for model in listed.model_config
    ]
    assert told == [("scripted", "online", "en-US,es-ES"), ("scripted", "offline", "en-US,es-ES")]
    with pytest.raises(grpc.aio.AioRpcError, match="whisper") as refused:
        await recognition.GetRivaSpeechRecognitionConfig(pb.RivaSpeechRecognitionConfigRequest(model_name="whisper"))
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
