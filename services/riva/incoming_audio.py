"""Tells by its first bytes what the audio of a stream is, and takes the header of a WAV file off it.

Riva's clients send files as they are, header and all, and call them LINEAR_PCM or nothing at all.
"""

import enum
import struct
from dataclasses import dataclass

from ledge.audio.v1 import audio_pb2
from riva_compat import asr_pb2
from riva_compat import audio_pb2 as riva_audio_pb2

from services.kit.errors import InvalidInput

RAW_ENCODINGS = {
    riva_audio_pb2.ENCODING_UNSPECIFIED: audio_pb2.PCM_S16LE,
    riva_audio_pb2.LINEAR_PCM: audio_pb2.PCM_S16LE,
    riva_audio_pb2.MULAW: audio_pb2.MULAW,
    riva_audio_pb2.ALAW: audio_pb2.ALAW,
}
CONTAINERS = frozenset({riva_audio_pb2.FLAC, riva_audio_pb2.OGGOPUS})
CONTAINER_MARKS = (b"fLaC", b"OggS")
WAV_ENCODINGS = {
    (1, 16): audio_pb2.PCM_S16LE,
    (6, 8): audio_pb2.ALAW,
    (7, 8): audio_pb2.MULAW,
}
"""By format tag and bits a sample."""
EXTENSIBLE = 0xFFFE
MARK_BYTES = 12
MAX_HEADER_BYTES = 64 * 1024
LENGTH_UNKNOWN = frozenset({0, 0x7FFFFFFF, 0xFFFFFFFF})
"""What writers that cannot go back put for the length of the samples."""


class Kind(enum.Enum):
    UNKNOWN = "unknown"
    RAW = "raw"
    CONTAINER = "container"


@dataclass(frozen=True)
class WavHeader:
    format: audio_pb2.RawFormat
    samples_at: int
    """Where the samples begin, in bytes."""
    samples_bytes: int | None
    """None: the header does not know."""


def is_file(audio: bytes, config: asr_pb2.RecognitionConfig) -> bool:
    """Whether audio that is here as a whole tells its own format."""
    return config.encoding in CONTAINERS or audio.startswith(CONTAINER_MARKS) or _is_wav(audio)


def raw_format(config: asr_pb2.RecognitionConfig) -> audio_pb2.RawFormat:
    """Of headerless samples, as a config describes them."""
    if config.encoding not in RAW_ENCODINGS:
        raise InvalidInput(f"no encoding has the number {config.encoding}")
    if config.sample_rate_hertz <= 0 or config.audio_channel_count < 0:
        raise InvalidInput("headerless audio needs its sample_rate_hertz, and audio_channel_count is 1 or 2")
    return audio_pb2.RawFormat(
        encoding=RAW_ENCODINGS[config.encoding],
        sample_rate_hz=config.sample_rate_hertz,
        channels=config.audio_channel_count,
    )


class IncomingAudio:
    """The audio of one stream: `take` gives what is to be heard of each piece, once `kind` is known."""

    def __init__(self, config: asr_pb2.RecognitionConfig) -> None:
        self._config = config
        self._head = b""
        self._left_bytes: int | None = None
        self.kind = Kind.CONTAINER if config.encoding in CONTAINERS else Kind.UNKNOWN
        self.format = audio_pb2.RawFormat()
        """Of raw audio."""

    def take(self, audio: bytes) -> bytes:
        if self.kind is Kind.UNKNOWN:
            self._head += audio
            if len(self._head) < MARK_BYTES:
                return b""
            audio = self._begin()
        return self._within(audio)

    def finish(self) -> bytes:
        """What was held back of a stream that ended before its kind was known."""
        if self.kind is not Kind.UNKNOWN:
            return b""
        if _is_wav(self._head):
            raise InvalidInput("the WAV file ends within its header")
        return self._raw()

    def _begin(self) -> bytes:
        if self._head.startswith(CONTAINER_MARKS):
            self.kind = Kind.CONTAINER
            return self._head
        if not _is_wav(self._head):
            return self._raw()
        header = read_wav_header(self._head)
        if header is None:
            return b""
        self.kind, self.format, self._left_bytes = Kind.RAW, header.format, header.samples_bytes
        return self._head[header.samples_at :]

    def _raw(self) -> bytes:
        self.kind, self.format = Kind.RAW, raw_format(self._config)
        return self._head

    def _within(self, audio: bytes) -> bytes:
        """Without what a WAV file holds behind its samples."""
        if self._left_bytes is not None:
            audio = audio[: self._left_bytes]
            self._left_bytes -= len(audio)
        return audio


def read_wav_header(head: bytes) -> WavHeader | None:
    """The header of a WAV file that begins with `head`; None while there is too little of it.

    Raises:
        InvalidInput: not a header, or of samples that a stream does not take.
    """
    at, format = MARK_BYTES, None
    while len(head) >= at + 8:
        name, length = struct.unpack_from("<4sI", head, at)
        at += 8
        if name == b"data":
            if format is None:
                raise InvalidInput("the WAV file does not say what its samples are")
            return WavHeader(format, at, None if length in LENGTH_UNKNOWN else length)
        if name == b"fmt ":
            if len(head) < at + min(length, 40):
                break
            format = _wav_format(head[at : at + length])
        at += length + length % 2
    if max(at, len(head)) > MAX_HEADER_BYTES:
        raise InvalidInput(f"the header of the WAV file is longer than {MAX_HEADER_BYTES} bytes")
    return None


def _wav_format(chunk: bytes) -> audio_pb2.RawFormat:
    if len(chunk) < 16:
        raise InvalidInput("the WAV file does not say what its samples are")
    tag, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == EXTENSIBLE and len(chunk) >= 26:
        (tag,) = struct.unpack_from("<H", chunk, 24)
    encoding = WAV_ENCODINGS.get((tag, bits))
    if encoding is None:
        raise InvalidInput("a stream takes WAV files of 16-bit, µ-law or A-law samples; Recognize takes any")
    return audio_pb2.RawFormat(encoding=encoding, sample_rate_hz=rate_hz, channels=channels)


def _is_wav(audio: bytes) -> bool:
    return audio[:4] == b"RIFF" and audio[8:12] == b"WAVE"
