"""Short ways to speak to an asr service, and to judge what it heard."""

import io
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from ledge.asr.v1 import asr_pb2 as pb
from ledge.asr.v1 import asr_pb2_grpc as rpc
from ledge.audio.v1 import audio_pb2
from numpy.typing import NDArray

Samples = NDArray[np.float32]
SPEECH = Path(__file__).parent / "speech"
SAID = {
    "capital": "what is the capital of france",
    "meeting": "the meeting begins at nine in the morning",
    "window": "please open the window",
}
RATE_HZ = 16_000
PCM_16K = audio_pb2.RawFormat(sample_rate_hz=RATE_HZ)


def speech(name: str) -> Samples:
    samples, rate_hz = soundfile.read(SPEECH / f"{name}.flac", dtype="float32")
    assert rate_hz == RATE_HZ
    return samples


def silence(length_s: float) -> Samples:
    return np.zeros(round(length_s * RATE_HZ), np.float32)


def pcm(samples: Samples) -> bytes:
    audio: bytes = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    return audio


def file_of(samples: Samples, rate_hz: int = RATE_HZ, container: str = "WAV", subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=container, subtype=subtype)
    return file.getvalue()


async def transcribe(
    stub: rpc.AsrServiceStub, audio: bytes, raw: audio_pb2.RawFormat | None = None, **recognition: Any
) -> pb.TranscribeResponse:
    request = pb.TranscribeRequest(audio=audio, raw=raw, recognition=pb.Recognition(**recognition))
    response: pb.TranscribeResponse = await stub.Transcribe(request)
    return response


async def requests(
    audio: bytes, piece_bytes: int = 640, format: audio_pb2.RawFormat = PCM_16K, **config: Any
) -> AsyncIterator[pb.TranscribeStreamRequest]:
    yield pb.TranscribeStreamRequest(config=pb.StreamConfig(format=format, **config))
    for start in range(0, len(audio), piece_bytes):
        yield pb.TranscribeStreamRequest(audio=audio[start : start + piece_bytes])


async def events(
    stub: rpc.AsrServiceStub, audio: bytes, piece_bytes: int = 640, **config: Any
) -> list[pb.TranscribeStreamResponse]:
    return [event async for event in stub.TranscribeStream(requests(audio, piece_bytes, **config))]


def finals(heard: Sequence[pb.TranscribeStreamResponse]) -> list[pb.Utterance]:
    return [event.final for event in heard if event.WhichOneof("event") == "final"]
