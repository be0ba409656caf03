"""Budgets hold under concurrency, and what is spent is what was used."""

import asyncio
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledge.hybrid.v1 import hybrid_pb2
from ledge.llm.v1 import llm_pb2 as pb

from services.hybrid.budget import Budget, Reservation
from tests.hybrid.conftest import BIG, Pair, asked, chat, hybrid_over, status_of, streamed, stub_of
from tests.processes import service


@given(
    bound=st.integers(0, 200),
    steps=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.booleans()), max_size=60),
)
def test_what_is_spent_never_exceeds_the_bound(bound: int, steps: list[tuple[int, int, bool]]) -> None:
    budget = Budget(60, clock=lambda: 0.0)
    open_: list[tuple[Reservation, int]] = []
    used = 0
    for wanted, spent, end in steps:
        reservation = budget.reserve("a", None, bound, wanted)
        if reservation is not None:
            open_.append((reservation, min(spent, wanted)))
        if end and open_:
            ending, used_now = open_.pop(0)
            ending.settle(used_now)
            used += used_now
        _, left = budget.left("a", None, bound)
        assert left is not None
        assert 0 <= left <= bound - used
    for ending, used_now in open_:
        ending.settle(used_now)
        used += used_now
    assert budget.left("a", None, bound)[1] == bound - used


def test_a_window_begins_with_nothing_spent() -> None:
    now = [0.0]
    budget = Budget(10, clock=lambda: now[0])
    assert budget.reserve("a", 1, None, 5) is not None
    assert budget.reserve("a", 1, None, 5) is None
    now[0] = 9.9
    assert budget.left("a", 1, None) == (0, None)
    now[0] = 10.0
    assert budget.left("a", 1, None) == (1, None)
    assert budget.window_ends_in_s() == 10


def test_tenants_spend_for_themselves() -> None:
    budget = Budget(10)
    assert budget.reserve("a", 1, None, 0) is not None
    assert budget.reserve("b", 1, None, 0) is not None
    assert budget.reserve("a", 1, None, 0) is None


def test_a_call_that_was_not_made_is_given_back_whole() -> None:
    budget = Budget(10)
    reservation = budget.reserve("a", 1, 100, 100)
    assert reservation is not None
    reservation.cancel()
    assert budget.left("a", 1, 100) == (1, 100)


async def test_calls_side_by_side_make_no_more_calls_than_there_are(pair: Pair) -> None:
    with hybrid_over(pair.little.address, pair.wire.address, LEDGE_CLOUD_CALLS="7", LEDGE_MODE="cloud") as process:
        async with stub_of(process) as llm:
            before = len(pair.wire.up)
            told = await asyncio.gather(*(streamed(llm, chat(f"budgeted-{number}")) for number in range(40)))
            assert [one.by for one in told].count("big") == 7
            assert {one.why for one in told if one.by == "little"} == {"budget"}
            assert pair.wire.up[before:].count(b"budgeted-") == 7
            async with status_of(process) as status:
                assert (await status.GetStatus(hybrid_pb2.GetStatusRequest())).calls_left == 0
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await llm.Chat(chat("hello", model="large"))
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_tokens_of_calls_side_by_side_stay_within_the_budget(pair: Pair) -> None:
    with hybrid_over(pair.little.address, pair.wire.address, LEDGE_CLOUD_TOKENS="2000", LEDGE_MODE="cloud") as process:
        async with stub_of(process) as llm:
            told = await asyncio.gather(*(asked(llm, chat("how are you")) for _ in range(40)))
            spent = sum(int(one.notes["ledge-hybrid-big-tokens"]) for one in told if one.by == "big")
            assert 0 < spent <= 2000
            assert any(one.why == "budget" for one in told)
            async with status_of(process) as status:
                left = (await status.GetStatus(hybrid_pb2.GetStatusRequest())).tokens_left
            assert left == 2000 - spent


async def test_of_an_answer_that_its_caller_leaves_the_rest_is_given_back(pair: Pair) -> None:
    whole, most = 5000, 4000
    settings = {"LEDGE_CLOUD_TOKENS": str(whole), "LEDGE_MODE": "cloud"}
    with (
        service("llm", **BIG, LEDGE_SCRIPT_TOKENS_PER_S="20") as big,
        hybrid_over(pair.little.address, big.address, **settings) as process,
    ):
        async with stub_of(process) as llm, status_of(process) as status:

            async def spent() -> int:
                return whole - int((await status.GetStatus(hybrid_pb2.GetStatusRequest())).tokens_left)

            endless = chat("ends", sampling=pb.Sampling(temperature=0, max_tokens=most))
            call = llm.ChatStream(pb.ChatStreamRequest(chat=endless))
            told = (await call.read()).delta
            assert await spent() >= most
            call.cancel()
            async with asyncio.timeout(20):
                while await spent() >= most:
                    pass
            # What was said, and at most what the prompt may have been.
            assert len(told) < await spent() < 1000


async def test_a_tenants_own_budget_is_its_own(pair: Pair, tmp_path: Any) -> None:
    file = tmp_path / "tenants.yaml"
    file.write_text("tenants:\n  poor: {mode: cloud, cloud_calls: 1}\n  rich: {mode: cloud}\n")
    keys = {"LEDGE_API_KEYS": "poor=p,rich=r", "LEDGE_TENANTS_FILE": str(file)}
    with hybrid_over(pair.little.address, pair.wire.address, **keys) as process:
        async with stub_of(process) as llm:
            poor = [(await asked(llm, chat("short"), authorization="Bearer p")).by for _ in range(3)]
            rich = [(await asked(llm, chat("short"), authorization="Bearer r")).by for _ in range(3)]
            assert poor == ["big", "little", "little"]
            assert rich == ["big", "big", "big"]
