"""Hands chunks from native threads over to the event loop: one wake-up for all that arrived together.

thread of call 1 ─ put ┐
thread of call 2 ─ put ┼─► arrived ──one wake-up──► deliver ──► each call's own list ──► take
thread of call 3 ─ put ┘
"""

import asyncio
from collections import deque


class Handover:
    """Belongs to one event loop; `put` may be called from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrived: deque[tuple[Channel, bytes | Exception]] = deque()
        self._awake = False

    def put(self, channel: "Channel", chunk: bytes | Exception) -> None:
        self._arrived.append((channel, chunk))
        if not self._awake:
            self._awake = True
            self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        # First the flag, then the queue: what arrives in between is delivered now and wakes once more for nothing.
        self._awake = False
        while self._arrived:
            channel, chunk = self._arrived.popleft()
            channel.deliver(chunk)


class Channel:
    """The chunks of one call, in order; an exception is the last."""

    def __init__(self, handover: Handover) -> None:
        self._handover = handover
        self._chunks: list[bytes | Exception] = []
        self._waiter: asyncio.Future[None] | None = None
        self.closed = False
        """Nobody listens any more. Set by the loop, read by the thread."""

    def put(self, chunk: bytes | Exception) -> None:
        """From the native thread."""
        self._handover.put(self, chunk)

    def deliver(self, chunk: bytes | Exception) -> None:
        self._chunks.append(chunk)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def take(self) -> list[bytes | Exception]:
        """All chunks that are there, at least one. One reader at a time."""
        if not self._chunks:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        chunks, self._chunks = self._chunks, []
        return chunks
