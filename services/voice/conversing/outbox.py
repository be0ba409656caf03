"""What is to be sent to the client, in order, and no more of it than a client that reads leaves waiting."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable

from ledge.voice.v1 import voice_pb2 as pb

from services.kit.errors import Overloaded

MAX_WAITING_BYTES = 2**20
"""Some ten seconds of audio; each event is counted with a little more than its audio and text."""
EVENT_BYTES = 256


class Outbox:
    """Filled by the tasks of a session, emptied by its stream.

    Where nothing was taken for `patience_s` though there is no room, `give_up` is called.
    """

    def __init__(self, patience_s: float, give_up: Callable[[], None]) -> None:
        self._patience_s = patience_s
        self._give_up = give_up
        self._waiting: deque[tuple[int, pb.ConverseResponse]] = deque()
        self._bytes = 0
        self._taken = asyncio.Event()
        self._put = asyncio.Event()
        self._failure: Exception | None = None
        self._is_closed = False

    async def put(self, event: pb.ConverseResponse) -> None:
        """Waits for room."""
        while self._bytes > MAX_WAITING_BYTES and not self._is_closed:
            self._taken.clear()
            try:
                # Not `wait_for`: see `speaking/player.py`.
                async with asyncio.timeout(self._patience_s):
                    await self._taken.wait()
            except TimeoutError:
                self.close(Overloaded("the client takes nothing of what is sent", retry_after_s=1.0))
                self._give_up()
                return
        if self._is_closed:
            return
        size = event.ByteSize() + EVENT_BYTES
        self._bytes += size
        self._waiting.append((size, event))
        self._put.set()

    def drop(self, is_stale: Callable[[pb.ConverseResponse], bool]) -> None:
        """Takes out what need not be sent any more."""
        self._waiting = deque(entry for entry in self._waiting if not is_stale(entry[1]))
        self._bytes = sum(size for size, _ in self._waiting)
        self._taken.set()

    def close(self, failure: Exception | None = None) -> None:
        """What waits is still sent; then the stream ends, with `failure` where there is one."""
        if not self._is_closed:
            self._is_closed, self._failure = True, failure
        self._put.set()
        self._taken.set()

    async def events(self) -> AsyncGenerator[pb.ConverseResponse]:
        """All of them, until it is closed."""
        while True:
            while self._waiting:
                size, event = self._waiting.popleft()
                self._bytes -= size
                self._taken.set()
                yield event
            if self._is_closed:
                break
            self._put.clear()
            await self._put.wait()
        if self._failure is not None:
            raise self._failure
