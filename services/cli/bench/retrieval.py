"""`ledge bench retrieval`: how fast and how exact search is over many points, through gRPC, beside exact search."""

import asyncio
import contextlib
import tempfile
import time
import urllib.request
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import psutil
import typer
from ledge.retrieval.v1 import retrieval_pb2 as pb
from ledge.retrieval.v1 import retrieval_pb2_grpc as rpc

from services.cli.bench.report import JsonFile, Report, Row, percentile
from services.cli.bench.running import RunningService, proportional_bytes, resident_bytes
from services.kit.client import open_channel
from services.kit.errors import EngineFailed, InvalidInput

SEED = 20261123
CLUSTERS_PER_POINTS = 100
SPREAD = 0.7
VOCABULARY = 50_000
WORDS_A_TEXT = 100
WORDS_A_QUERY = 8
MESSAGE_POINTS = 500
LIMIT = 10
OPTIMIZE_TIMEOUT_S = 3600.0
INDEXED_FROM_BYTES = 2000 * 1024
"""Vectors that `qdrant-edge` scans as fast as it would search a graph."""
COLLECTION = "bench"

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Corpus:
    """Clustered vectors of length 1 and texts whose words follow Zipf's law; the same for the same size."""

    vectors: Floats
    queries: Floats
    query_texts: Sequence[str]
    rng: np.random.Generator

    @classmethod
    def generate(cls, points: int, dimensions: int, queries: int) -> "Corpus":
        rng = np.random.default_rng(SEED)
        centres = rng.normal(size=(max(1, points // CLUSTERS_PER_POINTS), dimensions)).astype(np.float32)

        def clustered(count: int) -> Floats:
            noise = rng.normal(size=(count, dimensions)).astype(np.float32)
            rows = centres[rng.integers(0, len(centres), count)] + SPREAD * noise
            return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

        vectors = clustered(points)
        return cls(vectors, clustered(queries), _texts(rng, queries, WORDS_A_QUERY), rng)

    def messages(self) -> "list[pb.UpsertRequest]":
        requests = []
        for start in range(0, len(self.vectors), MESSAGE_POINTS):
            rows = self.vectors[start : start + MESSAGE_POINTS]
            request = pb.UpsertRequest(collection="" if start else COLLECTION)
            for offset, text in enumerate(_texts(self.rng, len(rows), WORDS_A_TEXT)):
                index = start + offset
                point = request.points.add(id=id_of(index), vector=rows[offset].tobytes(), text=text)
                point.metadata.update(
                    {"document": f"document-{index // 100}", "page": index % 100 // 3, "index": index % 100}
                )
            requests.append(request)
        return requests


def id_of(index: int) -> str:
    # Spread as random ones would be, and turned back by `index_of`.
    return str(uuid.UUID(int=(index * 0x9E3779B97F4A7C15 % 2**64) << 64 | index))


def index_of(id: str) -> int:
    return uuid.UUID(id).int & (2**64 - 1)


def _texts(rng: np.random.Generator, count: int, words: int) -> list[str]:
    weights = 1 / np.arange(1, VOCABULARY + 1)
    drawn = rng.choice(VOCABULARY, size=(count, words), p=weights / weights.sum())
    return [" ".join(f"w{word}" for word in row) for row in drawn]


def command(
    points: Annotated[int, typer.Option(min=1000, help="Points in the collection.")] = 100_000,
    dimensions: Annotated[int, typer.Option(min=2, max=8192, help="Length of the vectors.")] = 384,
    queries: Annotated[int, typer.Option(min=20, help="Searches a figure.")] = 500,
    json_file: JsonFile = None,
) -> None:
    """Search by vector, by words and by both, over gRPC: time, recall, inserting, memory, restarts."""
    if points * dimensions * 4 <= INDEXED_FROM_BYTES:
        raise InvalidInput(f"so few vectors get no index: --points above {INDEXED_FROM_BYTES // (4 * dimensions)}")
    with tempfile.TemporaryDirectory(prefix="ledge-bench-retrieval-") as directory:
        rows = asyncio.run(_measure(Corpus.generate(points, dimensions, queries), Path(directory)))
    Report("retrieval", rows).publish(json_file)


async def _measure(corpus: Corpus, directory: Path) -> list[Row]:
    settings = {"LEDGE_DATA_DIR": str(directory), "LEDGE_LOG_LEVEL": "WARNING"}
    rows: list[Row] = []
    with _service(settings) as service:
        async with open_channel(service.address) as channel:
            stub = rpc.RetrievalServiceStub(channel)
            rows += await _insert(stub, corpus)
            rows += await _search_meanwhile(stub, corpus, service)
            rows += await _latencies(stub, corpus)
            rows.append(await _recall(stub, corpus))
        rows.append(Row("resident memory of the service", resident_bytes(service.pid) / 2**20, "MiB"))
        service.kill()
    for figure, end in (("start after kill -9", "clean"), ("start after a clean stop", "")):
        started_s = time.monotonic()
        with _service(settings) as service:
            rows.append(Row(figure, time.monotonic() - started_s, "s", note="process start included"))
            async with open_channel(service.address) as channel:
                stub = rpc.RetrievalServiceStub(channel)
                count = (await stub.Count(pb.CountRequest(collection=COLLECTION))).points
            if count != len(corpus.vectors):
                raise EngineFailed(f"{figure}: {count} points are left of {len(corpus.vectors)}")
            if end:
                await _optimized(service)
    return rows


def _service(settings: dict[str, str]) -> RunningService:
    return RunningService("retrieval", {**settings, "LEDGE_LOG_LEVEL": "INFO"})


async def _insert(stub: Any, corpus: Corpus) -> list[Row]:
    dimensions = corpus.vectors.shape[1]
    await stub.CreateCollection(pb.CreateCollectionRequest(name=COLLECTION, dimensions=dimensions))
    requests = corpus.messages()

    async def stream() -> AsyncIterator[pb.UpsertRequest]:
        for request in requests:
            yield request

    started_s = time.monotonic()
    written = (await stub.Upsert(stream())).written
    elapsed_s = time.monotonic() - started_s
    return [
        Row("insert, one stream", written / elapsed_s, "points/s", note=f"{MESSAGE_POINTS} points a message, durable")
    ]


async def _search_meanwhile(stub: Any, corpus: Corpus, service: RunningService) -> list[Row]:
    """Searches while the index is built."""
    started_s = time.monotonic()
    optimized = asyncio.create_task(_optimized(service))
    meanwhile_ms: list[float] = []
    index = peak_bytes = 0
    while not optimized.done():
        peak_bytes = max(peak_bytes, _with_children_bytes(service.pid))
        meanwhile_ms.append(await _timed_ms(stub.Search(hybrid(corpus, index))))
        index += 1
        await asyncio.sleep(0.05)
    await optimized
    return [
        Row("optimise, after the last insert", time.monotonic() - started_s, "s", note="searches go on"),
        Row("hybrid p95 while optimising, 1 caller", percentile(meanwhile_ms, 95), "ms", note=f"{index} searches"),
        Row(
            "memory while optimising, peak", peak_bytes / 2**20, "MiB", note="service and optimiser, shared pages once"
        ),
    ]


def _with_children_bytes(pid: int) -> int:
    total = 0
    for process in (psutil.Process(pid), *psutil.Process(pid).children()):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += proportional_bytes(process.pid)
    return total


async def _optimized(service: RunningService) -> None:
    """Returns when nothing is left to optimise."""
    async with asyncio.timeout(OPTIMIZE_TIMEOUT_S):
        while True:
            figures = await asyncio.to_thread(_metrics, service.ops_url)
            if not figures["ledge_retrieval_unoptimized_points"] and not figures["ledge_retrieval_optimizing"]:
                return
            if lacking_bytes := figures["ledge_retrieval_lacking_memory_bytes"]:
                raise EngineFailed(f"{lacking_bytes / 2**20:.0f} MiB of memory are lacking to optimise")
            await asyncio.sleep(0.25)


def _metrics(ops_url: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{ops_url}/v1/metrics", timeout=30) as response:  # noqa: S310 - our own, over http
        lines = response.read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def dense(corpus: Corpus, index: int, exact: bool = False) -> pb.SearchRequest:
    vector = corpus.queries[index % len(corpus.queries)].tobytes()
    return pb.SearchRequest(collection=COLLECTION, vector=vector, limit=LIMIT, exact=exact)


def text(corpus: Corpus, index: int) -> pb.SearchRequest:
    words = corpus.query_texts[index % len(corpus.query_texts)]
    return pb.SearchRequest(collection=COLLECTION, text=words, limit=LIMIT)


def hybrid(corpus: Corpus, index: int, exact: bool = False) -> pb.SearchRequest:
    request = dense(corpus, index, exact)
    request.text = corpus.query_texts[index % len(corpus.query_texts)]
    return request


def filtered(corpus: Corpus, index: int) -> pb.SearchRequest:
    request = hybrid(corpus, index)
    condition = request.filter.must.add()
    condition.match.field = "page"
    for page in range(10):
        condition.match.any_of.add().number_value = page
    return request


async def _latencies(stub: Any, corpus: Corpus) -> list[Row]:
    queries = len(corpus.queries)
    exact_ms = {}
    for name, make in (("dense", dense), ("hybrid", hybrid)):
        few = min(queries, 100)
        exact_ms[name] = await _times_ms(lambda i, make=make: stub.Search(make(corpus, i, exact=True)), few, 1)  # type: ignore[misc]
    # The first search that names a field asks for its index.
    await stub.Search(filtered(corpus, 0))
    rows = []
    for callers in (1, 8):
        for name, request in (("dense", dense), ("text", text), ("hybrid", hybrid), ("hybrid, filtered", filtered)):
            times_ms = await _times_ms(lambda i, request=request: stub.Search(request(corpus, i)), queries, callers)  # type: ignore[misc]
            for percent in (50, 95):
                baseline = exact_ms.get(name) if callers == 1 else None
                rows.append(
                    Row(
                        f"{name} p{percent}, {callers} caller{'s' if callers > 1 else ''}",
                        percentile(times_ms, percent),
                        "ms",
                        baseline="exact search" if baseline else "",
                        baseline_value=percentile(baseline, percent) if baseline else None,
                        note="aim: p95 ≤ 8 ms" if name == "hybrid" and percent == 95 and callers == 1 else "",
                    )
                )
    return rows


async def _times_ms(call: Callable[[int], Awaitable[Any]], count: int, callers: int) -> list[float]:
    """How long each of `count` calls took, made by so many callers at a time, after a few to warm up."""
    for index in range(10):
        await call(index)
    indices = iter(range(count))
    times_ms: list[float] = []

    async def caller() -> None:
        for index in indices:
            times_ms.append(await _timed_ms(call(index)))

    await asyncio.gather(*(caller() for _ in range(callers)))
    return times_ms


async def _timed_ms(call: Awaitable[Any]) -> float:
    started_s = time.perf_counter()
    await call
    return (time.perf_counter() - started_s) * 1000


async def _recall(stub: Any, corpus: Corpus) -> Row:
    """Share of the exact ten nearest that search finds."""
    found = 0
    for index, query in enumerate(corpus.queries):
        nearest = np.argpartition(-(corpus.vectors @ query), LIMIT)[:LIMIT]
        hits = (await stub.Search(dense(corpus, index))).hits
        found += len(set(nearest.tolist()) & {index_of(hit.point.id) for hit in hits})
    return Row(
        f"recall@{LIMIT}, dense",
        found / (LIMIT * len(corpus.queries)),
        "share",
        "exact search",
        1.0,
        note="aim: ≥ 0.98",
    )
