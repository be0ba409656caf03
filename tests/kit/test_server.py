import asyncio
import gc
import socket
import subprocess
import sys
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from ledge.llm.v1 import llm_pb2 as pb
from ledge.llm.v1 import llm_pb2_grpc as rpc

from services.kit.config import ServiceConfig
from services.kit.errors import EngineFailed
from services.kit.server import Server, serve
from tests.kit.probe import Probe, ask
from tests.kit.serving import NAME, NOT_SERVING, SERVING, failure_of, health, serving
from tests.processes import ROOT, ServiceProcess


async def test_while_the_model_loads_the_service_lives_and_is_not_ready() -> None:
    config = ServiceConfig(settle_s=0)
    server = Server("probe", config, pb.DESCRIPTOR)
    await server.start()
    loaded = asyncio.Event()

    async def build() -> Probe:
        await loaded.wait()
        return Probe(config)

    loading = asyncio.create_task(server.load(build))
    ops = f"http://127.0.0.1:{server.ops_port}/v1/health"
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel, httpx.AsyncClient() as http:
        assert await health(channel, "") == SERVING
        assert await health(channel) == NOT_SERVING
        assert (await http.get(f"{ops}/live")).status_code == 200
        assert (await http.get(f"{ops}/ready")).status_code == 503
        error = await failure_of(rpc.LlmServiceStub(channel).Chat(ask("echo x")))
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert "loading" in str(error.details())
        unknown = await failure_of(channel.unary_unary("/ledge.no.v1.NoService/No")(b""))
        assert unknown.code() is grpc.StatusCode.UNIMPLEMENTED

        loaded.set()
        await loading
        assert await health(channel) == SERVING
        assert (await http.get(f"{ops}/ready")).json()["ready"] is True
        await rpc.LlmServiceStub(channel).Chat(ask("echo x"))
    await server.stop()


async def test_reflection_lists_the_service() -> None:
    async with serving() as probe, grpc.aio.insecure_channel(probe.address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        async for response in stub.ServerReflectionInfo(iter([request])):
            names = {service.name for service in response.list_services_response.service}
            assert {NAME, "grpc.health.v1.Health"} <= names
            break


async def test_sigterm_in_mid_stream_finishes_the_stream_and_calls_in_the_settle_time_succeed(tmp_path: Path) -> None:
    go = tmp_path / "go"
    process = ServiceProcess("probe", {"LEDGE_SETTLE_S": "1.0"}, module="tests.kit.probe").wait_ready()
    try:
        async with grpc.aio.insecure_channel(process.address) as channel:
            stub = rpc.LlmServiceStub(channel)
            stream = stub.ChatStream(pb.ChatStreamRequest(chat=ask(f"echo {go} one two three")))
            responses = aiter(stream)
            words = [(await anext(responses)).delta]
            process.terminate()
            await asyncio.to_thread(process.wait_for, "draining")
            assert await health(channel) == NOT_SERVING
            await stub.Chat(ask("echo still taken"))
            go.touch()
            async for response in responses:
                words.append(response.delta)
            assert words == ["one", "two", "three"]
            assert await stream.code() is grpc.StatusCode.OK
        assert await asyncio.to_thread(process.wait) == 0
    finally:
        process.close()


async def test_a_stream_that_outlasts_the_settle_time_is_finished(tmp_path: Path) -> None:
    go = tmp_path / "go"
    process = ServiceProcess("probe", {"LEDGE_SETTLE_S": "0"}, module="tests.kit.probe").wait_ready()
    try:
        async with grpc.aio.insecure_channel(process.address) as channel:
            stub = rpc.LlmServiceStub(channel)
            responses = aiter(stub.ChatStream(pb.ChatStreamRequest(chat=ask(f"echo {go} one two three"))))
            words = [(await anext(responses)).delta]
            process.terminate()
            while (code := await stub.Chat(ask("echo still taken")).code()) is grpc.StatusCode.OK:
                pass
            # Without a settle time a call may reach the server as it closes its door: that one is cancelled.
            assert code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
            go.touch()
            async for response in responses:
                words.append(response.delta)
            assert words == ["one", "two", "three"]
        assert await asyncio.to_thread(process.wait) == 0
    finally:
        process.close()


async def test_no_call_is_lost_while_a_service_drains() -> None:
    process = ServiceProcess("probe", {"LEDGE_SETTLE_S": "0.3"}, module="tests.kit.probe").wait_ready()
    failures: list[grpc.aio.AioRpcError] = []
    answered = 0
    draining = asyncio.Event()

    async def caller(stub: rpc.LlmServiceStub) -> None:
        nonlocal answered
        while not draining.is_set():
            try:
                await stub.Chat(ask("sleep 0.02"))
                answered += 1
            except grpc.aio.AioRpcError as error:
                failures.append(error)

    try:
        async with grpc.aio.insecure_channel(process.address) as channel:
            stub = rpc.LlmServiceStub(channel)
            callers = [asyncio.create_task(caller(stub)) for _ in range(16)]
            while answered < 32:
                await asyncio.sleep(0)
            process.terminate()
            await asyncio.to_thread(process.wait_for, "draining")
            draining.set()
            await asyncio.gather(*callers)
        assert not failures
        assert await asyncio.to_thread(process.wait) == 0
    finally:
        process.close()


def start_failing(**settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.kit.probe"],
        env={"PATH": "/usr/bin:/bin", **settings},
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("setting", ["LEDGE_PORT", "LEDGE_OPS_PORT"])
def test_a_busy_port_is_one_sentence_that_says_what_to_do(setting: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = start_failing(**{setting: str(port)})
    assert ended.returncode == 2
    sentence = [line for line in ended.stderr.splitlines() if line.startswith("bad configuration")]
    assert len(sentence) == 1
    assert str(port) in sentence[0]
    assert setting in sentence[0]
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"LEDGE_PORT": "high"}, "LEDGE_PORT"),
        ({"LEDGE_SETTLE_S": "-1"}, "LEDGE_SETTLE_S"),
        ({"LEDGE_TLS_CERT_FILE": "/dev/null"}, "LEDGE_TLS_KEY_FILE"),
        ({"LEDGE_API_KEYS_FILE": "/no/such/file"}, "/no/such/file"),
        ({"LEDGE_API_KEYS_FILE": "/dev/null"}, "LEDGE_API_KEYS"),
    ],
)
def test_bad_config_is_told_before_any_port_opens(settings: dict[str, str], told: str) -> None:
    ended = start_failing(**settings)
    assert ended.returncode == 2
    assert told in ended.stderr
    assert "listening" not in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_without_a_key_everything_but_health_is_refused() -> None:
    async with (
        serving(api_keys="ada=right") as probe,
        grpc.aio.insecure_channel(probe.address) as channel,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{probe.server.ops_port}") as http,
    ):
        stub = rpc.LlmServiceStub(channel)
        for metadata in ([], [("authorization", "Bearer wrong")], [("authorization", "right")]):
            error = await failure_of(stub.Chat(ask("echo x"), metadata=metadata))
            assert error.code() is grpc.StatusCode.UNAUTHENTICATED
        reflection = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        )
        assert (await failure_of(reflection.read())).code() is grpc.StatusCode.UNAUTHENTICATED
        assert await health(channel) == SERVING
        await stub.Chat(ask("echo x"), metadata=[("authorization", "Bearer right")])

        for path in ("models", "metrics", "manifest", "metadata", "version", "license"):
            assert (await http.get(f"/v1/{path}")).status_code == 401
            allowed = await http.get(f"/v1/{path}", headers={"authorization": "Bearer right"})
            assert allowed.status_code == 200
            assert "right" not in allowed.text
        assert (await http.get("/v1/health/ready")).status_code == 200


