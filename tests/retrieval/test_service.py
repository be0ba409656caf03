"""How the service holds itself: full queues, broken bytes, deadlines, drain, what it tells of itself."""

import asyncio
import json
from pathlib import Path
from typing import Any

import grpc
import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledge.retrieval.v1 import retrieval_pb2 as pb
from ledge.retrieval.v1 import retrieval_pb2_grpc as rpc

from services.kit.client import open_channel
from services.kit.errors import retry_delay_s
from tests.processes import ServiceProcess, service
from tests.retrieval.points import point, upsert, vector

PACKAGE = "/ledge.retrieval.v1.RetrievalService/"
METHODS = (
    "CreateCollection",
    "ListCollections",
    "DeleteCollection",
    "Delete",
    "Search",
    "Scroll",
    "Count",
    "CountTerms",
)


async def test_a_full_queue_is_told_with_a_delay_while_health_stays_green(tmp_path: Path) -> None:
    limits = {"LEDGE_MAX_WAITING_CALLS": "1", "LEDGE_SEARCH_THREADS": "1", "LEDGE_ENGINE": "memory"}
    with service("retrieval", **limits) as process:
        async with open_channel(process.address) as channel:
            stub = rpc.RetrievalServiceStub(channel)
            await stub.CreateCollection(pb.CreateCollectionRequest(name="c", dimensions=8))
            for first in range(1, 5001, 1000):
                await stub.Upsert(upsert("c", [point(n, "pump valve") for n in range(first, first + 1000)]))
            request = pb.SearchRequest(collection="c", vector=vector(1).tobytes(), text="pump")
            calls = [asyncio.ensure_future(stub.Search(request)) for _ in range(50)]
            async with httpx.AsyncClient(base_url=process.ops_url) as http:
                health = await http.get("/v1/health/ready")
            answers = await asyncio.gather(*calls, return_exceptions=True)
    assert health.status_code == 200
    refused = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert 0 < len(refused) < 50
    for error in refused:
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (retry_delay_s(error.trailing_metadata()) or 0) > 0


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=st.lists(st.tuples(st.sampled_from(METHODS), st.binary(max_size=200)), min_size=5, max_size=15))
def test_broken_bytes_never_end_the_service(running: ServiceProcess, contents: list[tuple[str, bytes]]) -> None:
    async def send() -> None:
        async with grpc.aio.insecure_channel(running.address) as channel:
            for method, content in contents:
                await refused_or_answered(channel.unary_unary(PACKAGE + method)(content, timeout=20))
            stream = iter([content for _, content in contents])
            await refused_or_answered(channel.stream_unary(PACKAGE + "Upsert")(stream, timeout=20))
            await rpc.RetrievalServiceStub(channel).ListCollections(pb.ListCollectionsRequest())

    asyncio.run(send())


async def refused_or_answered(call: Any) -> None:
    """Fails where the service blames itself, or hangs. Bytes that are no message are refused by gRPC: INTERNAL."""
    (answer,) = await asyncio.gather(call, return_exceptions=True)
    if isinstance(answer, BaseException):
        assert isinstance(answer, grpc.aio.AioRpcError)
        blames_itself = answer.code() is grpc.StatusCode.INTERNAL and "deserializ" not in (answer.details() or "")
        assert not blames_itself, answer
        assert answer.code() in (
            grpc.StatusCode.INTERNAL,
            grpc.StatusCode.INVALID_ARGUMENT,
            grpc.StatusCode.NOT_FOUND,
            grpc.StatusCode.UNKNOWN,
        )


async def test_an_ingest_in_flight_ends_well_when_the_service_is_told_to_stop(tmp_path: Path) -> None:
    with service("retrieval", LEDGE_DATA_DIR=str(tmp_path), LEDGE_SETTLE_S="0.2") as process:
        async with open_channel(process.address) as channel:
            stub = rpc.RetrievalServiceStub(channel)
            await stub.CreateCollection(pb.CreateCollectionRequest(name="c", dimensions=8))
            draining = asyncio.Event()

            async def requests() -> Any:
                yield pb.UpsertRequest(collection="c", points=[point(1)])
                process.terminate()
                await asyncio.to_thread(process.wait_for, "draining")
                draining.set()
                yield pb.UpsertRequest(points=[point(2)])

            assert (await stub.Upsert(requests())).written == 2
            assert draining.is_set()
        assert process.wait() == 0
    with service("retrieval", LEDGE_DATA_DIR=str(tmp_path)) as process:
        async with open_channel(process.address) as channel:
            stub = rpc.RetrievalServiceStub(channel)
            assert (await stub.Count(pb.CountRequest(collection="c"))).points == 2


async def test_logs_and_metrics_hold_no_text_and_tell_the_engine(
    running: ServiceProcess, stub: Any, collection: str
) -> None:
    await stub.Upsert(upsert(collection, [point(1, "confidential wording")]))
    await stub.Search(pb.SearchRequest(collection=collection, text="confidential wording"))
    async with httpx.AsyncClient(base_url=running.ops_url) as http:
        figures = (await http.get("/v1/metrics")).text
        models = (await http.get("/v1/models")).json()["data"]
    assert "confidential" not in figures + json.dumps(running.log)
    assert 'ledge_queue_seconds_count{queue="retrieval-read"}' in figures
    assert models[0]["engine"] in ("qdrant-edge", "qdrant", "memory")


async def test_timings_of_a_search_come_back(stub: Any, collection: str) -> None:
    call = stub.Search(pb.SearchRequest(collection=collection, text="pump"))
    await call
    trailing = dict(await call.trailing_metadata())
    assert float(trailing["ledge-compute-ms"]) >= 0
    assert float(trailing["ledge-queue-ms"]) >= 0


def test_bad_settings_end_with_a_sentence_each() -> None:
    process = ServiceProcess("retrieval", {"LEDGE_ENGINE": "oracle", "LEDGE_HNSW_LINKS": "1"})
    try:
        assert process.wait() == 2
        said = " ".join(entry["event"] for entry in process.log)
        assert "LEDGE_ENGINE" in said
        assert "LEDGE_HNSW_LINKS" in said
    finally:
        process.close()
