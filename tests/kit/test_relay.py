"""The relay of a stream: both sides' ends and failures, told as what they were."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import grpc
import pytest
from ledge.llm.v1 import llm_pb2 as pb
from ledge.llm.v1 import llm_pb2_grpc as rpc

from services.kit.errors import NotFound
from services.kit.relay import relay
from tests.kit.serving import serving


def draft(position: int) -> pb.VerifyRequest:
    return pb.VerifyRequest(draft=pb.VerifyDraft(position=position))


async def drafts(*positions: int) -> AsyncGenerator[pb.VerifyRequest]:
    for position in positions:
        yield draft(position)


async def positions(messages: AsyncGenerator[pb.VerifyRequest]) -> list[int]:
    async with serving() as probe:
        call = rpc.VerifierServiceStub(probe.channel).Verify()
        async with contextlib.aclosing(relay(call, messages)) as answers:
            return [answer.position async for answer in answers]


async def test_answers_come_as_long_as_there_are_any() -> None:
    assert await positions(drafts(1, 2, 3)) == [1, 2, 3]
    assert await positions(drafts()) == []


async def test_what_the_other_side_refuses_is_its_own_error() -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await positions(drafts(1, 13, *range(14, 500)))
    assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "13")


async def test_what_the_messages_raise_ends_the_call_with_that() -> None:
    async def failing() -> AsyncGenerator[pb.VerifyRequest]:
        yield draft(1)
        raise NotFound("nothing more")

    with pytest.raises(NotFound, match="nothing more"):
        await positions(failing())


async def test_closing_it_ends_the_messages_and_the_call() -> None:
    ended = asyncio.Event()

    async def endless() -> AsyncGenerator[pb.VerifyRequest]:
        try:
            yield draft(1)
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with serving() as probe:
        call = rpc.VerifierServiceStub(probe.channel).Verify()
        async with contextlib.aclosing(relay(call, endless())) as answers:
            assert (await anext(answers)).position == 1
        assert ended.is_set()
        assert call.cancelled()


async def test_cancelling_the_reader_is_cancellation() -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncGenerator[pb.VerifyRequest]:
        begun.set()
        await asyncio.Event().wait()
        yield draft(1)

    reading = asyncio.create_task(positions(endless()))
    await begun.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