async def test_a_key_shown_where_none_is_wanted_is_no_reason_to_refuse() -> None:
    async with serving() as probe:
        shown = [("authorization", "Bearer shown-early")]
        assert (await probe.stub.Chat(ask("echo x"), metadata=shown)).choices


async def test_past_the_limit_calls_are_refused_at_once_while_health_stays_green() -> None:
    async with serving(max_concurrent_calls=2) as probe:
        waiting = [asyncio.ensure_future(probe.order("sleep 30")) for _ in range(2)]
        while probe.probe.calls < 2:
            await asyncio.sleep(0)
        error = await failure_of(probe.stub.Chat(ask("echo x")))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await health(probe.channel) == SERVING
        for call in waiting:
            call.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_message_past_the_limit_is_refused_and_the_service_lives() -> None:
    async with serving(max_message_bytes=2**16) as probe:
        error = await failure_of(probe.stub.Chat(ask("echo " + "x" * 2**17)))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await probe.order("echo fine") == "fine"


async def test_timings_come_back_in_trailing_metadata() -> None:
    async with serving() as probe:
        call = probe.stub.Chat(ask("echo x"))
        await call
        timings = dict(await call.trailing_metadata())
    assert float(timings["ledge-total-ms"]) >= 0


async def test_logs_and_metrics_hold_no_text_of_a_request() -> None:
    process = ServiceProcess("probe", {"LEDGE_API_KEYS": "ada=s3cret"}, module="tests.kit.probe").wait_ready()
    try:
        async with grpc.aio.insecure_channel(process.address) as channel:
            stub = rpc.LlmServiceStub(channel)
            key = [("authorization", "Bearer s3cret")]
            await stub.Chat(ask("echo confidential"), metadata=key)
            await failure_of(stub.Chat(ask("raise ValueError confidential"), metadata=key))
            await failure_of(stub.Chat(ask("raise EngineFailed confidential"), metadata=key))
        async with httpx.AsyncClient() as http:
            metrics = (await http.get(f"{process.ops_url}/v1/metrics", headers=dict(key))).text
        assert 'ledge_calls_total{code="INTERNAL",method="Chat",service="probe"} 2.0' in metrics
        process.terminate()
        assert await asyncio.to_thread(process.wait) == 0
    finally:
        process.close()
    told = metrics + str(process.log)
    assert "confidential" not in told
    assert "s3cret" not in told
    call = next(entry for entry in process.log if entry["event"] == "call")
    assert {"method", "code", "elapsed_ms", "request_id", "trace_id"} <= call.keys()


def test_a_service_that_cannot_load_leaves_nothing_running_behind(caplog: pytest.LogCaptureFixture) -> None:
    async def build(_config: ServiceConfig) -> Probe:
        raise EngineFailed("the weights are damaged")

    assert asyncio.run(serve("probe", ServiceConfig(), pb.DESCRIPTOR, build)) == 1
    # A gRPC server that still runs when it is collected fails in __del__, which is an error here.
    gc.collect()
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["the weights are damaged"]
