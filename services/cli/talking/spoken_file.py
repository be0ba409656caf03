"""A question that somebody recorded, sent as a microphone would send it: a piece when its time is over."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path

from services.kit.errors import InvalidInput

PIECE_MS = 40
MIN_RATE_HZ, MAX_RATE_HZ = 8000, 48_000
MAX_BYTES = 64 * 2**20


@dataclass(frozen=True)
class SpokenFile:
    """16-bit mono samples."""

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
    """Raises InvalidInput for a file that holds no speech that can be sent."""
    # Here, because the other commands run where no audio is read.
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            rate_hz = int(file.samplerate)
            if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
                raise InvalidInput(f"{path} has {rate_hz} samples a second; {MIN_RATE_HZ} to {MAX_RATE_HZ} can be sent")
            if file.frames * 2 > MAX_BYTES:
                raise InvalidInput(f"{path} is too long for a question: see `ledge transcribe`")
            samples = file.read(dtype="float32", always_2d=True).mean(axis=1)
    except (OSError, soundfile.LibsndfileError) as error:
        raise InvalidInput(f"cannot read {path}: {getattr(error, 'error_string', None) or error}") from error
    if not len(samples):
        raise InvalidInput(f"{path} holds no audio")
    return SpokenFile((samples.clip(-1, 1) * 32767).astype("<i2").tobytes(), rate_hz)
