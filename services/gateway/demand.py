"""Which of the services behind the gateway its clients want now; what an autoscaler wakes them by."""

import asyncio
import functools
import time
from collections.abc import Callable, Collection
from typing import Any

from services.kit.client import Channel

HEALTH = "/grpc.health.v1.Health/"


class Demand:
    """Counts the calls under way, those included that wait for a service to wake. One event loop.

    Questions about a service itself (its health, lists of what it serves) are no demand: whoever looks at a sleeping
    suite does not wake it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._under_way: dict[str, int] = {}
        self._ended_s: dict[str, float] = {}
        self._changed = asyncio.Event()

    def watch(self, role: str, channel: Channel) -> None:
        """Counts the calls of a channel under a name; several channels may share one."""
        self._under_way.setdefault(role, 0)
        channel.watch = functools.partial(self._began, role)

    @property
    def roles(self) -> Collection[str]:
        return self._under_way.keys()

    def calls(self, roles: Collection[str]) -> int:
        """Calls under way to any of them."""
        return sum(self._under_way.get(role, 0) for role in roles)

    def is_wanted(self, roles: Collection[str], idle_s: float) -> bool:
        """Whether one of them is called now, or was within the last seconds."""
        if self.calls(roles):
            return True
        return any(self._clock() - self._ended_s[role] < idle_s for role in roles if role in self._ended_s)

    async def changed(self, within_s: float) -> None:
        """Returns when a call begins or ends, or after so many seconds."""
        changed = self._changed
        try:
            async with asyncio.timeout(within_s):
                await changed.wait()
        except TimeoutError:
            return

    def _began(self, role: str, method: str, call: Any) -> None:
        if method.startswith(HEALTH) or method.rpartition("/")[2].startswith("List"):
            return
        self._under_way[role] += 1
        self._notify()
        call.add_done_callback(functools.partial(self._ended, role))

    def _ended(self, role: str, _call: Any) -> None:
        self._under_way[role] -= 1
        self._ended_s[role] = self._clock()
        self._notify()

    def _notify(self) -> None:
        # Whoever waits holds the old event, so a change between two waits cannot be missed by the next.
        self._changed.set()
        self._changed = asyncio.Event()
