"""Engines in processes of their own: one caller at a time each, and one that dies fails one call."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.kit.errors import EngineFailed, Overloaded
from services.kit.worker_process import WorkerPool


@asynccontextmanager
async def workers(size: int = 1, max_waiting: int = 8, call_timeout_s: float = 20.0) -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(
        "tests.kit.echo_process", size=size, max_waiting=max_waiting, call_timeout_s=call_timeout_s, name="echo"
    )
    await pool.start()
    try:
        yield pool
    finally:
        await pool.close()


async def call(pool: WorkerPool, do: str, payload: bytes = b"", **header: str) -> tuple[int, bytes]:
    async with pool.lease() as worker:
        told, answer = await worker.call({"do": do, **header}, payload)
    return told["pid"], answer


async def test_every_caller_gets_its_own_answer() -> None:
    async with workers(size=2, max_waiting=100) as pool:
        payloads = [bytes([number]) * (number * 997) for number in range(60)]
        answers = await asyncio.gather(*(call(pool, "echo", payload) for payload in payloads))
        assert [answer for _, answer in answers] == payloads
        assert len({pid for pid, _ in answers}) == 2


async def test_a_failure_fails_its_call_only_and_tells_no_text() -> None:
    async with workers() as pool:
        with pytest.raises(EngineFailed, match="KeyError") as failure:
            await call(pool, "fail")
        assert "said" not in failure.value.message
        assert (await call(pool, "print", b"x"))[1] == b"x"


async def test_a_worker_that_dies_is_replaced() -> None:
    async with workers() as pool:
        first, _ = await call(pool, "echo")
        with pytest.raises(EngineFailed, match="died"):
            await call(pool, "die")
        second, answer = await call(pool, "echo", b"again")
        assert answer == b"again"
        assert second != first


async def test_a_worker_that_hangs_is_replaced() -> None:
    async with workers(call_timeout_s=2.0) as pool:
        with pytest.raises(EngineFailed, match="did not answer within 2 s"):
            await call(pool, "hang")
        assert (await call(pool, "echo", b"x"))[1] == b"x"


async def test_a_process_may_take_longer_to_load_than_a_call_may_take() -> None:
    async with workers(call_timeout_s=0.001) as pool:
        assert pool.idle == 1


async def test_what_a_caller_left_behind_reaches_nobody_else(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with workers() as pool:
        gone = asyncio.create_task(call(pool, "wait", b"of the one who left", file=str(gate)))
        while pool.idle:
            await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        next_one = asyncio.create_task(call(pool, "echo", b"mine"))
        gate.touch()
        assert (await next_one)[1] == b"mine"


async def test_who_is_due_first_is_served_first(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    served: list[str] = []
    now_s = time.monotonic()

    async def caller(name: str, due_s: float | None) -> None:
        async with pool.lease(due_s) as worker:
            served.append(name)
            await worker.call({"do": "echo"})

    async with workers() as pool:
        held = asyncio.create_task(call(pool, "wait", file=str(gate)))
        while pool.idle:
            await asyncio.sleep(0)
        waiting = [
            asyncio.create_task(caller(name, due_s))
            for name, due_s in (("later", now_s + 9), ("gone", now_s - 9), ("soon", now_s + 1), ("now", None))
        ]
        while pool._waiting < len(waiting):
            await asyncio.sleep(0)
        waiting[1].cancel()
        gate.touch()
        await asyncio.gather(held, *waiting, return_exceptions=True)
    assert served == ["now", "soon", "later"]


async def test_one_who_leaves_as_a_worker_comes_gives_it_on() -> None:
    async with workers() as pool:
        async with pool.lease():
            leaving = asyncio.create_task(call(pool, "echo"))
            while pool._waiting < 1:
                await asyncio.sleep(0)
        # The worker is given to the one who waits, who is gone before it can take it.
        while pool._waiters:
            await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        assert (await call(pool, "echo", b"mine"))[1] == b"mine"


async def test_past_the_bound_callers_are_refused_at_once(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with workers(max_waiting=2) as pool:
        held = [asyncio.create_task(call(pool, "wait", file=str(gate))) for _ in range(3)]
        while pool._waiting < 2:
            await asyncio.sleep(0)
        with pytest.raises(Overloaded) as refused:
            await call(pool, "echo")
        assert refused.value.retry_after_s > 0
        gate.touch()
        await asyncio.gather(*held)


async def test_a_module_that_cannot_run_is_told_at_the_start() -> None:
    pool = WorkerPool("tests.kit.no_such_module", size=2, max_waiting=1, name="none")
    with pytest.raises(EngineFailed, match="died"):
        await pool.start()
