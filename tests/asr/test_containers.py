"""What browsers and phones record is heard: WebM, MP4 and AAC."""

import io

import av
import numpy as np
import pytest
import soxr
from ledge.asr.v1 import asr_pb2_grpc as rpc

from services.asr.audio_input import read_file
from services.cli.bench.asr_speech import word_errors
from services.kit.errors import InvalidInput
from tests.asr.asking import RATE_HZ, SAID, Samples, file_of, silence, speech, transcribe

KINDS = [("webm", "libopus", 48_000), ("mp4", "aac", 44_100), ("ipod", "aac", 16_000), ("adts", "aac", 24_000),
         ("matroska", "flac", 48_000)]  # fmt: skip


def recorded(samples: Samples, container: str, codec: str, rate_hz: int, channels: int = 1) -> bytes:
    """As a recorder writes it."""
    file = io.BytesIO()
    layout = {1: "mono", 2: "stereo"}[channels]
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate_hz)
        stream.layout = layout
        rows = np.repeat(soxr.resample(samples, RATE_HZ, rate_hz)[None, :], channels, axis=0)
        whole = av.AudioFrame.from_ndarray(np.ascontiguousarray(rows), format="fltp", layout=layout)
        whole.sample_rate = rate_hz
        frames = av.AudioFifo()
        plain = av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=rate_hz)
        for frame in plain.resample(whole):
            frames.write(frame)
        while frame := frames.read(stream.codec_context.frame_size or 960, partial=True):
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(("container", "codec", "rate_hz"), KINDS)
async def test_recordings_are_heard(stub: rpc.AsrServiceStub, container: str, codec: str, rate_hz: int) -> None:
    reference = await transcribe(stub, file_of(speech("window")))
    answer = await transcribe(stub, recorded(speech("window"), container, codec, rate_hz))
    assert abs(answer.duration_ms - reference.duration_ms) < 150
    assert word_errors(reference.text, answer.text) <= 1


async def test_both_channels_are_heard(pocketsphinx: rpc.AsrServiceStub) -> None:
    answer = await transcribe(pocketsphinx, recorded(speech("window"), "webm", "libopus", 48_000, channels=2))
    assert word_errors(SAID["window"], answer.text) <= 1


@pytest.mark.parametrize(
    ("audio", "told"),
    [
        (b"\x1a\x45\xdf\xa3" + bytes(100), "damaged|no audio"),
        (bytes(4) + b"ftypisom" + bytes(100), "damaged|no audio"),
        (b"\xff\xf1" + bytes(100), "damaged|no audio"),
        (recorded(speech("window"), "mp4", "aac", 44_100)[:300], "damaged|no audio"),
        (recorded(silence(20), "webm", "libopus", 48_000), "longer than 10 s"),
        (recorded(speech("window"), "mp4", "aac", 96_000), "96000 Hz"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "can be read"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "can be read"),
    ],
)
def test_what_is_no_recording_is_refused(audio: bytes, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        list(read_file(audio, 10.0))


def test_a_recording_that_was_cut_off_is_heard_as_far_as_it_goes() -> None:
    """As one is that a browser has not finished: WebM has no end that could be missing."""
    whole = recorded(speech("meeting"), "webm", "libopus", 48_000)
    heard = sum(len(samples) for samples in read_file(whole[: len(whole) // 2], 10.0))
    assert 0.3 < heard / len(speech("meeting")) < 0.7


@pytest.mark.parametrize(("container", "codec", "rate_hz"), KINDS)
def test_damaged_recordings_are_read_or_refused_and_nothing_else(container: str, codec: str, rate_hz: int) -> None:
    audio = recorded(speech("window"), container, codec, rate_hz)
    noise = np.random.default_rng(1)
    for _ in range(30):
        damaged = bytearray(audio)
        for place in noise.integers(8, len(damaged), 20):
            damaged[place] = int(noise.integers(256))
        try:
            for samples in read_file(bytes(damaged), 10.0):
                assert np.isfinite(samples).all()
        except InvalidInput:
            pass
