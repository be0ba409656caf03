"""What a peer says it serves, asked for again when it is old."""

import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

LISTED_S = 10.0
"""How long a list is taken for true; an engine is exchanged by a restart."""

Listing = TypeVar("Listing")


class Listed(Generic[Listing]):
    """A list that a service gives. A failure is told to whoever asks, and not kept."""

    def __init__(self, ask: Callable[[], Awaitable[Listing]]) -> None:
        self._ask = ask
        self._kept: tuple[float, Listing] | None = None

    async def get(self) -> Listing:
        if self._kept is None or time.monotonic() - self._kept[0] > LISTED_S:
            self._kept = (time.monotonic(), await self._ask())
        return self._kept[1]
