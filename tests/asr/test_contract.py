"""What every asr engine promises, over gRPC."""

import asyncio
import itertools

import grpc
import numpy as np
import pytest
import soxr
from ledge.asr.v1 import asr_pb2 as pb
from ledge.asr.v1 import asr_pb2_grpc as rpc
from ledge.audio.v1 import audio_pb2

from services.asr.audio_input import RawAudio, read_raw
from services.asr.service import RAW_ENCODINGS
from services.cli.bench.asr_speech import word_errors
from tests.asr.asking import (
    RATE_HZ,
    SAID,
    events,
    file_of,
    finals,
    pcm,
    silence,
    speech,
    transcribe,
)
from tests.kit.serving import failure_of

Stub = rpc.AsrServiceStub


async def test_the_model_and_what_it_can_do_are_told(stub: Stub) -> None:
    (model,) = (await stub.ListModels(pb.ListModelsRequest())).models
    assert model.info.id
    assert any(language.partition("-")[0] == "en" for language in model.languages)
    assert (await transcribe(stub, file_of(speech("window")))).model == model.info.id


async def test_a_file_is_written_down(stub: Stub) -> None:
    answer = await transcribe(stub, file_of(speech("capital")))
    assert answer.text
    assert answer.language in ("en-US", "en")
    assert abs(answer.duration_ms - 2190) < 40
    assert all(utterance.words == [] for utterance in answer.utterances)


