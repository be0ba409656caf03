"""Short ways to ask a tts service, and to hear what it answers."""

import io
from collections.abc import AsyncIterator, Iterable
from typing import Any

import numpy as np
import soundfile
from ledge.tts.v1 import tts_pb2 as pb
from ledge.tts.v1 import tts_pb2_grpc as rpc
from numpy.typing import NDArray

from services.tts.engines.scripted import LOWEST_HZ, STEP_HZ, pitch_hz

Samples = NDArray[np.float32]


async def say(stub: rpc.TtsServiceStub, text: str, **speech: Any) -> pb.SynthesizeResponse:
    request = pb.SynthesizeRequest(speech=pb.Speech(**speech), input=pb.Input(text=text))
    response: pb.SynthesizeResponse = await stub.Synthesize(request)
    return response


async def say_ssml(stub: rpc.TtsServiceStub, ssml: str, **speech: Any) -> pb.SynthesizeResponse:
    request = pb.SynthesizeRequest(speech=pb.Speech(**speech), input=pb.Input(ssml=ssml))
    response: pb.SynthesizeResponse = await stub.Synthesize(request)
    return response


async def say_stream(
    stub: rpc.TtsServiceStub, pieces: Iterable[str], **speech: Any
) -> AsyncIterator[pb.SynthesizeStreamResponse]:
    async def requests() -> AsyncIterator[pb.SynthesizeStreamRequest]:
        yield pb.SynthesizeStreamRequest(config=pb.Speech(**speech))
        for piece in pieces:
            yield pb.SynthesizeStreamRequest(text=piece)

    async for response in stub.SynthesizeStream(requests()):
        yield response


def pcm(audio: bytes) -> Samples:
    return np.frombuffer(audio, "<i2").astype(np.float32) / np.float32(32768)


def read_file(audio: bytes) -> tuple[Samples, int]:
    samples, rate_hz = soundfile.read(io.BytesIO(audio), dtype="float32")
    return samples, rate_hz


def level_db(samples: Samples) -> float:
    """Of the loud half, as loudness is heard."""
    powers = np.sort((samples[: len(samples) // 512 * 512].reshape(-1, 512) ** 2).mean(axis=1))
    return float(10 * np.log10(powers[len(powers) // 2 :].mean()))


def pitches_hz(response: pb.SynthesizeResponse) -> list[int]:
    """What the scripted engine's tones are, by their spectrum, at the times that its words have."""
    samples = pcm(response.audio)
    found = []
    for word in response.words:
        tone = samples[word.start_ms * response.sample_rate_hz // 1000 : word.end_ms * response.sample_rate_hz // 1000]
        spectrum = np.abs(np.fft.rfft(tone * np.hanning(len(tone)), 16 * len(tone)))
        heard_hz = float(spectrum.argmax()) * response.sample_rate_hz / (16 * len(tone))
        found.append(LOWEST_HZ + STEP_HZ * round((heard_hz - LOWEST_HZ) / STEP_HZ))
    return found


def expected_pitches_hz(words: Iterable[str]) -> list[int]:
    return [pitch_hz(word) for word in words]
