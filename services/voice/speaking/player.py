"""Sends the audio of one answer, a little ahead of what is heard, and knows how much of it was heard.

    made ──► waiting ──► sent, not heard ──► heard
                ▲              │
                └── halted ────┘   what was not heard is sent again when the answer goes on

Heard is what the client says; until it says anything, what it was sent, played at once and without a pause.
"""

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Awaitable, Callable

STEP_MS = 100
"""What one message holds, at most."""
MAX_WAITING_MS = 2000
"""Audio that is made ahead of what is sent; past it nothing more is made."""
KEPT_MS = 5000
"""What was heard by the clock is kept so long: a client that plays later tells of less, and may want it again."""


class Player:
    """Used by the tasks of one session. `aclose` ends the sending."""

    def __init__(
        self,
        bytes_per_ms: float,
        sample_bytes: int,
        ahead_ms: float,
        send: Callable[[bytes, int], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        self._bytes_per_ms = bytes_per_ms
        self._sample_bytes = sample_bytes
        self._ahead_ms = ahead_ms
        self._send = send
        self._clock = clock
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._sent: deque[tuple[float, bytes]] = deque()
        """With where each begins; what was heard long ago is dropped."""
        self._sent_ms = 0.0
        self._from_ms = 0.0
        self._since_s = 0.0
        self._is_halted = True
        self._is_whole = False
        self._was_sent = False
        self._changed = asyncio.Event()
        self._drained = asyncio.Event()
        self._room = asyncio.Event()
        self._task = asyncio.create_task(self._play())

    @property
    def began(self) -> bool:
        """Whether any audio was sent."""
        return self._was_sent

    @property
    def made_ms(self) -> float:
        """How much audio there is by now."""
        return self._sent_ms + self._waiting_bytes / self._bytes_per_ms

    def heard_ms(self) -> float:
        """How much of it was heard by now."""
        if self._is_halted:
            return self._from_ms
        return min(self._sent_ms, self._from_ms + (self._clock() - self._since_s) * 1000)

    @property
    def unheard_ms(self) -> float:
        """Of what was sent."""
        return self._sent_ms - self.heard_ms()

    async def add(self, audio: bytes) -> None:
        """More of it; waits while enough is made."""
        while self._waiting_bytes > MAX_WAITING_MS * self._bytes_per_ms:
            self._room.clear()
            await self._room.wait()
        self._waiting.append(audio)
        self._waiting_bytes += len(audio)
        self._changed.set()

    async def drain(self) -> None:
        """That was all of it; waits until it was sent."""
        self._is_whole = True
        self._changed.set()
        await self._drained.wait()

    def start(self) -> None:
        """Lets it be heard, or heard again from where it was heard last."""
        if not self._is_halted:
            return
        kept_from_ms = self._sent[0][0] if self._sent else self._sent_ms
        self._from_ms = max(self._from_ms, kept_from_ms)
        unheard = b"".join(self._unheard())
        self._sent.clear()
        self._sent_ms = self._from_ms
        if unheard:
            self._waiting.appendleft(unheard)
            self._waiting_bytes += len(unheard)
            self._drained.clear()
        self._is_halted = False
        self._since_s = self._clock()
        self._changed.set()

    def halt(self) -> None:
        """Nothing more is sent, and what was not heard is taken to be dropped by the client."""
        self._from_ms = self.heard_ms()
        self._is_halted = True
        self._changed.set()

    def hurry(self) -> None:
        """Nobody can interrupt any more: all is sent at once."""
        self._ahead_ms = math.inf
        self._changed.set()

    def report(self, heard_ms: float, ended: bool) -> None:
        """By the client."""
        # A player that was told to drop what it had has come to an end of its own.
        all_heard = ended and not self._is_halted
        self._from_ms = min(self._sent_ms, self._sent_ms if all_heard else heard_ms)
        self._since_s = self._clock()
        self._changed.set()

    async def played_out(self) -> None:
        """Waits until all of it was heard, as far as is known."""
        while not (self._drained.is_set() and not self._is_halted and self.unheard_ms <= 0):
            self._changed.clear()
            wait_s = None if self._is_halted or not self._drained.is_set() else self.unheard_ms / 1000
            await _either(self._changed, wait_s)

    async def aclose(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _play(self) -> None:
        while True:
            self._changed.clear()
            if self._is_halted or not self._waiting:
                if self._is_whole and not self._waiting and not self._is_halted:
                    self._drained.set()
                await self._changed.wait()
                continue
            unheard_ms = self.unheard_ms
            if unheard_ms >= self._ahead_ms:
                await _either(self._changed, (unheard_ms - self._ahead_ms) / 1000 + 0.005)
                continue
            await self._send_next()

    async def _send_next(self) -> None:
        audio = self._waiting.popleft()
        most = round(STEP_MS * self._bytes_per_ms) // self._sample_bytes * self._sample_bytes
        if len(audio) > most:
            self._waiting.appendleft(audio[most:])
            audio = audio[:most]
        self._waiting_bytes -= len(audio)
        self._room.set()
        if self.unheard_ms <= 0:
            # It had run dry: what comes now is heard from now on.
            self._from_ms, self._since_s = self._sent_ms, self._clock()
        offset_ms = self._sent_ms
        self._sent.append((offset_ms, audio))
        self._sent_ms += len(audio) / self._bytes_per_ms
        kept_from_ms = self.heard_ms() - KEPT_MS
        while self._sent and self._sent[0][0] + len(self._sent[0][1]) / self._bytes_per_ms <= kept_from_ms:
            self._sent.popleft()
        self._was_sent = True
        await self._send(audio, round(offset_ms))

    def _unheard(self) -> list[bytes]:
        pieces = []
        for offset_ms, audio in self._sent:
            heard_bytes = round(max(0.0, self._from_ms - offset_ms) * self._bytes_per_ms)
            whole = heard_bytes // self._sample_bytes * self._sample_bytes
            if whole < len(audio):
                pieces.append(audio[whole:])
        return pieces


async def _either(event: asyncio.Event, timeout_s: float | None) -> None:
    # Not `wait_for`, which in Python 3.11 forgets that it was cancelled where the event was set just before.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()