@pytest.mark.parametrize(
    ("container", "subtype"),
    [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAV", "ULAW"), ("WAV", "ALAW"), ("FLAC", "PCM_16"), ("OGG", "OPUS"),
     ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"), ("AIFF", "PCM_16"), ("CAF", "ALAC_16"), ("AU", "PCM_16")],
)  # fmt: skip
async def test_any_container_that_libsndfile_reads_is_heard(stub: Stub, container: str, subtype: str) -> None:
    reference = await transcribe(stub, file_of(speech("window")))
    answer = await transcribe(stub, file_of(speech("window"), RATE_HZ, container, subtype))
    assert abs(answer.duration_ms - reference.duration_ms) < 150
    assert word_errors(reference.text, answer.text) <= 1


@pytest.mark.parametrize("rate_hz", [8000, 11_025, 22_050, 24_000, 44_100, 48_000])
async def test_sample_rates_are_converted(stub: Stub, rate_hz: int) -> None:
    samples = soxr.resample(speech("window"), RATE_HZ, rate_hz)
    reference = await transcribe(stub, file_of(speech("window")))
    # Of a telephone's band half of the consonants is missing.
    allowed = 2 if rate_hz == 8000 else 1
    for answer in (
        await transcribe(stub, file_of(samples, rate_hz)),
        await transcribe(stub, pcm(samples), audio_pb2.RawFormat(sample_rate_hz=rate_hz)),
    ):
        assert abs(answer.duration_ms - reference.duration_ms) < 40
        assert word_errors(reference.text, answer.text) <= allowed
    streamed = await events(stub, pcm(samples), 1000, format=audio_pb2.RawFormat(sample_rate_hz=rate_hz))
    assert word_errors(reference.text, finals(streamed)[0].text) <= allowed


async def test_both_channels_are_heard(stub: Stub) -> None:
    mono = speech("window")
    stereo = np.stack([np.zeros_like(mono), 1.8 * mono], axis=1)
    reference = await transcribe(stub, file_of(mono))
    assert (await transcribe(stub, file_of(stereo))).text == reference.text
    raw = audio_pb2.RawFormat(sample_rate_hz=RATE_HZ, channels=2)
    assert (await transcribe(stub, pcm(stereo.reshape(-1)), raw)).text == reference.text


async def test_channels_that_cancel_each_other_out_are_heard(stub: Stub) -> None:
    mono = speech("window")
    reference = await transcribe(stub, file_of(mono))
    upside_down = np.stack([mono, -mono], axis=1)
    assert (await transcribe(stub, file_of(upside_down))).text == reference.text
    raw = audio_pb2.RawFormat(sample_rate_hz=RATE_HZ, channels=2)
    streamed = await events(stub, pcm(upside_down.reshape(-1)), 4000, format=raw)
    assert word_errors(reference.text, finals(streamed)[0].text) <= 1


@pytest.mark.parametrize("encoding", [audio_pb2.MULAW, audio_pb2.ALAW])
async def test_telephone_audio_is_heard(stub: Stub, encoding: audio_pb2.Encoding.ValueType) -> None:
    samples = soxr.resample(speech("window"), RATE_HZ, 8000)
    subtype = {audio_pb2.MULAW: "ULAW", audio_pb2.ALAW: "ALAW"}[encoding]
    audio = file_of(samples, 8000, "RAW", subtype)
    assert len(audio) == len(samples)
    format = audio_pb2.RawFormat(encoding=encoding, sample_rate_hz=8000)
    assert (await transcribe(stub, audio, format)).text
    assert finals(await events(stub, audio, 160, format=format))[0].text


@pytest.mark.parametrize(("encoding", "subtype"), [(audio_pb2.MULAW, "ULAW"), (audio_pb2.ALAW, "ALAW")])
def test_each_law_of_telephones_is_read_as_what_it_is(encoding: audio_pb2.Encoding.ValueType, subtype: str) -> None:
    samples = speech("window")
    audio = file_of(samples, RATE_HZ, "RAW", subtype)
    read = np.concatenate(list(read_raw(audio, RawAudio(RAW_ENCODINGS[encoding], RATE_HZ, 1), 60)))
    # Of one law read as the other the loudest samples are a third too loud or too soft.
    assert np.abs(read - samples).max() < 0.04


async def test_a_file_is_told_utterance_by_utterance(stub: Stub) -> None:
    audio = file_of(np.concatenate([speech("window"), silence(2), speech("meeting")]))
    whole = await transcribe(stub, audio, word_times=True)
    recognition = pb.Recognition(word_times=True)
    request = pb.TranscribeFileRequest(transcribe=pb.TranscribeRequest(audio=audio, recognition=recognition))
    told = [response async for response in stub.TranscribeFile(request)]
    kinds = [response.WhichOneof("event") for response in told]
    assert kinds == ["speech_started", "speech_ended", "final"] * 2 + ["end"]
    assert [response.final for response in told if response.HasField("final")] == list(whole.utterances)
    end = told[-1].end
    assert (end.model, end.language, end.duration_ms) == (whole.model, whole.language, whole.duration_ms)


async def test_silence_is_no_speech_and_no_error(stub: Stub) -> None:
    assert (await transcribe(stub, file_of(silence(3)))).text == ""
    assert await events(stub, pcm(silence(3))) == []


async def test_words_have_their_times(stub: Stub) -> None:
    audio = np.concatenate([silence(2), speech("meeting")])
    answer = await transcribe(stub, file_of(audio), word_times=True)
    (utterance,) = answer.utterances
    assert " ".join(word.text for word in utterance.words) == utterance.text
    times = [time for word in utterance.words for time in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert 1700 < times[0] < 2400
    assert times[-1] <= answer.duration_ms + 300
    assert 2000 <= utterance.start_ms < utterance.end_ms <= answer.duration_ms
    assert all(0 <= word.confidence <= 1 for word in utterance.words)


async def test_a_pause_ends_an_utterance_and_the_order_is_kept(stub: Stub) -> None:
    audio = pcm(np.concatenate([silence(0.5), speech("window"), silence(1), speech("capital"), silence(1)]))
    heard = await events(stub, audio, partials=True)
    kinds = [event.WhichOneof("event") for event in heard]
    assert [kind for kind in kinds if kind != "partial"] == ["speech_started", "speech_ended", "final"] * 2
    assert kinds[1] == "partial"
    assert kinds.index("final") < len(kinds) - 1 - kinds[::-1].index("speech_started")
    times = [event.heard_ms for event in heard]
    assert times == sorted(times)
    first, second = finals(heard)
    assert first.end_ms < second.start_ms


async def test_the_stable_part_of_a_partial_begins_it(stub: Stub) -> None:
    heard = await events(stub, pcm(speech("meeting")), partials=True)
    partials = [event.partial for event in heard if event.WhichOneof("event") == "partial"]
    assert partials[-1].stable_characters > 0
    for before, after in itertools.pairwise(partials):
        assert after.text[: after.stable_characters] == before.text[: after.stable_characters]


async def test_half_close_always_brings_the_final(stub: Stub) -> None:
    cut = speech("meeting")[: int(1.2 * RATE_HZ)]
    heard = await events(stub, pcm(cut))
    assert [event.WhichOneof("event") for event in heard] == ["speech_started", "speech_ended", "final"]
    assert finals(heard)[0].text


async def test_an_utterance_can_be_ended_by_hand(stub: Stub) -> None:
    audio = pcm(np.concatenate([speech("window"), silence(1), speech("capital")]))

    async def spoken() -> object:
        manual = pb.Endpointing(manual=True)
        yield pb.TranscribeStreamRequest(
            config=pb.StreamConfig(format=audio_pb2.RawFormat(sample_rate_hz=RATE_HZ), endpointing=manual)
        )
        yield pb.TranscribeStreamRequest(end_utterance=pb.EndUtterance())
        yield pb.TranscribeStreamRequest(audio=audio)
        yield pb.TranscribeStreamRequest(end_utterance=pb.EndUtterance())
        yield pb.TranscribeStreamRequest(audio=pcm(silence(1)))
        yield pb.TranscribeStreamRequest(end_utterance=pb.EndUtterance())

    heard = [event async for event in stub.TranscribeStream(spoken())]
    (one,) = finals(heard)
    assert one.text


@pytest.mark.parametrize("piece_bytes", [1, 333, 640, 2**17])
async def test_audio_may_be_cut_anywhere(stub: Stub, piece_bytes: int) -> None:
    audio = pcm(speech("window")[: RATE_HZ // (8 if piece_bytes == 1 else 1)])
    reference = [final.text for final in finals(await events(stub, audio, 3200))]
    assert [final.text for final in finals(await events(stub, audio, piece_bytes))] == reference


async def test_an_idle_stream_lives_on(stub: Stub) -> None:
    go_on = asyncio.Event()

    async def spoken() -> object:
        yield pb.TranscribeStreamRequest(config=pb.StreamConfig(format=audio_pb2.RawFormat(sample_rate_hz=RATE_HZ)))
        yield pb.TranscribeStreamRequest(audio=pcm(silence(0.2)))
        await go_on.wait()
        yield pb.TranscribeStreamRequest(audio=pcm(speech("window")))

    call = stub.TranscribeStream(spoken())
    waiting = asyncio.create_task(call.read())
    done, _ = await asyncio.wait([waiting], timeout=1.5)
    assert not done
    go_on.set()
    assert (await waiting).WhichOneof("event") == "speech_started"
    assert (await call.read()).WhichOneof("event") == "speech_ended"
    assert (await call.read()).final.text
    assert await call.read() is grpc.aio.EOF


async def test_many_streams_at_once_hear_their_own(stub: Stub) -> None:
    names = sorted(SAID)
    alone = {name: finals(await events(stub, pcm(speech(name)), 3200))[0].text for name in names}
    together = await asyncio.gather(*(events(stub, pcm(speech(names[number % 3])), 3200) for number in range(12)))
    assert [finals(heard)[0].text for heard in together] == [alone[names[number % 3]] for number in range(12)]


@pytest.mark.parametrize(
    "recognition",
    [{"language": "tlh"}, {"task": 9}, {"hotwords": [""]}, {"hotwords": ["a"] * 101}, {"language": "x" * 9}],
)
async def test_what_the_model_cannot_do_is_the_callers_fault(stub: Stub, recognition: dict[str, object]) -> None:
    failure = await failure_of(transcribe(stub, file_of(speech("window")), **recognition))
    assert failure.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_model_that_is_not_served_is_not_found(stub: Stub) -> None:
    failure = await failure_of(transcribe(stub, file_of(speech("window")), model="whisper"))
    assert failure.code() is grpc.StatusCode.NOT_FOUND
