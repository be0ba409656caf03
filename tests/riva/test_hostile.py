"""Whatever a caller sends or leaves unsent, the door stays up, says what is wrong, and frees what was held."""

import asyncio
import struct
import sys
import time
from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from riva_compat import asr_pb2, asr_pb2_grpc, tts_pb2, tts_pb2_grpc

from services.kit.errors import InvalidInput
from services.riva.incoming_audio import IncomingAudio, Kind, read_wav_header
from tests.asr.asking import file_of, pcm, speech
from tests.metrics import metric
from tests.processes import ROOT, ServiceProcess, service
from tests.riva.asking import RAW, WAV, pieces, results, text_of
from tests.riva.conftest import a_door

MANY = 60
HEADER = WAV[:44]


def chunk(name: bytes, content: bytes, length: int | None = None) -> bytes:
    return name + struct.pack("<I", len(content) if length is None else length) + content


def wav(*chunks: bytes) -> bytes:
    return b"RIFF\0\0\0\0WAVE" + b"".join(chunks)


def format_chunk(tag: int = 1, channels: int = 1, rate_hz: int = 16_000, bits: int = 16, more: bytes = b"") -> bytes:
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate_hz, 0, 0, bits) + more)


def heard_of(audio: bytes, cuts: list[int]) -> bytes:
    incoming = IncomingAudio(asr_pb2.RecognitionConfig(**RAW))
    taken, start = b"", 0
    for end in [*sorted({cut % (len(audio) + 1) for cut in cuts}), len(audio)]:
        taken += incoming.take(audio[start:end])
        start = end
    taken += incoming.finish()
    assert incoming.kind is not Kind.UNKNOWN
    return taken


@given(cuts=st.lists(st.integers(0, 200), max_size=12), before=st.binary(max_size=40), after=st.binary(max_size=20))
def test_a_header_is_read_wherever_it_is_cut_and_whatever_stands_around_the_samples(
    cuts: list[int], before: bytes, after: bytes
) -> None:
    padded = before + b"\0" * (len(before) % 2)
    audio = wav(chunk(b"LIST", padded), format_chunk(), chunk(b"data", b"samples!"), chunk(b"more", after))
    assert heard_of(audio, cuts) == b"samples!"


@given(audio=st.binary(max_size=100), cuts=st.lists(st.integers(0, 100), max_size=8))
def test_samples_without_a_header_are_heard_as_they_are(audio: bytes, cuts: list[int]) -> None:
    if not audio.startswith((b"RIFF", b"fLaC", b"OggS")):
        assert heard_of(audio, cuts) == audio


@settings(max_examples=500)
@given(st.lists(st.tuples(st.sampled_from([b"fmt ", b"data", b"LIST"]), st.binary(max_size=30), st.integers(0, 99))))
def test_no_header_does_more_than_be_refused(chunks: list[tuple[bytes, bytes, int]]) -> None:
    audio = wav(*(chunk(name, content, length) for name, content, length in chunks))
    try:
        header = read_wav_header(audio)
    except InvalidInput:
        return
    assert header is None or header.samples_at <= len(audio)


@pytest.mark.parametrize(
    ("audio", "told"),
    [
        (wav(chunk(b"data", b"12")), "what its samples are"),
        (wav(chunk(b"fmt ", b"123")), "what its samples are"),
        (wav(format_chunk(tag=3, bits=32)), "16-bit"),
        (wav(format_chunk(bits=24)), "16-bit"),
        (wav(format_chunk(tag=85)), "16-bit"),
        (wav(chunk(b"LIST", b"x" * 70_000)), "header of the WAV file is longer"),
        (wav(chunk(b"LIST", b"", 2**32 - 1)), "header of the WAV file is longer"),
        (HEADER[:30], "within its header"),
        (file_of(speech("capital"), 192_000), "192000"),
    ],
)
async def test_a_wav_file_that_cannot_be_heard_is_the_callers_fault(recognition: Any, audio: bytes, told: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match=told) as refused:
        await results(recognition, pieces(audio, 1000))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_header_that_knows_no_length_is_heard_to_the_end(recognition: Any) -> None:
    samples = pcm(speech("capital"))
    for length in (0, 2**32 - 1):
        audio = wav(format_chunk(), chunk(b"data", samples, length))
        assert text_of(await results(recognition, pieces(audio))) == "one two three four "
    laws = file_of(speech("capital"), container="WAV", subtype="ULAW")
    assert text_of(await results(recognition, pieces(laws))) == "one two three four "
    extensible = wav(format_chunk(0xFFFE, more=struct.pack("<HHIH", 22, 16, 0, 1) + bytes(14)), chunk(b"data", samples))
    assert text_of(await results(recognition, pieces(extensible))) == "one two three four "


