import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.kit.batching import LOOK_AHEAD_ITEMS, Batcher
from services.kit.context import CallContext, current_call, enter_call
from services.kit.errors import EngineFailed, Overloaded


class Engine:
    """Squares numbers, one batch at a time, when it is let; keeps the batches it saw."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.let = asyncio.Event()
        self.let.set()

    async def run(self, batch: Sequence[int]) -> list[int]:
        self.batches.append(list(batch))
        await self.let.wait()
        await asyncio.sleep(0)
        return [item * item for item in batch]

    def batcher(self, max_batch_cost: int = 100, max_queue_cost: int = 10_000) -> Batcher[int, int]:
        return Batcher(self.run, cost=lambda item: item, max_batch_cost=max_batch_cost, max_queue_cost=max_queue_cost)


@settings(max_examples=60, deadline=None)
@given(
    calls=st.lists(st.lists(st.integers(1, 40), max_size=8), max_size=12),
    max_batch_cost=st.integers(1, 200),
)
def test_every_caller_gets_its_own_results_in_order_and_no_batch_is_over_budget(
    calls: list[list[int]], max_batch_cost: int
) -> None:
    async def main() -> None:
        engine = Engine()
        batcher = engine.batcher(max_batch_cost)
        results = await asyncio.gather(*(batcher.submit(items) for items in calls))
        assert results == [[item * item for item in items] for items in calls]
        assert sum(map(len, engine.batches)) == sum(map(len, calls))
        assert all(len(batch) == 1 or max(batch) * len(batch) <= max_batch_cost for batch in engine.batches)

    asyncio.run(main())


async def test_what_waits_while_the_engine_is_busy_goes_together_nearest_in_length_first() -> None:
    engine = Engine()
    engine.let.clear()
    batcher = engine.batcher(max_batch_cost=40)
    first = asyncio.create_task(batcher.submit([1]))
    while not engine.batches:
        await asyncio.sleep(0)
    waiting = [asyncio.create_task(batcher.submit([item])) for item in (10, 39, 11, 9)]
    await asyncio.sleep(0)
    engine.let.set()
    await asyncio.gather(first, *waiting)
    assert engine.batches[0] == [1]
    assert sorted(engine.batches[1]) == [9, 10, 11]
    assert engine.batches[2] == [39]


async def test_a_full_queue_is_refused_at_once_with_a_delay_and_empties_again() -> None:
    engine = Engine()
    engine.let.clear()
    batcher = engine.batcher(max_batch_cost=1, max_queue_cost=2)
    taken = [asyncio.create_task(batcher.submit([1]))]
    while not engine.batches:
        await asyncio.sleep(0)
    taken += [asyncio.create_task(batcher.submit([1])) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refused:
        await batcher.submit([1])
    assert refused.value.retry_after_s is not None
    assert refused.value.retry_after_s > 0
    engine.let.set()
    await asyncio.gather(*taken)
    assert await batcher.submit([1]) == [1]


async def test_what_nobody_waits_for_is_dropped() -> None:
    engine = Engine()
    engine.let.clear()
    batcher = engine.batcher(max_batch_cost=1)
    running = asyncio.create_task(batcher.submit([1]))
    while not engine.batches:
        await asyncio.sleep(0)
    gone = asyncio.create_task(batcher.submit([7]))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    engine.let.set()
    await running
    assert await batcher.submit([2]) == [4]
    assert [7] not in engine.batches


async def test_a_failing_batch_fails_its_callers_and_nobody_else() -> None:
    async def run(batch: Sequence[int]) -> list[int]:
        await asyncio.sleep(0)
        if 13 in batch:
            raise EngineFailed("13")
        return list(batch)

    batcher: Batcher[int, int] = Batcher(run, cost=lambda item: 1, max_batch_cost=1, max_queue_cost=100)
    results = await asyncio.gather(
        batcher.submit([1]), batcher.submit([13]), batcher.submit([2]), return_exceptions=True
    )
    assert results[0] == [1]
    assert isinstance(results[1], EngineFailed)
    assert results[2] == [2]


async def test_a_batch_belongs_to_no_single_call() -> None:
    calls: list[CallContext | None] = []

    async def run(batch: Sequence[int]) -> list[int]:
        calls.append(current_call())
        return list(batch)

    batcher: Batcher[int, int] = Batcher(run, cost=lambda item: 1, max_batch_cost=10, max_queue_cost=100)
    enter_call(CallContext(request_id="one of many"))
    assert await batcher.submit([1]) == [1]
    assert calls == [None]


async def test_a_long_queue_is_served_whole_and_within_the_budget() -> None:
    engine = Engine()
    batcher = engine.batcher(max_batch_cost=64, max_queue_cost=1_000_000)
    items = [1 + number % 7 for number in range(3 * LOOK_AHEAD_ITEMS)]
    assert await batcher.submit(items) == [item * item for item in items]
    assert all(max(batch) * len(batch) <= 64 for batch in engine.batches)
