"""Under load: a full queue refuses at once, a question overtakes an ingest, and who leaves is forgotten."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from ledge.embedding.v1 import embedding_pb2 as pb
from ledge.embedding.v1 import embedding_pb2_grpc as rpc

from services.kit.errors import retry_delay_s
from tests.embedding.asking import embed, vectors
from tests.kit.serving import failure_of
from tests.metrics import metric
from tests.processes import ServiceProcess, service

pytest.importorskip("ctranslate2")
PASSAGE = "The tank is emptied and disinfected before the pumps are started again. " * 4


@pytest.fixture
async def small() -> AsyncIterator[tuple[rpc.EmbeddingServiceStub, ServiceProcess]]:
    """One worker and a short queue."""
    with service("embedding", LEDGE_WORKERS="1", LEDGE_MAX_QUEUE_TOKENS="600") as process:
        async with grpc.aio.insecure_channel(process.address) as channel:
            yield rpc.EmbeddingServiceStub(channel), process


async def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(
    small: tuple[rpc.EmbeddingServiceStub, ServiceProcess],
) -> None:
    stub, process = small
    calls = [embed(stub, [f"{number} {PASSAGE}" for _ in range(16)]) for number in range(40)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    refused = [result for result in results if isinstance(result, grpc.aio.AioRpcError)]
    served = [result for result in results if isinstance(result, pb.EmbedResponse)]
    assert served
    assert len(refused) >= 10
    assert {error.code() for error in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert all((retry_delay_s(error.trailing_metadata()) or 0) > 0 for error in refused)
    async with grpc.aio.insecure_channel(process.address) as channel:
        health = await health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(service="ledge.embedding.v1.EmbeddingService")
        )
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    assert len((await embed(stub, ["after the rush"])).embeddings) == 1


async def test_a_question_does_not_wait_for_the_ingest_and_an_ingest_that_leaves_is_forgotten(
    default_stub: rpc.EmbeddingServiceStub, default_embedding: ServiceProcess
) -> None:
    await vectors(default_stub, ["warm"])
    ingests = [
        asyncio.ensure_future(embed(default_stub, [f"{number} {PASSAGE}"] * 500, input_type=pb.PASSAGE))
        for number in range(3)
    ]
    await until_waiting(default_embedding)
    await vectors(default_stub, ["Who empties the tank?"], input_type=pb.QUERY)
    assert not any(ingest.done() for ingest in ingests)
    for ingest in ingests:
        ingest.cancel()
    await asyncio.gather(*ingests, return_exceptions=True)
    async with asyncio.timeout(5):
        while await metric(default_embedding, "ledge_queue_cost"):
            pass


async def test_a_deadline_is_kept(default_stub: rpc.EmbeddingServiceStub) -> None:
    request = pb.EmbedRequest(inputs=[PASSAGE] * 1500)
    error = await failure_of(default_stub.Embed(request, timeout=0.5))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert len((await embed(default_stub, ["still here"])).embeddings) == 1


async def until_waiting(process: ServiceProcess) -> None:
    async with asyncio.timeout(20):
        while not await metric(process, "ledge_queue_cost"):
            pass
