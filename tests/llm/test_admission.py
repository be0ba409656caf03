"""The queue by itself: whatever happens, no slot is lost and none is given twice."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.kit.context import CallContext, enter_call
from services.kit.errors import Overloaded
from services.llm.admission import Admission

STEPS = st.lists(
    st.tuples(st.sampled_from(["come", "go", "cancel"]), st.integers(-3, 3), st.integers(0, 30)), max_size=60
)


class Turns:
    """Callers of an Admission: each holds its turn until it is told to go."""

    def __init__(self, slots: int, max_waiting: int) -> None:
        self.admission = Admission(slots, max_waiting)
        self.running: list[tuple[int, asyncio.Event]] = []
        self.tasks: list[asyncio.Task[None]] = []

    def come(self, priority: int) -> None:
        self.tasks.append(asyncio.create_task(self._hold(priority)))

    async def _hold(self, priority: int) -> None:
        go = asyncio.Event()
        async with self.admission.turn(priority):
            entry = (priority, go)
            self.running.append(entry)
            try:
                await go.wait()
            finally:
                self.running.remove(entry)

    async def settle(self) -> None:
        """Lets everything that can happen happen."""
        for _ in range(10):
            await asyncio.sleep(0)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, slots=st.integers(1, 3), max_waiting=st.integers(0, 4))
def test_slots_are_neither_lost_nor_given_twice(
    steps: list[tuple[str, int, int]], slots: int, max_waiting: int
) -> None:
    async def play() -> None:
        turns = Turns(slots, max_waiting)
        for step, priority, which in steps:
            alive = [task for task in turns.tasks if not task.done()]
            if step == "come":
                turns.come(priority)
            elif step == "go" and turns.running:
                turns.running[which % len(turns.running)][1].set()
            elif step == "cancel" and alive:
                alive[which % len(alive)].cancel()
            if which % 2:
                await turns.settle()
            assert len(turns.running) <= slots
        await turns.settle()
        alive = [task for task in turns.tasks if not task.done()]
        assert len(turns.running) == min(slots, len(alive)), "a slot is free while somebody waits"
        assert len(alive) <= slots + max_waiting
        while turns.running:
            turns.running[0][1].set()
            await turns.settle()
        ended = await asyncio.gather(*turns.tasks, return_exceptions=True)
        assert all(one is None or isinstance(one, Overloaded | asyncio.CancelledError) for one in ended)
        turns.admission.check(slots + max_waiting)
        with pytest.raises(Overloaded):
            turns.admission.check(slots + max_waiting + 1)

    asyncio.run(play())


async def test_the_delay_follows_from_how_long_answers_hold_their_slot() -> None:
    now_s = 0.0
    admission = Admission(slots=2, max_waiting=0, clock=lambda: now_s)
    async with admission.turn():
        now_s = 8.0
    async with admission.turn(), admission.turn():
        with pytest.raises(Overloaded) as caught:
            admission.check(1)
    # Two slots that are held for 8 s each: one comes free every 4 s.
    assert caught.value.retry_after_s == pytest.approx(4.0)


async def test_a_slot_that_nobody_waited_for_is_not_held_against_its_tenant() -> None:
    admission = Admission(slots=1, max_waiting=20)
    served: list[str] = []

    async def answer(tenant: str, tokens: int) -> None:
        enter_call(CallContext(tenant=tenant))
        async with admission.turn(predicted_tokens=10.0) as turn:
            turn.answer_tokens = tokens
            served.append(tenant)

    async def in_line(tenants: str) -> None:
        async with admission.turn():
            tasks = [asyncio.create_task(answer(tenant, 10)) for tenant in tenants]
            while len(admission._line) < len(tenants):
                await asyncio.sleep(0)
        await asyncio.gather(*tasks)

    await in_line("ab")
    for _ in range(10):
        await asyncio.create_task(answer("a", 100))
    served.clear()
    await in_line("aaabbb")
    assert served == list("ababab")
