"""Hands chunks from native threads over to the event loop, with as few wake-ups as may be.

thread of call 1 ─ put ┐                       ┌─► take of call 1
thread of call 2 ─ put ┼─► woken ──one wake────┼─► take of call 2        what arrived together is taken together
thread of call 3 ─ put ┘   (only who waits)    └─► take of call 3

A reader that has just been given something may rest: chunks gather meanwhile without waking anybody.
"""

import asyncio
from collections import deque


class Handover:
    """Belongs to one event loop; wakes all readers that were called within one turn of it at once."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._to_wake: deque[Channel] = deque()
        self._awake = False

    def wake(self, channel: "Channel") -> None:
        """From any thread."""
        self._to_wake.append(channel)
        if not self._awake:
            self._awake = True
            self._loop.call_soon_threadsafe(self._wake_all)

    def _wake_all(self) -> None:
        # First the flag, then the queue: who comes in between is woken now, and the loop once more for nothing.
        self._awake = False
        while self._to_wake:
            self._to_wake.popleft().wake()


class Channel:
    """The chunks of one call in order: one thread puts, one coroutine takes. An exception is the last."""

    def __init__(self, handover: Handover) -> None:
        self._handover = handover
        self._chunks: deque[bytes | Exception] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._waits_for_any = False
        self.closed = False
        """Nobody takes any more. Set by the loop, read by the thread."""

    def put(self, chunk: bytes | Exception) -> None:
        # Append, then look; the reader says that it waits, then looks. So one of them always sees the other.
        self._chunks.append(chunk)
        if self._waits_for_any or isinstance(chunk, Exception):
            self._handover.wake(self)

    async def take(self, rest_s: float) -> list[bytes | Exception]:
        """All chunks that are there, at least one; first rests so long unless the end comes earlier."""
        if rest_s > 0 and not self._ended():
            await self._wait(rest_s)
        self._waits_for_any = True
        while not self._chunks:
            await self._wait(None)
        self._waits_for_any = False
        taken = []
        while self._chunks:
            taken.append(self._chunks.popleft())
        return taken

    def wake(self) -> None:
        """From the loop."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _ended(self) -> bool:
        return bool(self._chunks) and isinstance(self._chunks[-1], Exception)

    async def _wait(self, at_most_s: float | None) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = None if at_most_s is None else loop.call_later(at_most_s, self.wake)
        try:
            # It may have come before there was anybody to wake.
            if self._ended() or (at_most_s is None and self._chunks):
                return
            await self._waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()
