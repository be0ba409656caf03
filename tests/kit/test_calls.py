import asyncio
import socket
from collections.abc import AsyncIterator

import grpc
import pytest
from ledge.llm.v1 import llm_pb2 as pb
from ledge.llm.v1 import llm_pb2_grpc as rpc
from prometheus_client import REGISTRY

from services.kit.config import ServiceConfig
from services.kit.errors import retry_delay_s
from services.kit.server import Server
from tests.kit.probe import ask
from tests.kit.serving import failure_of, serving


def counted(method: str, code: str) -> float:
    labels = {"service": "probe", "method": method, "code": code}
    return REGISTRY.get_sample_value("ledge_calls_total", labels) or 0.0


def order(text: str) -> pb.ChatStreamRequest:
    return pb.ChatStreamRequest(chat=ask(text))


async def test_a_caller_that_stops_reading_and_then_leaves_ends_the_stream_and_is_counted_as_cancelled() -> None:
    before = counted("ChatStream", "CANCELLED"), counted("ChatStream", "OK")
    async with serving() as probe:
        stream = probe.stub.ChatStream(order("flood"))
        await stream.read()
        stream.cancel()
        await asyncio.wait_for(probe.probe.stream_ended.wait(), 5)
        while counted("ChatStream", "CANCELLED") == before[0]:
            await asyncio.sleep(0)
    assert counted("ChatStream", "OK") == before[1]


async def test_a_stream_that_outlives_its_deadline_is_ended_by_the_service_which_says_so() -> None:
    before = counted("ChatStream", "DEADLINE_EXCEEDED")
    async with serving(deadline_slack_s=0.5) as probe:
        stream = probe.stub.ChatStream(order("hang"), timeout=1.0)
        assert (await stream.read()).delta == "x"
        error = await failure_of(stream.read())
        assert probe.probe.stream_ended.is_set()
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert error.details() == "the deadline passed before the answer was ready"
    assert counted("ChatStream", "DEADLINE_EXCEEDED") == before + 1


async def test_bytes_that_are_no_message_are_the_callers_fault() -> None:
    async with serving() as probe, grpc.aio.insecure_channel(probe.address) as bare:
        for method in ("Chat", "Tokenize"):
            error = await failure_of(bare.unary_unary(f"/ledge.llm.v1.LlmService/{method}")(b"\xff\xff\xff"))
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert error.details() == "the request is not a message of this call"
        stream = bare.unary_stream("/ledge.llm.v1.LlmService/ChatStream")(b"\xff\xff\xff")
        assert (await failure_of(stream.read())).code() is grpc.StatusCode.INVALID_ARGUMENT

        async def drafts() -> AsyncIterator[bytes]:
            yield pb.VerifyRequest(draft=pb.VerifyDraft(position=7)).SerializeToString()
            yield b"\xff\xff\xff"

        session = bare.stream_stream("/ledge.llm.v1.VerifierService/Verify")(drafts())
        assert pb.VerifyResponse.FromString(await session.read()).position == 7
        assert (await failure_of(session.read())).code() is grpc.StatusCode.INVALID_ARGUMENT
        assert await probe.order("echo fine") == "fine"


async def test_an_error_in_mid_upload_reaches_a_caller_that_is_still_sending() -> None:
    sent = 0

    async def drafts() -> AsyncIterator[pb.VerifyRequest]:
        nonlocal sent
        while True:
            sent += 1
            yield pb.VerifyRequest(draft=pb.VerifyDraft(position=sent))
            await asyncio.sleep(0)

    async with serving() as probe:
        session = rpc.VerifierServiceStub(probe.channel).Verify(drafts())
        positions = [(await session.read()).position for _ in range(12)]
        error = await failure_of(session.read())
        assert await probe.order("echo fine") == "fine"
    assert positions == list(range(1, 13))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details() == "13"


async def test_a_caller_that_sends_nothing_is_told_at_once_that_the_service_is_loading() -> None:
    server = Server("probe", ServiceConfig(settle_s=0), pb.DESCRIPTOR)
    await server.start()

    async def silence() -> AsyncIterator[pb.VerifyRequest]:
        await asyncio.sleep(30)
        yield pb.VerifyRequest()

    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        error = await failure_of(rpc.VerifierServiceStub(channel).Verify(silence(), timeout=20).read())
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert "loading" in str(error.details())
        unknown = await failure_of(channel.unary_unary("/ledge.llm.v1.LlmService/MadeUp")(b""))
        assert unknown.code() is grpc.StatusCode.UNIMPLEMENTED
    await server.stop()


async def test_methods_that_callers_make_up_leave_nothing_in_the_metrics() -> None:
    async with serving() as probe, grpc.aio.insecure_channel(probe.address) as channel:
        for method in ("/ledge.llm.v1.LlmService/MadeUp", "/made.up/MadeUp", "/MadeUp"):
            error = await failure_of(channel.unary_unary(method)(b""))
            assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    names = {sample.labels.get("method") for metric in REGISTRY.collect() for sample in metric.samples}
    assert "MadeUp" not in names


async def test_refused_calls_do_not_shorten_the_delay_that_the_next_is_told() -> None:
    async with serving(max_concurrent_calls=1) as probe:
        await probe.order("sleep 0.3")
        waiting = asyncio.ensure_future(probe.order("sleep 30"))
        while probe.probe.calls < 2:
            await asyncio.sleep(0)
        delays_s = [await told_delay_s(probe.stub) for _ in range(40)]
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert delays_s[-1] == delays_s[0]


async def told_delay_s(stub: rpc.LlmServiceStub) -> float | None:
    return retry_delay_s((await failure_of(stub.Chat(ask("echo x")))).trailing_metadata())


async def test_a_peer_that_hangs_is_named_in_the_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hung:
        port = hung.getsockname()[1]
        async with serving(deadline_slack_s=0.2) as near:
            error = await failure_of(near.stub.Chat(ask(f"call 127.0.0.1:{port} echo x"), timeout=1.0))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert error.details() == "the next hop ran out of time"


@pytest.mark.parametrize("length", [10_000, 100_000])
async def test_a_message_is_cut_to_what_travels_in_metadata(length: int) -> None:
    async with serving() as probe:
        error = await failure_of(probe.stub.Chat(ask("raise NotFound " + "ü" * length)))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert str(error.details()).startswith("üüü")
    assert len(str(error.details())) < 1200