@pytest.mark.parametrize("audio", [b"", b"RIFF", b"fLaC" + bytes(100), b"OggS" + bytes(100), WAV[:30], bytes(3)])
async def test_whole_audio_that_cannot_be_read_is_the_callers_fault(recognition: Any, audio: bytes) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await recognition.Recognize(asr_pb2.RecognizeRequest(audio=audio))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "method",
    [
        "asr.RivaSpeechRecognition/Recognize",
        "asr.RivaSpeechRecognition/GetRivaSpeechRecognitionConfig",
        "tts.RivaSpeechSynthesis/Synthesize",
        "nmt.RivaTranslation/TranslateText",
    ],
)
async def test_bytes_that_are_no_message_are_the_callers_fault(channel: Any, method: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await channel.unary_unary(f"/nvidia.riva.{method}")(b"\xff\xff\xff")
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_message_beyond_the_bound_is_refused_and_one_of_20_mib_taken(channel: Any, recognition: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await recognition.Recognize(asr_pb2.RecognizeRequest(audio=bytes(65 * 2**20)))
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    audio = pcm(speech("capital")) + bytes(20 * 2**20)
    assert text_of(await results(recognition, [audio], **RAW)).startswith("one two three four ")
    request = asr_pb2.RecognizeRequest(config=asr_pb2.RecognitionConfig(**RAW), audio=audio)
    assert text_of((await recognition.Recognize(request)).results).startswith("one two three four ")


async def test_a_caller_that_vanishes_frees_its_streams_at_once(
    door: ServiceProcess, asr: ServiceProcess, tts: ServiceProcess
) -> None:
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.riva.talking_client", door.address, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert client.stdout is not None
    assert await client.stdout.readline() == b"heard and spoken\n"
    assert [await metric(process, "ledge_calls_in_flight") for process in (asr, tts, door)] == [1, 1, 2]
    client.kill()
    await client.wait()
    left_s = time.monotonic()
    for process in (asr, tts, door):
        async with asyncio.timeout(5):
            while await metric(process, "ledge_calls_in_flight") > 0:
                pass
    # The bound for a vanished client is 200 ms; asking for metrics takes part of it, on a machine that others use too.
    assert time.monotonic() - left_s < 1


async def test_an_idle_stream_lives(asr: ServiceProcess, tts: ServiceProcess) -> None:
    """Well past the longest that a unary call may take."""
    settings = asr_pb2.StreamingRecognitionConfig(config=asr_pb2.RecognitionConfig(**RAW))
    with a_door(asr, tts, LEDGE_CALL_TIMEOUT_S="0.3") as door:
        async with grpc.aio.insecure_channel(door.address) as channel:
            call = asr_pb2_grpc.RivaSpeechRecognitionStub(channel).StreamingRecognize()
            await call.write(asr_pb2.StreamingRecognizeRequest(streaming_config=settings))
            await call.write(asr_pb2.StreamingRecognizeRequest(audio_content=pcm(speech("capital"))[:64]))
            done, _ = await asyncio.wait([asyncio.ensure_future(call.code())], timeout=1)
            assert not done
            await call.write(asr_pb2.StreamingRecognizeRequest(audio_content=pcm(speech("capital"))))
            await call.done_writing()
            assert text_of((await call.read()).results) == "one two three four "


async def test_a_service_that_is_not_there_is_unavailable(asr: ServiceProcess) -> None:
    with service("riva", LEDGE_ASR_ADDRESS="127.0.0.1:1", LEDGE_TTS_ADDRESS="127.0.0.1:1") as door:
        async with grpc.aio.insecure_channel(door.address) as channel:
            hearer = asr_pb2_grpc.RivaSpeechRecognitionStub(channel)
            speaker = tts_pb2_grpc.RivaSpeechSynthesisStub(channel)
            for call in (
                hearer.Recognize(asr_pb2.RecognizeRequest(audio=WAV)),
                speaker.GetRivaSynthesisConfig(tts_pb2.RivaSynthesisConfigRequest()),
            ):
                with pytest.raises(grpc.aio.AioRpcError, match="cannot be reached") as refused:
                    await call
                assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await results(hearer, pieces(WAV))
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_keys_are_asked_for_where_there_are_any(asr: ServiceProcess, tts: ServiceProcess) -> None:
    with a_door(asr, tts, LEDGE_API_KEYS="nvapi-1") as door:
        async with grpc.aio.insecure_channel(door.address) as channel:
            stub = asr_pb2_grpc.RivaSpeechRecognitionStub(channel)
            request = asr_pb2.RivaSpeechRecognitionConfigRequest()
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.GetRivaSpeechRecognitionConfig(request)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
            shown = (("authorization", "Bearer nvapi-1"), ("function-id", "bb0837de"))
            assert (await stub.GetRivaSpeechRecognitionConfig(request, metadata=shown)).model_config


async def test_many_callers_each_get_their_own(recognition: Any, synthesis: Any) -> None:
    async def hear(number: int) -> str:
        language = "es-ES" if number % 2 else "en-US"
        return text_of(await results(recognition, pieces(WAV), language_code=language))

    async def speak(number: int) -> int:
        request = tts_pb2.SynthesizeSpeechRequest(text="word " * number, encoding=1)
        return len((await synthesis.Synthesize(request)).audio)

    heard = await asyncio.gather(*(hear(number) for number in range(MANY)))
    assert heard == ["one two three four ", "uno dos tres cuatro "] * (MANY // 2)
    lengths = await asyncio.gather(*(speak(number) for number in range(1, MANY + 1)))
    assert lengths == sorted(lengths)
    assert len(set(lengths)) == MANY
