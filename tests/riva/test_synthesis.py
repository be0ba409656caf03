"""RivaSpeechSynthesis: what its clients ask for is spoken, whole or while the text still comes."""

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any

import grpc
import numpy as np
import pytest
import soundfile
from riva_compat import request_id_pb2
from riva_compat import tts_pb2 as pb
from riva_compat import tts_pb2_grpc as rpc

from services.tts.engines.scripted import GAP_MS, TONE_MS
from tests.metrics import metric
from tests.processes import ServiceProcess
from tests.riva.conftest import a_door

LINEAR_PCM, FLAC, MULAW, OGGOPUS, ALAW = 1, 2, 3, 4, 20
WORD_MS = TONE_MS + GAP_MS
RATE_HZ = 16_000
FRAME = RATE_HZ * GAP_MS // 4000
LOUD = 500


def ask(text: str, **fields: Any) -> pb.SynthesizeSpeechRequest:
    return pb.SynthesizeSpeechRequest(text=text, **{"language_code": "en-US", "encoding": LINEAR_PCM, **fields})


def words_in(audio: bytes) -> int:
    """How many of the scripted engine's words are heard: tones with silence between."""
    samples = np.abs(np.frombuffer(audio, "<i2").astype(np.float32))
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME).max(axis=1) > LOUD
    return int(frames[:1].sum() + (frames[1:] & ~frames[:-1]).sum())


async def online(stub: Any, *requests: pb.SynthesizeSpeechRequest) -> list[pb.SynthesizeSpeechResponse]:
    async def given() -> AsyncIterator[pb.SynthesizeSpeechRequest]:
        for request in requests:
            yield request

    return [response async for response in stub.SynthesizeOnline(given())]


async def test_linear_pcm_is_headerless(synthesis: Any) -> None:
    response = await synthesis.Synthesize(ask("one two three", id=request_id_pb2.RequestId(value="9")))
    assert words_in(response.audio) == 3
    assert not response.audio.startswith(b"RIFF")
    assert (response.meta.text, response.id.value) == ("one two three", "9")
    assert not response.meta.words


async def test_the_rate_is_the_one_asked_for(synthesis: Any) -> None:
    plain = (await synthesis.Synthesize(ask("one two three"))).audio
    wide = (await synthesis.Synthesize(ask("one two three", sample_rate_hz=44_100))).audio
    assert len(wide) / len(plain) == pytest.approx(44_100 / RATE_HZ, rel=0.01)


async def test_words_have_times_in_milliseconds_where_they_are_asked_for(synthesis: Any) -> None:
    request = ask("one two three", enable_word_time_offsets=True)
    for response in (await synthesis.Synthesize(request), (await online(synthesis, request))[0]):
        assert [word.word for word in response.meta.words] == ["one", "two", "three"]
        assert [word.start_time for word in response.meta.words] == [0, WORD_MS, 2 * WORD_MS]


@pytest.mark.parametrize(("encoding", "bytes_a_sample"), [(MULAW, 1), (ALAW, 1), (0, 2)])
async def test_headerless_encodings(synthesis: Any, encoding: int, bytes_a_sample: int) -> None:
    plain = (await synthesis.Synthesize(ask("one two"))).audio
    other = (await synthesis.Synthesize(ask("one two", encoding=encoding))).audio
    assert len(other) / len(plain) == bytes_a_sample / 2


async def test_containers_are_whole_files(synthesis: Any) -> None:
    for encoding, rate_hz, container in ((FLAC, 22_050, "FLAC"), (OGGOPUS, 44_100, "OGG")):
        audio = (await synthesis.Synthesize(ask("one two", encoding=encoding, sample_rate_hz=rate_hz))).audio
        file = soundfile.SoundFile(io.BytesIO(audio))
        assert file.format == container
        assert file.frames / file.samplerate == pytest.approx(0.2, abs=0.15)


async def test_a_stream_of_opus_is_one_file(synthesis: Any) -> None:
    fields = {"encoding": OGGOPUS, "sample_rate_hz": 44_100}
    responses = await online(synthesis, ask("one two.", **fields), ask("three four.", **fields))
    file = soundfile.SoundFile(io.BytesIO(b"".join(response.audio for response in responses)))
    assert file.format == "OGG"
    assert file.frames / file.samplerate == pytest.approx(0.5, abs=0.2)


async def test_a_text_that_is_a_speak_element_is_ssml(synthesis: Any) -> None:
    ssml = '<speak>one <break time="400ms"/> two</speak>'
    plain = (await synthesis.Synthesize(ask("one two"))).audio
    whole = (await synthesis.Synthesize(ask(ssml))).audio
    assert len(whole) - len(plain) > 0.3 * RATE_HZ * 2
    streamed = b"".join(response.audio for response in await online(synthesis, ask(ssml), ask("three.")))
    assert words_in(streamed) == 3
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await synthesis.Synthesize(ask("<speak>one"))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_one_request_is_enough_for_a_stream(synthesis: Any) -> None:
    responses = await online(synthesis, ask("one two three"))
    assert words_in(b"".join(response.audio for response in responses)) == 3
    assert len(responses) > 1


