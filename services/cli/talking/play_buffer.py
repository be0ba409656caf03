"""What waits to be played, between the event loop that fills it and the sound card's thread that empties it."""

import threading
from collections import deque

import numpy as np

from services.cli.talking.players import RATE_HZ, SAMPLE_BYTES

DUCKED = 0.25
"""12 dB softer."""


class PlayBuffer:
    """Safe to share between two threads; its length is bounded by how far ahead the service sends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pieces: deque[tuple[str, bytes]] = deque()
        self._ducked = False
        self._item = ""
        self._played_bytes = 0

    def add(self, item_id: str, audio: bytes) -> None:
        with self._lock:
            self._pieces.append((item_id, audio))

    def duck(self, ducked: bool) -> None:
        with self._lock:
            self._ducked = ducked

    def clear(self) -> None:
        with self._lock:
            self._pieces.clear()
            self._ducked = False

    def take(self, length_bytes: int) -> bytes:
        """So many bytes to play now; silence where there is nothing to play."""
        taken = bytearray()
        with self._lock:
            while self._pieces and len(taken) < length_bytes:
                item, audio = self._pieces.popleft()
                part, rest = audio[: length_bytes - len(taken)], audio[length_bytes - len(taken) :]
                if rest:
                    self._pieces.appendleft((item, rest))
                if item != self._item:
                    self._item, self._played_bytes = item, 0
                self._played_bytes += len(part)
                taken += part
            ducked = self._ducked
        if ducked:
            softer = np.frombuffer(bytes(taken), "<i2").astype(np.float32) * DUCKED
            taken = bytearray(softer.astype("<i2").tobytes())
        return bytes(taken) + bytes(length_bytes - len(taken))

    def heard(self) -> tuple[str, int, bool] | None:
        """The item played last, how many milliseconds of it, and whether nothing waits."""
        with self._lock:
            if not self._item:
                return None
            played_ms = self._played_bytes * 1000 // (RATE_HZ * SAMPLE_BYTES)
            return self._item, played_ms, not self._pieces
