"""The microphone and the speaker of this machine, by PortAudio."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from services.cli.talking.play_buffer import PlayBuffer
from services.cli.talking.players import RATE_HZ
from services.kit.errors import NotReady

PIECE_MS = 40
LATENCY_S = 0.08
"""Of the speaker; less is more than a busy machine can keep up with, and more is heard after an interruption."""
MAX_WAITING_PIECES = 250
"""Ten seconds that the service did not take; past it what was said first is forgotten."""
GONE_S = 3.0
"""A device gives a piece every PIECE_MS. Some give nothing and tell nothing when they are unplugged."""
INSTEAD = "use --file QUESTION.wav with -o ANSWER.wav, or --text"


class Microphone:
    """Opened by `microphone`.

    Args:
        gone_s: a device that gives nothing for so long is gone.
    """

    def __init__(self, rate_hz: int, gone_s: float = GONE_S) -> None:
        self.rate_hz = rate_hz
        self._gone_s = gone_s
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_WAITING_PIECES)

    async def pieces(self) -> AsyncGenerator[bytes]:
        """16-bit mono samples, without an end.

        Raises:
            NotReady: the device is gone.
        """
        while True:
            piece = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._gone_s):
                    piece = await self._waiting.get()
            if piece is None:
                raise NotReady(
                    "the microphone is gone: plug it in again, or choose another one in the system's settings"
                )
            yield piece

    def heard(self, samples: Any, *_: Any) -> None:
        """Called by PortAudio's thread."""
        self._from_another_thread(bytes(samples))

    def ended(self) -> None:
        """Called by PortAudio's thread when the device gives no more: unplugged, or closed by us."""
        self._from_another_thread(None)

    def _from_another_thread(self, piece: bytes | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and the device will soon
            self._loop.call_soon_threadsafe(self._keep, piece)

    def _keep(self, piece: bytes | None) -> None:
        if self._waiting.full():
            self._waiting.get_nowait()
        self._waiting.put_nowait(piece)


@contextmanager
def microphone() -> Iterator[Microphone]:
    """Raises NotReady where there is none."""
    devices = _portaudio()
    try:
        found = devices.query_devices(kind="input")
        rate_hz = min(48_000, max(8000, int(found["default_samplerate"])))
        opened = Microphone(rate_hz)
        stream = devices.RawInputStream(
            samplerate=rate_hz,
            blocksize=rate_hz * PIECE_MS // 1000,
            channels=1,
            dtype="int16",
            callback=opened.heard,
            finished_callback=opened.ended,
        )
    except (devices.PortAudioError, ValueError) as error:
        raise NotReady(f"no microphone can be opened ({_reason(error)}): {INSTEAD}") from error
    with stream:
        yield opened


class Speaker:
    """A player; opened by `speaker`."""

    def __init__(self, buffer: PlayBuffer) -> None:
        self._buffer = buffer

    def play(self, item_id: str, audio: bytes) -> None:
        self._buffer.add(item_id, audio)

    def duck(self, ducked: bool) -> None:
        self._buffer.duck(ducked)

    def stop(self) -> None:
        self._buffer.clear()

    def heard(self) -> tuple[str, int, bool] | None:
        return self._buffer.heard()


@contextmanager
def speaker() -> Iterator[Speaker]:
    """Raises NotReady where there is none."""
    devices = _portaudio()
    buffer = PlayBuffer()

    def wanted(out: Any, *_: Any) -> None:
        out[:] = buffer.take(len(out))

    try:
        stream = devices.RawOutputStream(
            samplerate=RATE_HZ,
            blocksize=RATE_HZ * PIECE_MS // 1000,
            channels=1,
            dtype="int16",
            callback=wanted,
            latency=LATENCY_S,
        )
    except (devices.PortAudioError, ValueError) as error:
        raise NotReady(f"no speaker can be opened ({_reason(error)}): name a file with -o, or --mute") from error
    with stream:
        yield Speaker(buffer)


def _portaudio() -> ModuleType:
    try:
        import sounddevice
    except ImportError as error:
        raise NotReady(f"sounddevice is not installed: `pip install 'ledge[talk]'`; or {INSTEAD}") from error
    except OSError as error:
        raise NotReady(f"PortAudio is not installed: `apt-get install libportaudio2`; or {INSTEAD}") from error
    module: ModuleType = sounddevice
    return module


def _reason(error: Exception) -> str:
    return str(error.args[0] if error.args else error).strip()
