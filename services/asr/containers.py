"""Reads what browsers and phones record and libsndfile does not know: WebM, MP4 and bare AAC, by FFmpeg's libraries.

Which demuxer reads a file follows from its first bytes, never from FFmpeg's own guess: some of its formats name other
files to be read.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from io import BytesIO

import numpy as np

from services.asr.channels import mixed
from services.asr.engine import Samples
from services.kit.errors import InvalidInput

BLOCK_S = 1
MAX_CHANNELS = 8


def container_of(audio: bytes) -> str:
    """The demuxer for a file; empty where libsndfile is asked first."""
    if audio.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if audio[4:8] == b"ftyp":
        return "mov"
    # ADTS: twelve bits of synchronisation, and layer 0, which no MP3 has.
    if len(audio) > 7 and audio[0] == 0xFF and audio[1] & 0xF6 == 0xF0:
        return "aac"
    return ""


def read_container(audio: bytes, container: str) -> Iterator[tuple[int, Samples]]:
    """The sample rate and the channels as one, about a second at a time; the first audio of the file alone.

    Raises:
        InvalidInput: it cannot be read, holds no audio, or is of a kind that this installation does not read.
    """
    if find_spec("av") is None:
        raise InvalidInput("WebM, MP4 and AAC are not read here: the Python package `av` is not installed")
    # Here, because it takes a while and most files do without.
    import av

    try:
        with av.open(BytesIO(audio), "r", format=container) as file:
            if not file.streams.audio:
                raise InvalidInput("the file holds no audio")
            stream = file.streams.audio[0]
            plain = av.AudioResampler(format="fltp")
            pieces: list[Samples] = []
            held = 0
            for frame in file.decode(stream):
                if frame.sample_rate != stream.rate or frame.layout.nb_channels > MAX_CHANNELS:
                    raise InvalidInput("the audio changes its sample rate, or has too many channels")
                for one in plain.resample(frame):
                    pieces.append(mixed(one.to_ndarray().T.astype(np.float32, copy=False)))
                    held += len(pieces[-1])
                if held >= stream.rate * BLOCK_S:
                    yield stream.rate, np.concatenate(pieces)
                    pieces, held = [], 0
            if held:
                yield stream.rate, np.concatenate(pieces)
    except (av.error.FFmpegError, ValueError) as error:
        raise InvalidInput("the audio file is damaged, or of a kind that is not known here") from error
