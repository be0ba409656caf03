"""What a connection may be busy with: one thing at a time, which takes events and writes others."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Generic, Protocol, TypeVar

from wyoming.event import Event

Item = TypeVar("Item")
MAX_WAITING = 4
"""Events that were read and not yet passed on, each as long as one may be; past it the connection is not read."""


class Activity(Protocol):
    """One request, from its first event to the last one that answers it."""

    def is_open(self) -> bool:
        """Whether more events of the client belong to it."""

    async def take(self, event: Event) -> bool:
        """Takes an event that belongs to it; False: it does not. Waits while too much waits."""

    async def run(self) -> None:
        """Answers; runs beside `take`. Cancelling it frees everything."""


class Inbox(Generic[Item]):
    """What the client has sent of a request, passed on in order; bounded."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Item | None] = asyncio.Queue(MAX_WAITING)
        self.is_open = True

    async def put(self, item: Item) -> None:
        await self._waiting.put(item)

    async def close(self) -> None:
        """Nothing more comes."""
        self.is_open = False
        await self._waiting.put(None)

    async def items(self) -> AsyncGenerator[Item]:
        while (item := await self._waiting.get()) is not None:
            yield item