async def test_clients_of_the_older_unary_call_are_served_alike(channel: Any) -> None:
    older = channel.unary_stream(
        "/nvidia.riva.tts.RivaSpeechSynthesis/SynthesizeOnline",
        request_serializer=pb.SynthesizeSpeechRequest.SerializeToString,
        response_deserializer=pb.SynthesizeSpeechResponse.FromString,
    )
    responses = [response async for response in older(ask("one two three"))]
    assert words_in(b"".join(response.audio for response in responses)) == 3


async def test_a_text_cut_anywhere_is_spoken_as_one(synthesis: Any) -> None:
    responses = await online(synthesis, ask("one two"), ask("three"), ask("four."))
    assert words_in(b"".join(response.audio for response in responses)) == 4


@pytest.mark.parametrize("text", ["one two three.", "one two three"])
async def test_a_request_is_spoken_while_the_stream_stays_open(synthesis: Any, text: str) -> None:
    """As clients do that speak a turn over one stream: nothing more comes until they have heard this."""
    call = synthesis.SynthesizeOnline()
    for _ in range(2):
        await call.write(ask(text))
        heard = b""
        while words_in(heard) < 3:
            heard += (await asyncio.wait_for(call.read(), 20)).audio
    await call.done_writing()
    while (rest := await call.read()) is not grpc.aio.EOF:
        assert words_in(rest.audio) == 0


async def test_another_voice_begins_within_the_stream(synthesis: Any) -> None:
    request = ask("uno dos.", language_code="es-ES")
    responses = await online(synthesis, ask("one two."), request, ask("three."))
    assert words_in(b"".join(response.audio for response in responses)) == 5


async def test_a_barge_in_frees_the_voice_at_once(synthesis: Any, tts: ServiceProcess) -> None:
    call = synthesis.SynthesizeOnline()
    await call.write(ask("word " * 2000))
    await call.read()
    call.cancel()
    async with asyncio.timeout(5):
        while await metric(tts, "ledge_calls_in_flight") > 0:
            pass


async def test_voices_go_by_the_names_that_the_list_gives(synthesis: Any) -> None:
    listed = await synthesis.GetRivaSynthesisConfig(pb.RivaSynthesisConfigRequest())
    named = {
        f"{model.parameters['voice_name']}.{subvoice.split(':')[0]}": model.parameters["language_code"]
        for model in listed.model_config
        for subvoice in model.parameters["subvoices"].split(",")
    }
    assert named == {"scripted.tone": "en-US", "scripted.loud-tone": "en-US", "scripted.tono": "es-ES"}
    for voice, language in named.items():
        call = synthesis.Synthesize(ask("one", voice_name=voice, language_code=language))
        assert (await call).audio
        assert "ledge-warning" not in dict(await call.initial_metadata())
    call = synthesis.Synthesize(ask("one", voice_name="scripted.tono", language_code="en-US"))
    assert (await call).audio
    assert "speaks es-ES" in dict(await call.initial_metadata())["ledge-warning"]
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await synthesis.GetRivaSynthesisConfig(pb.RivaSynthesisConfigRequest(model_name="magpie"))
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_names_of_nvidias_voices_are_spoken_by_the_default_with_a_warning(
    synthesis: Any, asr: ServiceProcess, tts: ServiceProcess
) -> None:
    for voice in ("Magpie-Multilingual.EN-US.Leo", "English-US.Female-1"):
        call = synthesis.Synthesize(ask("one", voice_name=voice))
        assert (await call).audio
        assert voice in dict(await call.initial_metadata())["ledge-warning"]
    call = synthesis.Synthesize(ask("one", voice_name="aria"))
    assert (await call).audio
    assert "ledge-warning" not in dict(await call.initial_metadata())
    with a_door(asr, tts, LEDGE_STRICT_NAMES="true") as strict:
        async with grpc.aio.insecure_channel(strict.address) as channel:
            with pytest.raises(grpc.aio.AioRpcError, match="Leo") as refused:
                await rpc.RivaSpeechSynthesisStub(channel).Synthesize(ask("one", voice_name="Magpie.Leo"))
            assert refused.value.code() is grpc.StatusCode.NOT_FOUND
            with pytest.raises(grpc.aio.AioRpcError, match="es-ES") as refused:
                await rpc.RivaSpeechSynthesisStub(channel).Synthesize(ask("one", voice_name="tono"))
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"text": ""}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"text": "x" * 1_000_000}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"encoding": 99}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"sample_rate_hz": -1}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"sample_rate_hz": 7}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"language_code": "tlh"}, grpc.StatusCode.NOT_FOUND),
        ({"zero_shot_data": pb.ZeroShotData(audio_prompt=b"x")}, grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_bad_requests_are_the_callers_fault(
    synthesis: Any, fields: dict[str, Any], code: grpc.StatusCode
) -> None:
    request = ask(**{"text": "one", **fields})
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await synthesis.Synthesize(request)
    assert refused.value.code() is code
    if request.text:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await online(synthesis, request)
        assert refused.value.code() is code


async def test_a_custom_dictionary_is_not_heeded_and_the_answer_says_so(synthesis: Any) -> None:
    call = synthesis.Synthesize(ask("one", custom_dictionary="one  wʌn"))
    assert (await call).audio
    assert "custom_dictionary" in dict(await call.initial_metadata())["ledge-warning"]
