import asyncio
import json
from pathlib import Path

import grpc
import psutil
import pytest
from ledge.llm.v1 import llm_pb2 as pb
from ledge.llm.v1 import llm_pb2_grpc as rpc
from ledge.rag.v1 import rag_pb2

from services.kit.client import connect, service_config
from services.kit.config import ServiceConfig
from services.kit.server import Server
from tests.kit.probe import Probe, ask
from tests.kit.serving import failure_of, serving


async def test_a_deadline_shrinks_over_two_hops() -> None:
    async with serving() as far, serving() as middle, serving() as near:
        order = f"call {middle.address} call {far.address} sleep 0"
        left_s = float(await near.order(order, timeout=5.0))
    slack_s = ServiceConfig().deadline_slack_s
    assert 4.0 < left_s < 5.0 - 2 * slack_s


async def test_a_deadline_that_ends_two_hops_away_is_too_slow_and_says_where() -> None:
    async with serving() as far, serving(deadline_slack_s=0.4) as near:
        error = await failure_of(near.stub.Chat(ask(f"call {far.address} sleep 30"), timeout=1.0))
        await asyncio.wait_for(far.probe.cancelled.wait(), 5)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert error.details() in ("the next hop ran out of time", "the deadline passed before the answer was ready")


async def test_cancelling_a_call_cancels_the_work_two_hops_away() -> None:
    async with serving() as far, serving() as middle, serving() as near:
        call = near.stub.Chat(ask(f"call {middle.address} call {far.address} sleep 30"))
        while not far.probe.calls:
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait_for(far.probe.cancelled.wait(), 5)


async def test_request_id_tenant_and_trace_travel_with_the_call() -> None:
    peer = ServiceConfig(peer_api_key="p")
    async with (
        serving(api_keys="peer=p,ada=a") as far,
        serving(client=peer, api_keys="ada=a") as near,
    ):
        trace_id = "0af7651916cd43dd8448eb211c80319c"
        metadata = [
            ("authorization", "Bearer a"),
            ("ledge-request-id", "my-request"),
            ("traceparent", f"00-{trace_id}-b7ad6b7169203331-00"),
        ]
        bare = rpc.LlmServiceStub(grpc.aio.insecure_channel(near.address))
        response = await bare.Chat(ask(f"call {far.address} seen"), metadata=metadata)
    assert response.choices[0].message.content == f"my-request ada {trace_id}"


async def test_only_a_peer_may_speak_for_another_tenant() -> None:
    async with serving(api_keys="ada=a") as probe:
        bare = rpc.LlmServiceStub(grpc.aio.insecure_channel(probe.address))
        metadata = [("authorization", "Bearer a"), ("ledge-tenant", "bob")]
        response = await bare.Chat(ask("seen"), metadata=metadata)
    assert response.choices[0].message.content.split()[1] == "ada"


async def test_an_idempotent_call_is_retried_until_the_service_is_there() -> None:
    async with serving() as probe:
        await probe.stub.ListModels(pb.ListModelsRequest())
        assert probe.probe.calls == 3


async def test_a_call_of_an_awaited_peer_waits_until_somebody_is_there() -> None:
    async with serving() as gone:
        address, port = gone.address, gone.server.port
    waiting = connect(address, ServiceConfig(awaited_peers=(address,)), pb.DESCRIPTOR)
    async with waiting:
        calls = [rpc.LlmServiceStub(waiting).Chat(ask("sleep 0"), timeout=20.0) for _ in range(3)]
        # Others are told at once, so by now the calls above are known to wait.
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            async with connect(address, ServiceConfig(), pb.DESCRIPTOR) as impatient:
                await rpc.LlmServiceStub(impatient).Chat(ask("sleep 0"), timeout=20.0)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert not any(call.done() for call in calls)
        async with serving(port=port):
            assert len(await asyncio.gather(*calls)) == 3


async def test_an_awaited_peer_is_not_awaited_beyond_the_deadline() -> None:
    async with serving() as gone:
        address = gone.address
    async with connect(address, ServiceConfig(awaited_peers=(address,)), pb.DESCRIPTOR) as waiting:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await rpc.LlmServiceStub(waiting).Chat(ask("sleep 0"), timeout=0.5)
    assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_call_of_a_peer_that_was_just_there_waits_until_it_is_there_again() -> None:
    async with serving() as gone:
        address, port = gone.address, gone.server.port
    async with connect(address, ServiceConfig(peer_wait_s=20), pb.DESCRIPTOR) as channel:
        stub = rpc.LlmServiceStub(channel)
        calls = [stub.Chat(ask("sleep 0"), timeout=20.0) for _ in range(3)]
        async with serving(port=port):
            assert len(await asyncio.gather(*calls)) == 3
        calls = [stub.Chat(ask("sleep 0"), timeout=20.0) for _ in range(3)]
        async with serving(port=port):
            assert len(await asyncio.gather(*calls)) == 3


