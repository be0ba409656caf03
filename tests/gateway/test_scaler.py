"""The gateway as KEDA's scaler: a request wakes a service that sleeps, and waits for it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import pytest
from keda_compat import external_scaler_pb2 as pb
from keda_compat import external_scaler_pb2_grpc as rpc

from services.gateway.demand import Demand
from tests.processes import ServiceProcess, service

CHAT = {"model": "scripted", "messages": [{"role": "user", "content": "Hello"}]}


def reference(**metadata: str) -> pb.ScaledObjectRef:
    return pb.ScaledObjectRef(name="llm", namespace="ledge", scalerMetadata={"callers": "llm,rag", **metadata})


@pytest.fixture
def asleep() -> str:
    """The address of an llm that is not there."""
    with service("llm", LEDGE_ENGINE="scripted") as llm:
        return llm.address


@pytest.fixture
def gateway(asleep: str) -> Any:
    with service("gateway", LEDGE_LLM_ADDRESS=asleep, LEDGE_AWAITED_PEERS=asleep, LEDGE_SCALER_PORT="0") as process:
        yield process


@pytest.fixture
async def keda(gateway: ServiceProcess) -> AsyncIterator[Any]:
    port = gateway.wait_for("listening")["scaler_port"]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield rpc.ExternalScalerStub(channel)


async def test_a_request_wakes_whom_it_needs_and_is_answered_when_it_is_awake(
    asleep: str, gateway: ServiceProcess, keda: Any
) -> None:
    url = f"http://{gateway.address}/v1/chat/completions"
    told = keda.StreamIsActive(reference())
    assert (await told.read()).result is False
    async with httpx.AsyncClient(timeout=60) as client:
        request = asyncio.create_task(client.post(url, json=CHAT))
        assert (await told.read()).result is True
        assert (await keda.IsActive(reference())).result is True
        metrics = await keda.GetMetrics(pb.GetMetricsRequest(scaledObjectRef=reference()))
        assert [value.metricValueFloat for value in metrics.metricValues] == [1.0]
        assert not request.done()
        port = asleep.rpartition(":")[2]
        with service("llm", LEDGE_ENGINE="scripted", LEDGE_PORT=port):
            answer = await request
    assert answer.status_code == 200, answer.text
    # It is wanted for a while after, and no longer.
    assert (await keda.IsActive(reference())).result is True
    assert (await keda.IsActive(reference(idleSeconds="0.000001"))).result is False


async def test_whoever_looks_at_a_sleeping_service_does_not_wake_it(gateway: ServiceProcess, keda: Any) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        listed = await client.get(f"http://{gateway.address}/v1/models")
        asked = await client.get(f"http://{gateway.address}/v1/health?check_dependencies=true")
    assert listed.status_code == 200
    assert asked.status_code == 200
    assert (await keda.IsActive(reference())).result is False


async def test_a_demand_for_one_service_is_none_for_another(gateway: ServiceProcess, keda: Any) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        url = f"http://{gateway.address}/v1/chat/completions"
        request = asyncio.create_task(client.post(url, json=CHAT))
        told = keda.StreamIsActive(reference())
        while not (await told.read()).result:
            pass
        assert (await keda.IsActive(reference(callers="embedding"))).result is False
        request.cancel()


async def test_the_number_of_pods_follows_the_calls_under_way(keda: Any) -> None:
    spec = await keda.GetMetricSpec(reference(callsPerPod="4"))
    assert [(each.metricName, each.targetSizeFloat) for each in spec.metricSpecs] == [("ledge-calls", 4.0)]


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({"callers": ""}, "callers must be of"),
        ({"callers": "llm,lmm"}, "not 'llm,lmm'"),
        ({"idleSeconds": "soon"}, "idleSeconds must be a number above 0, not 'soon'"),
        ({"callsPerPod": "-1"}, "callsPerPod must be a number above 0"),
    ],
)
async def test_a_wrong_trigger_is_the_callers_fault(keda: Any, metadata: dict[str, str], told: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await keda.IsActive(reference(**metadata))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert told in (refused.value.details() or "")


async def test_a_watch_ends_when_nothing_happens() -> None:
    await asyncio.wait_for(Demand().changed(0.01), 5)
