"""Encodes speech while it is made: what an encoder has given is never changed, so it can be sent at once."""

import io
import struct
from typing import Protocol

import lameenc
import soundfile

from services.tts.encoding import Encoding, piece
from services.tts.engine import Samples

STREAMED = (
    Encoding.PCM_S16LE, Encoding.MULAW, Encoding.ALAW, Encoding.WAV, Encoding.OGG_OPUS, Encoding.MP3,
)  # fmt: skip
"""FLAC's header tells what is known at the end only."""
OGG_PAGE_MS = 100.0
# libsndfile's command, which soundfile's wheel has but does not name; without it a page of Ogg takes a second.
# https://libsndfile.github.io/libsndfile/command.html#sfc-set-ogg-page-latency-ms
SFC_SET_OGG_PAGE_LATENCY_MS = 0x1302
MP3_KILOBITS = {24_000: 64, 48_000: 96}
"""Up to which sample rate how many a second; one channel of speech."""
MP3_QUALITY = 5
_UNKNOWN_LENGTH = 0xFFFFFFFF


class StreamEncoder(Protocol):
    """For one stream, in its order."""

    def encode(self, samples: Samples) -> bytes:
        """What can be sent now; perhaps nothing yet."""

    def finish(self) -> bytes:
        """The rest."""


def stream_encoder(encoding: Encoding, rate_hz: int) -> StreamEncoder:
    match encoding:
        case Encoding.OGG_OPUS:
            return OpusStream(rate_hz)
        case Encoding.MP3:
            return Mp3Stream(rate_hz)
        case _:
            return PlainStream(encoding, rate_hz)


class PlainStream:
    """Headerless samples, or WAV behind a header that tells no length, as players of streams take it."""

    def __init__(self, encoding: Encoding, rate_hz: int) -> None:
        self._encoding = encoding
        self._rate_hz = rate_hz
        self._header = wav_header(rate_hz) if encoding is Encoding.WAV else b""

    def encode(self, samples: Samples) -> bytes:
        header, self._header = self._header, b""
        return header + piece(samples, self._encoding, self._rate_hz)

    def finish(self) -> bytes:
        return self._header


class OpusStream:
    """Opus in pages of `OGG_PAGE_MS`."""

    def __init__(self, rate_hz: int) -> None:
        self._sink = _Sink()
        self._file = soundfile.SoundFile(self._sink, "w", rate_hz, 1, format="OGG", subtype="OPUS")
        latency = soundfile._ffi.new("double *", OGG_PAGE_MS)
        soundfile._snd.sf_command(self._file._file, SFC_SET_OGG_PAGE_LATENCY_MS, latency, 8)

    def encode(self, samples: Samples) -> bytes:
        self._file.write(samples)
        return self._sink.take()

    def finish(self) -> bytes:
        self._file.close()
        return self._sink.take()


class Mp3Stream:
    """MP3 of a constant bit rate, without the header that tells a length."""

    def __init__(self, rate_hz: int) -> None:
        self._encoder = lameenc.Encoder()
        self._encoder.set_in_sample_rate(rate_hz)
        self._encoder.set_channels(1)
        self._encoder.set_bit_rate(next(kilobits for up_to, kilobits in MP3_KILOBITS.items() if rate_hz <= up_to))
        self._encoder.set_quality(MP3_QUALITY)
        self._fed = False

    def encode(self, samples: Samples) -> bytes:
        if not len(samples):
            return b""
        self._fed = True
        return bytes(self._encoder.encode(piece(samples, Encoding.PCM_S16LE, 0)))

    def finish(self) -> bytes:
        # One that was never fed cannot be flushed.
        return bytes(self._encoder.flush()) if self._fed else b""


class _Sink(io.RawIOBase):
    """Takes what libsndfile writes; it looks where it is, but never goes back."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._taken_bytes = 0

    def write(self, data: object) -> int:
        written = bytes(memoryview(data))  # type: ignore[arg-type]
        self._held += written
        return len(written)

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self.tell()

    def tell(self) -> int:
        return self._taken_bytes + len(self._held)

    def take(self) -> bytes:
        taken = bytes(self._held)
        self._held.clear()
        self._taken_bytes += len(taken)
        return taken


def wav_header(rate_hz: int) -> bytes:
    """Of 16-bit samples without an end."""
    form = (b"RIFF", _UNKNOWN_LENGTH, b"WAVE", b"fmt ", 16, 1, 1, rate_hz, 2 * rate_hz, 2, 16, b"data", _UNKNOWN_LENGTH)
    return struct.pack("<4sI4s4sIHHIIHH4sI", *form)
