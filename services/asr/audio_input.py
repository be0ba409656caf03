"""Turns what a caller sends into 16 kHz mono samples, piece by piece; refuses what cannot be heard."""

import enum
import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from services.asr.channels import mixed
from services.asr.containers import container_of, read_container
from services.asr.engine import SAMPLE_RATE_HZ, Samples
from services.kit.errors import InvalidInput

MIN_RATE_HZ, MAX_RATE_HZ = 8_000, 48_000
MAX_CHANNELS = 8
BLOCK_S = 1
LARGEST_SAMPLE = 16.0
"""Float files may be louder than full scale; beyond this they are no audio."""
_UNKNOWN_LENGTHS = (0, 0xFFFFFFFF, 0x7FFFFFFF)


class RawEncoding(enum.Enum):
    PCM_S16LE = "PCM_16"
    MULAW = "ULAW"
    ALAW = "ALAW"


@dataclass(frozen=True)
class RawAudio:
    """Headerless samples; raises InvalidInput for what cannot be."""

    encoding: RawEncoding
    rate_hz: int
    channels: int

    def __post_init__(self) -> None:
        _check_rate(self.rate_hz)
        if self.channels not in (1, 2):
            raise InvalidInput(f"{self.channels} channels; headerless audio has 1 or 2")

    @property
    def frame_bytes(self) -> int:
        return self.channels * (2 if self.encoding is RawEncoding.PCM_S16LE else 1)


class LiveAudio:
    """A stream of headerless audio that may be cut anywhere."""

    def __init__(self, raw: RawAudio) -> None:
        self._raw = raw
        self._rest = b""
        # With a constant rate the resampler would hold audio back and give it in bursts of up to a tenth of a second.
        self._resampler = _resampler(raw.rate_hz, live=True)

    def take(self, audio: bytes) -> Samples:
        audio = self._rest + audio
        whole = len(audio) // self._raw.frame_bytes * self._raw.frame_bytes
        self._rest = audio[whole:]
        return self._resampled(_decoded(audio[:whole], self._raw))

    def finish(self) -> Samples:
        """What the conversion still held. Part of a sample that is left over is dropped."""
        return self._resampled(np.zeros(0, np.float32), last=True)

    def _resampled(self, samples: Samples, last: bool = False) -> Samples:
        if self._resampler is None:
            return samples
        converted: Samples = self._resampler.resample_chunk(samples, last=last)
        return converted


def read_raw(audio: bytes, raw: RawAudio, max_s: float) -> Iterator[Samples]:
    """All of it, about a second at a time."""
    if len(audio) < raw.frame_bytes:
        raise InvalidInput("there is no audio")
    _check_length(len(audio) / raw.frame_bytes / raw.rate_hz, max_s)
    resampler = _resampler(raw.rate_hz, live=False)
    size = raw.rate_hz * BLOCK_S * raw.frame_bytes
    whole = len(audio) // raw.frame_bytes * raw.frame_bytes
    for start in range(0, whole, size):
        samples = _decoded(audio[start : min(whole, start + size)], raw)
        yield samples if resampler is None else resampler.resample_chunk(samples, last=start + size >= whole)


def read_file(audio: bytes, max_s: float) -> Iterator[Samples]:
    """All of a file that libsndfile or `containers` knows, about a second at a time.

    Raises:
        InvalidInput: it cannot be read, ends too early, is too long, or holds what is no audio.
    """
    if not audio:
        raise InvalidInput("there is no audio")
    if container := container_of(audio):
        yield from _contained(audio, container, max_s)
        return
    try:
        file = soundfile.SoundFile(io.BytesIO(audio))
    except (soundfile.LibsndfileError, TypeError, ValueError):
        raise InvalidInput(
            "the audio is no file that can be read (WAV, FLAC, Ogg, MP3, WebM, MP4, AIFF, CAF, AU…); headerless "
            "samples need `raw`"
        ) from None
    with file:
        _check_rate(file.samplerate)
        if not 1 <= file.channels <= MAX_CHANNELS:
            raise InvalidInput(f"{file.channels} channels; a file may have {MAX_CHANNELS}")
        # Some formats do not tell their length, and say the largest number.
        told = file.frames if 0 < file.frames < 2**40 else None
        if told is not None:
            _check_length(told / file.samplerate, max_s)
        if file.format in ("WAV", "WAVEX") and _wav_is_cut(audio):
            raise InvalidInput("the WAV file ends before its audio does")
        yield from _blocks(file, told, max_s)


def _blocks(file: soundfile.SoundFile, told: int | None, max_s: float) -> Iterator[Samples]:
    resampler = _resampler(file.samplerate, live=False)
    read = 0
    while True:
        try:
            block = file.read(file.samplerate * BLOCK_S, dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, RuntimeError):
            raise InvalidInput("the audio file is damaged") from None
        read += len(block)
        if not len(block):
            break
        _check_length(read / file.samplerate, max_s)
        _check_samples(block)
        samples = mixed(block)
        yield samples if resampler is None else resampler.resample_chunk(samples)
    if not read:
        raise InvalidInput("there is no audio")
    if told is not None and read < told and file.format != "MP3":
        raise InvalidInput(f"the audio file ends early: {read} of {told} samples are there")
    if resampler is not None:
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def _contained(audio: bytes, container: str, max_s: float) -> Iterator[Samples]:
    resampler: soxr.ResampleStream | None = None
    read = 0
    for rate_hz, samples in read_container(audio, container):
        if not read:
            _check_rate(rate_hz)
            resampler = _resampler(rate_hz, live=False)
        read += len(samples)
        _check_length(read / rate_hz, max_s)
        _check_samples(samples)
        yield samples if resampler is None else resampler.resample_chunk(samples)
    if not read:
        raise InvalidInput("there is no audio")
    if resampler is not None:
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def _check_samples(samples: Samples) -> None:
    if not np.isfinite(samples).all() or np.abs(samples).max() > LARGEST_SAMPLE:
        raise InvalidInput("the audio holds samples that are not finite, or far beyond full scale")


def _decoded(audio: bytes, raw: RawAudio) -> Samples:
    if raw.encoding is RawEncoding.PCM_S16LE:
        samples: NDArray[np.float32] = np.frombuffer(audio, "<i2").astype(np.float32) / np.float32(32768)
    elif audio:
        samples, _ = soundfile.read(
            io.BytesIO(audio), dtype="float32", format="RAW", subtype=raw.encoding.value, channels=1,
            samplerate=raw.rate_hz,
        )  # fmt: skip
    else:
        samples = np.zeros(0, np.float32)
    return mixed(samples.reshape(-1, raw.channels)) if raw.channels > 1 else samples


def _resampler(rate_hz: int, *, live: bool) -> soxr.ResampleStream | None:
    return (
        soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", vr=live) if rate_hz != SAMPLE_RATE_HZ else None
    )


def _check_rate(rate_hz: int) -> None:
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise InvalidInput(f"a sample rate of {rate_hz} Hz; it may be {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz")


def _check_length(length_s: float, max_s: float) -> None:
    if length_s > max_s:
        raise InvalidInput(f"the audio is longer than {max_s:g} s: at least {length_s:.0f} s")


def _wav_is_cut(audio: bytes) -> bool:
    """Whether the chunk of samples is announced to be longer than it is; libsndfile reads such files without a word."""
    place = 12
    while place + 8 <= len(audio):
        size = int.from_bytes(audio[place + 4 : place + 8], "little")
        if audio[place : place + 4] == b"data":
            return size not in _UNKNOWN_LENGTHS and size > len(audio) - place - 8
        place += 8 + size + size % 2
    return False
