"""The queue in front of an engine's slots: bounded, ordered by priority and then by arrival.

turn() ──► slot free? ──yes──────────────────────────► RUNS ──► slot to the first that waits
              │no                                        ▲
              └──► queue full? ──no──► WAITS ──its turn──┘
                       │yes              └ cancelled: gone, costs nothing
                       └──► Overloaded, with the delay after which there should be room
"""

import asyncio
import heapq
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from services.kit import telemetry
from services.kit.context import current_call
from services.kit.errors import Overloaded
from services.llm import metrics

QUEUE = "llm"


class Admission:
    """Gives out `slots` turns; at most `max_waiting` wait for one. Belongs to one event loop."""

    def __init__(self, slots: int, max_waiting: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._slots = slots
        self._max_waiting = max_waiting
        self._clock = clock
        self._busy = 0
        self._waiting = 0
        self._queue: list[tuple[int, int, asyncio.Future[None]]] = []
        self._arrivals = itertools.count()
        self._mean_hold_s = 0.0

    def check(self, turns: int) -> None:
        """Raises Overloaded where so many turns at once would be too many."""
        over = self._busy + self._waiting + turns - self._slots - self._max_waiting
        if over > 0:
            # Slots come free one after the other, each after the mean time that an answer held one.
            delay_s = over * (self._mean_hold_s or 1.0) / self._slots
            raise Overloaded(
                f"the queue is full: {self._waiting} answers wait for {self._slots} slots",
                retry_after_s=min(60.0, max(0.05, delay_s)),
            )

    @asynccontextmanager
    async def turn(self, priority: int = 0) -> AsyncIterator[None]:
        """Holds a slot inside the block. A lower priority is served earlier. Raises Overloaded at once."""
        self.check(1)
        arrived_s = self._clock()
        if self._busy < self._slots:
            self._busy += 1
        else:
            await self._wait(priority)
        began_s = self._clock()
        metrics.SLOTS_BUSY.set(self._busy)
        telemetry.QUEUE_SECONDS.labels(QUEUE).observe(began_s - arrived_s)
        if (call := current_call()) is not None:
            call.note_timing("queue", (began_s - arrived_s) * 1000)
        try:
            yield
        finally:
            self._hand_on()
            held_s = self._clock() - began_s
            self._mean_hold_s = 0.9 * self._mean_hold_s + 0.1 * held_s if self._mean_hold_s else held_s
            if call is not None:
                call.note_timing("compute", held_s * 1000)

    async def _wait(self, priority: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._queue, (priority, next(self._arrivals), turn))
        self._waits(+1)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._hand_on()
            else:
                self._forget(turn)
            raise

    def _forget(self, turn: "asyncio.Future[None]") -> None:
        # A slot that came free in between may have taken it out already.
        left = [entry for entry in self._queue if entry[2] is not turn]
        if len(left) < len(self._queue):
            heapq.heapify(left)
            self._queue = left
            self._waits(-1)

    def _hand_on(self) -> None:
        """The slot goes to the first that waits, or becomes free."""
        while self._queue:
            turn = heapq.heappop(self._queue)[2]
            self._waits(-1)
            if not turn.done():
                turn.set_result(None)
                return
        self._busy -= 1
        metrics.SLOTS_BUSY.set(self._busy)

    def _waits(self, change: int) -> None:
        self._waiting += change
        telemetry.QUEUE_COST.labels(QUEUE).set(self._waiting)
