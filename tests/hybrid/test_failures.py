"""A big model that is down, slow or wrong: the little one answers, and says so."""

import asyncio
import time
from typing import Any

import grpc
import pytest
from ledge.hybrid.v1 import hybrid_pb2
from ledge.llm.v1 import llm_pb2 as pb

from tests.hybrid.conftest import BIG, BOTH_WAYS, LITTLE, Pair, asked, chat, hybrid_over, status_of, streamed, stub_of
from tests.hybrid.strange_big import strange_big
from tests.hybrid.wire import wire_to
from tests.processes import service

NOWHERE = "127.0.0.1:1"


@BOTH_WAYS
async def test_a_big_model_that_is_down_is_answered_for(pair: Pair, ask: Any) -> None:
    with hybrid_over(pair.little.address, NOWHERE) as process:
        async with stub_of(process) as llm:
            for mode in ("cloud", "guide", "route"):
                told = await ask(llm, chat("hello", mode, threshold=-1))
                assert (told.text, told.by, told.why) == ("the little one: hello", "little", "big-down")
            told = await ask(llm, chat("hello", "cascade", threshold=0.5))
            assert (told.text, told.by, told.why) == ("the little one: hello", "little", "big-down")
        async with status_of(process) as status:
            assert (await status.GetStatus(hybrid_pb2.GetStatusRequest())).big == "down"


async def test_without_a_big_model_every_mode_is_the_little_one(pair: Pair) -> None:
    with hybrid_over(pair.little.address, None, LEDGE_MODE="cloud") as process:
        async with stub_of(process) as llm:
            for mode in ("", "cloud", "guide", "bild"):
                told = await asked(llm, chat("hello", mode))
                assert (told.text, told.by, told.why) == ("the little one: hello", "little", "no-big")


@BOTH_WAYS
async def test_a_big_model_that_is_slow_is_answered_for_and_then_left_alone(pair: Pair, ask: Any) -> None:
    with hybrid_over(pair.little.address, pair.wire.address, LEDGE_BIG_FIRST_TOKEN_S="0.3") as process:
        async with stub_of(process) as llm:
            told = await ask(llm, chat("slow", "cloud"))
            assert (told.text, told.by, told.why) == ("the little one: slow", "little", "big-slow")
            began_s = time.monotonic()
            told = await ask(llm, chat("slow", "cloud"))
            assert (told.by, told.why) == ("little", "big-slow")
            assert time.monotonic() - began_s < 0.3


async def test_a_caller_with_little_time_is_answered_and_takes_the_big_model_from_nobody_else(pair: Pair) -> None:
    with hybrid_over(pair.little.address, pair.wire.address) as process:
        async with stub_of(process) as llm:
            hurried = await llm.Chat(chat("slow", "cloud"), timeout=2)
            assert hurried.choices[0].message.content == "the little one: slow"
            other = await asked(llm, chat("short", "cloud"))
            assert (other.text, other.by) == ("Yes.", "big")


@BOTH_WAYS
async def test_a_big_model_that_breaks_off_is_an_error_and_no_mixture(llm: Any, ask: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await ask(llm, chat("breaks", "cloud"))
    assert failed.value.code() is grpc.StatusCode.INTERNAL


@BOTH_WAYS
async def test_a_big_model_that_says_nothing_is_answered_for(pair: Pair, ask: Any) -> None:
    async with strange_big() as silent:
        with hybrid_over(pair.little.address, silent.address) as process:
            async with stub_of(process) as llm:
                for mode in ("cloud", "guide"):
                    told = await ask(llm, chat("hello", mode))
                    assert (told.text, told.by, told.why) == ("the little one: hello", "little", "big-failed")


@BOTH_WAYS
async def test_what_the_big_model_refuses_as_wrong_is_wrong(llm: Any, ask: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ask(llm, chat("hello", "cloud", sampling=pb.Sampling(temperature=9)))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "temperature" in str(refused.value.details())


async def test_a_big_model_that_comes_back_is_used_again(pair: Pair) -> None:
    with wire_to(pair.big.address) as wire, hybrid_over(pair.little.address, wire.address) as process:
        async with stub_of(process) as llm:
            assert (await asked(llm, chat("short", "cloud"))).by == "big"
            wire.cut()
            # The connection is made anew; a call in the gap is answered by the little one.
            async with asyncio.timeout(30):
                while (await asked(llm, chat("short", "cloud"))).by != "big":
                    await asyncio.sleep(0.1)


async def test_leaving_a_stream_frees_the_big_models_slot(pair: Pair) -> None:
    with service("llm", **BIG, LEDGE_SLOTS="1") as big, hybrid_over(pair.little.address, big.address) as process:
        async with stub_of(process) as llm:
            endless = chat("ends", "cloud", sampling=pb.Sampling(temperature=0))
            for _ in range(3):
                call = llm.ChatStream(pb.ChatStreamRequest(chat=endless))
                assert (await call.read()).delta
                call.cancel()
            assert (await asked(llm, chat("short", "cloud"))).text == "Yes."


async def test_leaving_a_stream_frees_the_little_models_slot(pair: Pair) -> None:
    with service("llm", **LITTLE, LEDGE_SLOTS="1") as little, hybrid_over(little.address, None) as process:
        async with stub_of(process) as llm:
            for _ in range(3):
                call = llm.ChatStream(pb.ChatStreamRequest(chat=chat("ends", sampling=pb.Sampling())))
                assert (await call.read()).delta
                call.cancel()
            assert (await streamed(llm, chat("short"))).text == "the little one: short"
