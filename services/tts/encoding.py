"""Puts samples into the encoding and the sample rate that a request asks for."""

import enum
import io

import numpy as np
import soundfile
import soxr

from services.kit.errors import InvalidInput
from services.tts.engine import Samples

MIN_RATE_HZ, MAX_RATE_HZ = 8_000, 48_000
OPUS_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)
MP3_RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


class Encoding(enum.Enum):
    PCM_S16LE = "pcm"
    MULAW = "µ-law"
    ALAW = "A-law"
    WAV = "WAV"
    FLAC = "FLAC"
    OGG_OPUS = "Opus"
    MP3 = "MP3"


_FILES = {Encoding.WAV: ("WAV", "PCM_16"), Encoding.FLAC: ("FLAC", "PCM_16"), Encoding.OGG_OPUS: ("OGG", "OPUS"),
          Encoding.MP3: ("MP3", "MPEG_LAYER_III")}  # fmt: skip
_G711 = {Encoding.MULAW: "ULAW", Encoding.ALAW: "ALAW"}


def rate_for(encoding: Encoding, asked_hz: int, voice_hz: int) -> int:
    """The sample rate of an answer. Raises InvalidInput for one that the encoding cannot have."""
    taken = {Encoding.OGG_OPUS: OPUS_RATES_HZ, Encoding.MP3: MP3_RATES_HZ}.get(encoding, ())
    if not asked_hz:
        return next((rate for rate in taken if rate >= voice_hz), voice_hz)
    if not MIN_RATE_HZ <= asked_hz <= MAX_RATE_HZ:
        raise InvalidInput(f"{asked_hz} Hz; audio has {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz")
    if taken and asked_hz not in taken:
        raise InvalidInput(f"{encoding.value} cannot have {asked_hz} Hz; it has {', '.join(map(str, taken))}")
    return asked_hz


class Resampler:
    """From the voice's rate to the answer's, without a seam between the pieces of one answer."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        # Variable rate, although the rate is constant: it gives audio at once, where the other holds back bursts.
        self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", vr=True) if from_hz != to_hz else None

    def convert(self, samples: Samples, last: bool = False) -> Samples:
        if self._stream is None:
            return samples
        converted: Samples = self._stream.resample_chunk(samples, last=last)
        return converted


def encoded(samples: Samples, encoding: Encoding, rate_hz: int) -> bytes:
    """A whole answer."""
    if encoding not in _FILES:
        return piece(samples, encoding, rate_hz)
    container, subtype = _FILES[encoding]
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=container, subtype=subtype)
    return file.getvalue()


def piece(samples: Samples, encoding: Encoding, rate_hz: int) -> bytes:
    """A part of a stream, headerless."""
    if encoding in _G711:
        file = io.BytesIO()
        soundfile.write(file, samples, rate_hz, format="RAW", subtype=_G711[encoding])
        return file.getvalue()
    pcm: bytes = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    return pcm
