"""The queue in front of an engine's slots: bounded, its order that of services/llm/line.py.

turn() ──► slot free? ──yes──────────────────────────► RUNS ──► slot to the first that waits
              │no                                        ▲
              └──► queue full? ──no──► WAITS ──its turn──┘
                       │yes              └ cancelled: gone, costs nothing
                       └──► Overloaded, with the delay after which there should be room
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.kit import telemetry
from services.kit.context import current_call
from services.kit.errors import Overloaded
from services.llm import metrics
from services.llm.line import Line, Waiting

QUEUE = "llm"


@dataclass(slots=True)
class Turn:
    """A slot that is held."""

    answer_tokens: int = 0
    """What the answer took, once that is known."""


class Admission:
    """Gives out `slots` turns; at most `max_waiting` wait for one. Belongs to one event loop."""

    def __init__(self, slots: int, max_waiting: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._slots = slots
        self._max_waiting = max_waiting
        self._clock = clock
        self._busy = 0
        self._waiting = 0
        self._line = Line()
        self._turns: dict[Waiting, asyncio.Future[None]] = {}
        self._mean_hold_s = 0.0
        self._mean_token_s = 0.0

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
    async def turn(self, priority: int = 0, predicted_tokens: float = 0.0) -> AsyncIterator["Turn"]:
        """Holds a slot inside the block. A lower priority is served earlier. Raises Overloaded at once."""
        self.check(1)
        call = current_call()
        arrived_s = self._clock()
        left_s = call.remaining_s() if call is not None else None
        one = Waiting(
            predicted_tokens,
            arrived_s,
            tenant=call.tenant if call is not None else "",
            priority=priority,
            deadline_s=None if left_s is None else arrived_s + left_s,
        )
        waits = self._busy >= self._slots
        if waits:
            await self._wait(one)
        else:
            self._busy += 1
        began_s = self._clock()
        metrics.SLOTS_BUSY.set(self._busy)
        telemetry.QUEUE_SECONDS.labels(QUEUE).observe(began_s - arrived_s)
        if call is not None:
            call.note_timing("queue", (began_s - arrived_s) * 1000)
        turn = Turn()
        try:
            yield turn
        finally:
            self._hand_on()
            held_s = self._clock() - began_s
            self._mean_hold_s = _mean(self._mean_hold_s, held_s)
            if turn.answer_tokens:
                self._mean_token_s = _mean(self._mean_token_s, held_s / turn.answer_tokens)
                if waits:
                    # A slot that nobody waited for was taken from nobody.
                    self._line.served(one, turn.answer_tokens)
            if call is not None:
                call.note_timing("compute", held_s * 1000)

    async def _wait(self, one: Waiting) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns[one] = turn
        self._line.add(one)
        self._waits(+1)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._hand_on()
            elif self._turns.pop(one, None) is not None:
                # A slot that came free in between may have taken it out already.
                self._line.remove(one)
                self._waits(-1)
            raise

    def _hand_on(self) -> None:
        """The slot goes to the next in line, or becomes free."""
        while (one := self._next()) is not None:
            turn = self._turns.pop(one)
            self._waits(-1)
            if not turn.done():
                turn.set_result(None)
                return
        self._busy -= 1
        metrics.SLOTS_BUSY.set(self._busy)

    def _next(self) -> Waiting | None:
        return self._line.take(self._clock(), self._mean_token_s, self._mean_hold_s / self._slots)

    def _waits(self, change: int) -> None:
        self._waiting += change
        telemetry.QUEUE_COST.labels(QUEUE).set(self._waiting)


def _mean(before: float, now: float) -> float:
    """Of the last ten or so."""
    return 0.9 * before + 0.1 * now if before else now