async def test_a_peer_that_vanishes_long_after_the_first_call_is_waited_for_as_well() -> None:
    async with serving() as gone, connect(gone.address, ServiceConfig(peer_wait_s=0.5), pb.DESCRIPTOR) as channel:
        stub, port = rpc.LlmServiceStub(channel), gone.server.port
        await stub.Chat(ask("sleep 0"), timeout=20.0)
        await asyncio.sleep(0.6)
        await gone.server.stop()
        call = stub.Chat(ask("sleep 0"), timeout=20.0)
        async with serving(port=port):
            await call


async def test_a_peer_that_loads_gets_no_call_until_it_serves() -> None:
    server = Server("probe", ServiceConfig(settle_s=0), pb.DESCRIPTOR)
    await server.start()
    probe = Probe(ServiceConfig())
    async with connect(f"127.0.0.1:{server.port}", ServiceConfig(peer_wait_s=20), pb.DESCRIPTOR) as channel:
        call = rpc.LlmServiceStub(channel).Chat(ask("sleep 0"), timeout=20.0)
        async with connect(f"127.0.0.1:{server.port}", ServiceConfig(), pb.DESCRIPTOR) as unaware:
            error = await failure_of(rpc.LlmServiceStub(unaware).Chat(ask("sleep 0"), timeout=20.0))
            assert "loading" in str(error.details())
        assert not call.done()

        async def build() -> Probe:
            return probe

        await server.load(build)
        await call
    await server.stop()


def connections(port: int) -> set[int]:
    """The callers' ports of all connections to a port."""
    all_of_them = psutil.Process().net_connections("tcp")
    return {each.laddr.port for each in all_of_them if each.raddr and each.raddr.port == port}


async def test_callers_connect_anew_when_a_connection_is_old_and_lose_nothing(tmp_path: Path) -> None:
    go = tmp_path / "go"
    async with serving(connection_age_s=0.5) as probe:
        stream = aiter(probe.stub.ChatStream(pb.ChatStreamRequest(chat=ask(f"echo {go} one two three"))))
        assert (await anext(stream)).delta == "one"
        first = connections(probe.server.port)
        while not connections(probe.server.port) - first:
            await probe.order("echo still answered")
        go.touch()
        assert [part.delta async for part in stream] == ["two", "three"]


async def test_a_peer_that_stays_away_is_told_at_once() -> None:
    async with serving() as gone:
        address = gone.address
    async with connect(address, ServiceConfig(peer_wait_s=0.2), pb.DESCRIPTOR) as channel:
        stub = rpc.LlmServiceStub(channel)
        first = await failure_of(stub.Chat(ask("sleep 0"), timeout=0.5))
        assert first.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        second = await failure_of(stub.Chat(ask("sleep 0"), timeout=20.0))
        assert second.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_peer_without_which_work_goes_on_is_not_awaited() -> None:
    async with serving() as gone:
        address = gone.address
    config = ServiceConfig(peer_wait_s=20)
    async with connect(address, config, pb.DESCRIPTOR, dispensable=True) as channel:
        error = await failure_of(rpc.LlmServiceStub(channel).Chat(ask("sleep 0"), timeout=20.0))
    assert error.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_server_that_ends_does_not_wait_for_those_who_watch_its_health() -> None:
    async with (
        serving(drain_s=600) as probe,
        connect(probe.address, ServiceConfig(peer_wait_s=20), pb.DESCRIPTOR) as channel,
    ):
        await rpc.LlmServiceStub(channel).Chat(ask("sleep 0"), timeout=20.0)
        async with asyncio.timeout(30):
            await probe.server.close(600)


async def test_a_call_with_effects_is_never_sent_twice() -> None:
    async with serving() as probe:
        error = await failure_of(probe.stub.Chat(ask("raise NotReady busy")))
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert probe.probe.calls == 1


def test_retries_follow_the_contract() -> None:
    methods = {
        (name["service"], name["method"])
        for config in json.loads(service_config(rag_pb2.DESCRIPTOR))["methodConfig"]
        for name in config["name"]
    }
    assert ("ledge.rag.v1.RagService", "Search") in methods
    assert ("ledge.rag.v1.RagService", "DeleteDocument") not in methods
    assert ("ledge.rag.v1.RagService", "Answer") not in methods


async def test_calls_are_spread_over_all_addresses() -> None:
    async with serving() as one, serving() as two:
        target = f"ipv4:{one.address},{two.address}"
        async with connect(target, ServiceConfig(), pb.DESCRIPTOR) as channel:
            stub = rpc.LlmServiceStub(channel)
            while not (one.probe.calls and two.probe.calls):
                await stub.Chat(ask("echo x"), timeout=5)
            before = (one.probe.calls, two.probe.calls)
            for _ in range(20):
                await stub.Chat(ask("echo x"))
            assert (one.probe.calls, two.probe.calls) == (before[0] + 10, before[1] + 10)


@pytest.mark.parametrize("callers", [100])
async def test_a_hundred_callers_each_get_their_own_answer(callers: int) -> None:
    async with serving() as probe:
        answers = await asyncio.gather(*(probe.order(f"echo {number}") for number in range(callers)))
    assert answers == [str(number) for number in range(callers)]
