"""Audio that is wrong: a clear error, nothing lost, and the service goes on."""

import asyncio
import re
import time

import grpc
import numpy as np
import psutil
import pytest
from ledge.asr.v1 import asr_pb2 as pb
from ledge.asr.v1 import asr_pb2_grpc as rpc
from ledge.audio.v1 import audio_pb2

from tests.asr.asking import PCM_16K, RATE_HZ, events, file_of, finals, pcm, requests, silence, speech, transcribe
from tests.kit.serving import failure_of
from tests.processes import ServiceProcess, service

Stub = rpc.AsrServiceStub
WAV, FLAC = file_of(speech("window")), file_of(speech("window"), container="FLAC")


@pytest.mark.parametrize(
    ("audio", "told"),
    [
        (b"", "no audio"),
        (b"RIFF", "cannot be read|can be read"),
        (b"\x00" * 1000, "can be read"),
        (b"\xff\xfb" * 500, "read|damaged|no audio"),
        (WAV[:44], "ends before|no audio"),
        (WAV[:20_000], "ends before"),
        (FLAC[: len(FLAC) // 2], "early|damaged"),
        (file_of(silence(0)), "no audio"),
        (file_of(silence(1), 192_000), "192000 Hz"),
        (file_of(silence(1), 4000), "4000 Hz"),
        (file_of(np.zeros((1000, 9), np.float32)), "9 channels"),
        (file_of(np.full(16_000, np.nan, np.float32), subtype="FLOAT"), "not finite"),
        (file_of(np.full(16_000, np.inf, np.float32), subtype="FLOAT"), "not finite"),
        (file_of(np.full(16_000, 1e30, np.float32), subtype="FLOAT"), "beyond"),
        (file_of(np.zeros(3 * 3600 * 8000, np.float32), 8000, "FLAC"), "longer than 3600 s"),
    ],
)
async def test_audio_that_cannot_be_heard_is_refused_by_name(quick: Stub, audio: bytes, told: str) -> None:
    failure = await failure_of(transcribe(quick, audio))
    assert failure.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert re.search(told, str(failure.details())), failure.details()
    assert (await transcribe(quick, WAV)).text


@pytest.mark.parametrize(
    "raw",
    [
        audio_pb2.RawFormat(),
        audio_pb2.RawFormat(sample_rate_hz=192_000),
        audio_pb2.RawFormat(sample_rate_hz=16_000, channels=3),
        audio_pb2.RawFormat(sample_rate_hz=16_000, encoding=audio_pb2.MP3),
        audio_pb2.RawFormat(sample_rate_hz=16_000, encoding=99),
    ],
)
async def test_headerless_audio_must_say_what_it_is(quick: Stub, raw: audio_pb2.RawFormat) -> None:
    assert (await failure_of(transcribe(quick, pcm(silence(1)), raw))).code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (await failure_of(events(quick, b"", format=raw))).code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_wrong_declared_rate_is_heard_as_declared(stub: Stub) -> None:
    for rate_hz in (8000, 48_000):
        answer = await transcribe(stub, pcm(speech("window")), audio_pb2.RawFormat(sample_rate_hz=rate_hz))
        assert abs(answer.duration_ms - len(speech("window")) * 1000 / rate_hz) < 40


async def test_noise_and_tones_are_no_error(stub: Stub) -> None:
    noise = np.random.default_rng(1).uniform(-1, 1, 3 * RATE_HZ).astype(np.float32)
    tone = np.sin(np.arange(3 * RATE_HZ) * 0.2).astype(np.float32)
    for samples in (noise, tone, np.ones(RATE_HZ, np.float32)):
        assert (await transcribe(stub, file_of(samples))).duration_ms > 900


@pytest.mark.parametrize("length", [1, 2, 31, 511, 513])
async def test_very_short_audio_is_silence(quick: Stub, length: int) -> None:
    assert (await transcribe(quick, pcm(np.zeros(length, np.float32)), PCM_16K)).text == ""


async def test_an_hour_of_silence_leaves_memory_flat(quick_asr: ServiceProcess, quick: Stub) -> None:
    process = psutil.Process(quick_asr.process.pid)
    await transcribe(quick, file_of(silence(60), container="FLAC"))
    before_bytes = process.memory_info().rss
    audio = file_of(np.zeros(3600 * 8000, np.float32), 8000, "FLAC")
    answer = await transcribe(quick, audio)
    assert answer.text == ""
    assert abs(answer.duration_ms - 3_600_000) < 100
    assert process.memory_info().rss - before_bytes < 60 * 2**20


async def test_speech_without_a_pause_is_ended_and_goes_on() -> None:
    with service("asr", LEDGE_ENGINE="scripted", LEDGE_MAX_UTTERANCE_S="2") as asr:
        async with grpc.aio.insecure_channel(asr.address) as channel:
            stub = rpc.AsrServiceStub(channel)
            endless = np.concatenate([speech("meeting")[2000:-6000]] * 3)
            manual = pb.Endpointing(manual=True)
            heard = finals(await events(stub, pcm(endless), endpointing=manual))
    assert len(heard) >= 3
    assert all(final.end_ms - final.start_ms <= 2050 for final in heard)


async def test_a_stream_begins_with_its_config_and_has_one(quick: Stub) -> None:
    config = pb.TranscribeStreamRequest(config=pb.StreamConfig(format=PCM_16K))
    audio = pb.TranscribeStreamRequest(audio=pcm(silence(0.1)))
    too_much = pb.TranscribeStreamRequest(audio=bytes(2**20 + 2))
    odd_silence = pb.StreamConfig(format=PCM_16K, endpointing=pb.Endpointing(silence_ms=50))
    odd_threshold = pb.StreamConfig(format=PCM_16K, endpointing=pb.Endpointing(threshold=float("nan")))
    for kinds in (
        [],
        [audio],
        [config, config],
        [config, pb.TranscribeStreamRequest()],
        [config, too_much],
        [pb.TranscribeStreamRequest(config=odd_silence)],
        [pb.TranscribeStreamRequest(config=odd_threshold)],
    ):

        async def listen(kinds: list[pb.TranscribeStreamRequest] = kinds) -> None:
            async for _ in quick.TranscribeStream(iter(kinds)):
                pass

        assert (await failure_of(listen())).code() is grpc.StatusCode.INVALID_ARGUMENT


async def refused_for_now(stub: Stub) -> bool:
    call = stub.TranscribeStream(requests(pcm(silence(0.1))))
    return await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("engine", ["scripted", "pocketsphinx", "faster-whisper"])
async def test_a_client_that_vanishes_frees_its_session_within_200_ms(engine: str, whisper: dict[str, str]) -> None:
    with service("asr", **whisper | {"LEDGE_ENGINE": engine, "LEDGE_MAX_STREAMS": "1", "LEDGE_WORKERS": "1"}) as asr:
        async with grpc.aio.insecure_channel(asr.address) as channel:
            stub = rpc.AsrServiceStub(channel)

            async def spoken_without_end() -> object:
                async for request in requests(pcm(speech("meeting"))):
                    yield request
                await asyncio.Event().wait()

            vanished = stub.TranscribeStream(spoken_without_end())
            assert (await vanished.read()).WhichOneof("event") == "speech_started"
            refused = await failure_of(events(stub, pcm(silence(0.1))))
            assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            vanished.cancel()
            gone_s = time.monotonic()
            while await refused_for_now(stub):
                assert time.monotonic() - gone_s < 5
            assert time.monotonic() - gone_s < 0.2
            # Its decoder, too, is free for the next.
            assert finals(await events(stub, pcm(speech("window"))))[0].text
