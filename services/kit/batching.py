"""A dynamic batcher: many callers' items, one engine call, bounded by cost.

While the engine is busy items wait; when a worker is free it takes the oldest
item and fills the batch with the waiting ones nearest to it in cost, so that
little is lost to padding. An idle engine is never kept waiting.
"""

import asyncio
import contextvars
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.kit import telemetry
from services.kit.context import CallContext, current_call
from services.kit.errors import EngineFailed, Overloaded

Item = TypeVar("Item")
Result = TypeVar("Result")

LOOK_AHEAD_ITEMS = 2048
"""How many of the oldest items a batch is chosen from: enough to find neighbours, few enough to hold nobody up."""


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Item, Result]):
    item: Item
    cost: int
    since_s: float
    call: CallContext | None
    result: "asyncio.Future[Result]"


class Batcher(Generic[Item, Result]):
    """Batches the calls of one event loop. Share one among all handlers of an engine.

    Args:
        run: the engine call; takes a batch, answers with one result an item, in order.
        cost: cost of an item in any unit (tokens, audio milliseconds), at least 1.
        max_batch_cost: most that a batch may cost, padding included: items × the dearest item.
            A single item that costs more runs alone.
        max_queue_cost: most that waiting items may cost together; past it `submit` raises Overloaded.
        workers: engine calls at a time.
        name: label of the metrics.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        cost: Callable[[Item], int],
        max_batch_cost: int,
        max_queue_cost: int,
        workers: int = 1,
        name: str = "batch",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._cost = cost
        self._max_batch_cost = max_batch_cost
        self._max_queue_cost = max_queue_cost
        self._workers = self._idle_workers = workers
        self._name = name
        self._queue_cost = telemetry.QUEUE_COST.labels(name)
        self._queue_seconds = telemetry.QUEUE_SECONDS.labels(name)
        self._batch_items = telemetry.BATCH_ITEMS.labels(name)
        self._clock = clock
        self._waiting: list[_Waiting[Item, Result]] = []
        self._queued_cost = 0
        self._cost_per_s = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, items: Sequence[Item]) -> list[Result]:
        """Answers with one result an item, in order.

        Raises:
            Overloaded: the queue is full; says after how long it may have drained.
            Whatever `run` raised for the batch that an item was in.
        """
        if not items:
            return []
        costs = [max(1, self._cost(item)) for item in items]
        self._admit(sum(costs))
        loop = asyncio.get_running_loop()
        now_s = self._clock()
        waiting = [
            _Waiting(item, cost, now_s, current_call(), loop.create_future())
            for item, cost in zip(items, costs, strict=True)
        ]
        self._waiting += waiting
        self._changed(sum(costs))
        self._start_workers()
        try:
            if len(waiting) == 1:
                return [await waiting[0].result]
            return list(await asyncio.gather(*(entry.result for entry in waiting)))
        finally:
            # The caller is gone, or one item failed: whoever still waits is dropped.
            if any([entry.result.cancel() or entry.result.cancelled() for entry in waiting]):
                self._drop_cancelled()

    def _admit(self, cost: int) -> None:
        if self._waiting and self._queued_cost + cost > self._max_queue_cost:
            delay_s = self._queued_cost / (self._cost_per_s * self._workers) if self._cost_per_s else 1.0
            raise Overloaded(f"the {self._name} queue is full", retry_after_s=min(60.0, max(0.05, delay_s)))

    def _changed(self, cost: int) -> None:
        self._queued_cost += cost
        self._queue_cost.set(self._queued_cost)

    def _drop_cancelled(self) -> None:
        dropped = sum(entry.cost for entry in self._waiting if entry.result.done())
        if dropped:
            self._waiting = [entry for entry in self._waiting if not entry.result.done()]
            self._changed(-dropped)

    def _start_workers(self) -> None:
        while self._idle_workers and self._waiting:
            self._idle_workers -= 1
            # In a context of its own: a batch belongs to many calls, not to the one that found the engine idle.
            task = asyncio.get_running_loop().create_task(self._work(), context=contextvars.Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        try:
            while batch := self._take():
                await self._compute(batch)
        finally:
            self._idle_workers += 1

    def _take(self) -> list[_Waiting[Item, Result]]:
        """The oldest item and its nearest in cost, as many as the padded budget holds."""
        if not self._waiting:
            return []
        seen, unseen = self._waiting[:LOOK_AHEAD_ITEMS], self._waiting[LOOK_AHEAD_ITEMS:]
        oldest = seen[0]
        by_distance = sorted(seen, key=lambda entry: (entry is not oldest, abs(entry.cost - oldest.cost)))
        batch: list[_Waiting[Item, Result]] = []
        dearest = 0
        for entry in by_distance:
            padded = max(dearest, entry.cost) * (len(batch) + 1)
            if batch and padded > self._max_batch_cost:
                break
            batch.append(entry)
            dearest = max(dearest, entry.cost)
        taken = set(map(id, batch))
        self._waiting = [entry for entry in seen if id(entry) not in taken] + unseen
        self._changed(-sum(entry.cost for entry in batch))
        return batch

    async def _compute(self, batch: list[_Waiting[Item, Result]]) -> None:
        started_s = self._clock()
        for entry in batch:
            self._queue_seconds.observe(started_s - entry.since_s)
            if entry.call is not None:
                entry.call.note_timing("queue", (started_s - entry.since_s) * 1000)
        self._batch_items.observe(len(batch))
        try:
            results = await self._run([entry.item for entry in batch])
            if len(results) != len(batch):
                raise EngineFailed(f"{self._name}: {len(results)} results for {len(batch)} items")
        except Exception as error:
            for entry in batch:
                if not entry.result.done():
                    entry.result.set_exception(error)
            return
        except asyncio.CancelledError:
            for entry in batch:
                entry.result.cancel()
            raise
        elapsed_s = max(1e-6, self._clock() - started_s)
        rate = sum(entry.cost for entry in batch) / elapsed_s
        self._cost_per_s = rate if not self._cost_per_s else 0.8 * self._cost_per_s + 0.2 * rate
        for entry, result in zip(batch, results, strict=True):
            if entry.call is not None:
                entry.call.note_timing("compute", elapsed_s * 1000)
            if not entry.result.done():
                entry.result.set_result(result)
