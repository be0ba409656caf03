"""A question that somebody recorded, sent as a microphone would send it: a piece when its time is over."""

import asyncio
import io
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.cli.audio_file import audio_bytes, name_of
from services.kit.errors import InvalidInput

PIECE_MS = 40
MIN_RATE_HZ, MAX_RATE_HZ = 8000, 48_000
MAX_S = 600
TOO_LONG = "a question is shorter; `ledge transcribe` writes down a long recording"
FORMATS = "WAV, FLAC, Ogg, MP3 or AIFF"


@dataclass(frozen=True)
class SpokenFile:
    """16-bit mono samples."""

    name: str
    """In a sentence."""
    samples: bytes
    rate_hz: int

    async def pieces(self, is_enough: Callable[[], bool]) -> AsyncGenerator[bytes]:
        """The file at the pace of speech, then silence until it is enough."""
        size = self.rate_hz * PIECE_MS // 1000 * 2
        began_s = time.monotonic()
        sent = 0
        while sent < len(self.samples) or not is_enough():
            piece = self.samples[sent : sent + size]
            sent += size
            await asyncio.sleep(max(0.0, began_s + sent / 2 / self.rate_hz - time.monotonic()))
            yield piece + bytes(size - len(piece))


def read_spoken_file(path: Path) -> SpokenFile:
    """The whole file, or of standard input where it is `-`, mixed to one channel.

    Raises:
        InvalidInput: names the file, and why it holds no speech that can be sent.
    """
    # Here, because the other commands run where no audio is read.
    import soundfile

    name = name_of(path)
    content = io.BytesIO(audio_bytes(path, TOO_LONG))
    samples = bytearray()
    try:
        with soundfile.SoundFile(content) as file:
            rate_hz = int(file.samplerate)
            if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
                raise InvalidInput(f"{name} has {rate_hz} samples a second; {MIN_RATE_HZ} to {MAX_RATE_HZ} can be sent")
            # Second by second: what is compressed may be long, and may have many channels.
            for block in file.blocks(blocksize=rate_hz, dtype="float32", always_2d=True):
                one_channel = np.nan_to_num(block).mean(axis=1).clip(-1, 1)
                samples += (one_channel * 32767).astype("<i2").tobytes()
                if len(samples) > MAX_S * rate_hz * 2:
                    raise InvalidInput(f"{name} lasts more than {MAX_S // 60} minutes: {TOO_LONG}")
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".")
        raise InvalidInput(f"{name} is no audio that can be read ({reason}): take {FORMATS}") from error
    if not samples:
        raise InvalidInput(f"{name} holds no audio")
    return SpokenFile(name, bytes(samples), rate_hz)
