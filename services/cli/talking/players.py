"""Where an answer is heard: what any player does, and the two that need no sound card."""

import contextlib
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from services.kit.errors import InvalidInput

RATE_HZ = 24_000
"""Of everything that is played: 16-bit samples, mono."""
SAMPLE_BYTES = 2


class Player(Protocol):
    """Plays answers one after the other; called from the event loop, and never waits."""

    def play(self, item_id: str, audio: bytes) -> None:
        """More of an answer."""

    def duck(self, ducked: bool) -> None:
        """Softer, for somebody may be interrupting; or as before."""

    def stop(self) -> None:
        """Drops what is not heard yet."""

    def heard(self) -> tuple[str, int, bool] | None:
        """The answer that was heard last, how many milliseconds of it, and whether that is all that came.

        None: nothing yet, or this player does not know.
        """


class NoPlayer:
    """For answers that are only read."""

    def play(self, item_id: str, audio: bytes) -> None:
        pass

    def duck(self, ducked: bool) -> None:
        pass

    def stop(self) -> None:
        pass

    def heard(self) -> None:
        return None


class Recorder:
    """Writes what would be heard: of an answer that is interrupted, what had its time to be played."""

    def __init__(self, wav: wave.Wave_write, clock: Callable[[], float]) -> None:
        self._wav = wav
        self._clock = clock
        self._waiting = bytearray()
        self._begun_s = 0.0
        self._written_bytes = 0

    def play(self, item_id: str, audio: bytes) -> None:
        now_s = self._clock()
        self._write_heard()
        if not self._waiting:
            self._begun_s, self._written_bytes = now_s, 0
        self._waiting += audio

    def duck(self, ducked: bool) -> None:
        """A recording keeps its loudness."""

    def stop(self) -> None:
        self._write_heard()
        self._waiting.clear()

    def heard(self) -> None:
        """The service takes what it sends as heard at once, which is what happens here."""
        return

    def finish(self) -> None:
        """All that waits is heard to its end."""
        self._wav.writeframes(bytes(self._waiting))
        self._waiting.clear()

    def _write_heard(self) -> None:
        due = round((self._clock() - self._begun_s) * RATE_HZ) * SAMPLE_BYTES - self._written_bytes
        heard = bytes(self._waiting[: max(0, due)])
        self._wav.writeframes(heard)
        self._written_bytes += len(heard)
        del self._waiting[: len(heard)]


@contextmanager
def recorder(output: Path, clock: Callable[[], float] = time.monotonic) -> Iterator[Recorder]:
    """A WAV file that is whole whenever the conversation ends."""
    try:
        with output.open("wb") as file, contextlib.closing(wave.open(file, "wb")) as wav:
            wav.setparams((1, SAMPLE_BYTES, RATE_HZ, 0, "NONE", ""))
            player = Recorder(wav, clock)
            try:
                yield player
            finally:
                player.finish()
    except OSError as error:
        raise InvalidInput(f"cannot write {output}: {error.strerror}") from error
