"""`ledge bench ingest`: pages stored a second, memory while it goes on, and that a second run does nothing."""

import asyncio
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Annotated

import psutil
import typer
from ledge.rag.v1 import rag_pb2 as pb
from ledge.rag.v1 import rag_pb2_grpc as rpc
from ledge.retrieval.v1 import retrieval_pb2, retrieval_pb2_grpc
from rich.console import Console

from services.cli.bench.generated_documents import write_documents
from services.cli.bench.report import JsonFile, Report, Row
from services.cli.bench.running import RunningService, resident_bytes
from services.cli.upload import LocalDocument, Watch, upload
from services.kit.client import open_channel
from services.kit.errors import EngineFailed

if TYPE_CHECKING:
    from ledge.retrieval.v1.retrieval_pb2_grpc import RetrievalServiceAsyncStub

MIB = 2**20
SAMPLE_EVERY_S = 0.5
COLLECTION = "bench"
SERVICES = ("embedding", "retrieval", "rag")


def command(
    pages: Annotated[int, typer.Option(min=40, help="Pages to take in; a quarter of them in one PDF.")] = 10_000,
    json_file: JsonFile = None,
) -> None:
    """Ingest of generated PDF, DOCX, HTML and Markdown, default engines: pages a second, memory, a second run."""
    with tempfile.TemporaryDirectory(prefix="ledge-bench-ingest-") as directory:
        folder = Path(directory) / "documents"
        folder.mkdir()
        documents = [LocalDocument(path.name, path, path.stat().st_size) for path in write_documents(folder, pages)]
        rows = asyncio.run(_measure(documents, Path(directory) / "data"))
    Report("ingest", rows).publish(json_file)


@dataclass
class _Samples:
    """Resident memory of rag and of its readers, read now and then by a thread of its own."""

    rag_pid: int
    rag_bytes: list[int] = field(default_factory=list)
    readers_bytes: list[int] = field(default_factory=list)
    _done: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "_Samples":
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._done.wait(SAMPLE_EVERY_S):
            self.rag_bytes.append(resident_bytes(self.rag_pid))
            readers = psutil.Process(self.rag_pid).children()
            self.readers_bytes.append(sum(_resident_or_gone(reader) for reader in readers))


def _resident_or_gone(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


async def _measure(documents: Sequence[LocalDocument], data: Path) -> list[Row]:
    with ExitStack() as stack:
        embedding = stack.enter_context(RunningService("embedding"))
        retrieval = stack.enter_context(RunningService("retrieval", {"LEDGE_DATA_DIR": str(data)}))
        addresses = {"LEDGE_EMBEDDING_ADDRESS": embedding.address, "LEDGE_RETRIEVAL_ADDRESS": retrieval.address}
        rag = stack.enter_context(RunningService("rag", addresses))
        processes = dict(zip(SERVICES, (embedding, retrieval, rag), strict=True))
        async with open_channel(rag.address) as rag_channel, open_channel(retrieval.address) as retrieval_channel:
            stub = rpc.RagServiceStub(rag_channel)
            store = retrieval_pb2_grpc.RetrievalServiceStub(retrieval_channel)
            busy_before_s = {name: _cpu_s(process.pid) for name, process in processes.items()}
            with _Samples(rag.pid) as samples:
                elapsed_s, results = await _ingest(stub, documents)
            busy_s = {name: _cpu_s(process.pid) - busy_before_s[name] for name, process in processes.items()}
            _expect(results, pb.DocumentResult.STORED)
            points = await _points(store)
            again_s, results_again = await _ingest(stub, documents)
            _expect(results_again, pb.DocumentResult.UNCHANGED)
            written_again = await _points(store) - points
        stored_bytes = _bytes_under(data)
    pages = sum(result.pages for result in results)
    return [
        Row("pages stored", pages / elapsed_s, "pages/s", note=f"{pages} pages, {len(documents)} documents"),
        Row("passages stored", points / elapsed_s, "passages/s", note=f"{points} passages"),
        *_memory(samples),
        *(
            Row(f"processor time of {name}", seconds / elapsed_s, "cores", note=_per_page(seconds, pages))
            for name, seconds in busy_s.items()
        ),
        Row("on disk", stored_bytes / pages / 1024, "KiB/page", note="vectors, texts, index, write-ahead log"),
        Row("second run", again_s, "s", baseline="first run", baseline_value=elapsed_s, note="nothing was sent"),
        Row("passages written by the second run", written_again, "passages"),
    ]


def _memory(samples: _Samples) -> Iterator[Row]:
    """Flat: the last quarter of the run takes no more than the second quarter, when all is warm."""
    for name, values in (("rag", samples.rag_bytes), ("its readers", samples.readers_bytes)):
        if len(values) < 8:
            raise EngineFailed("the run was too short to tell memory over time: ask for more --pages")
        quarter = len(values) // 4
        early, late = mean(values[quarter : 2 * quarter]), mean(values[-quarter:])
        yield Row(f"resident memory of {name}, peak", max(values) / MIB, "MiB")
        yield Row(
            f"resident memory of {name}, last quarter of the run",
            late / MIB,
            "MiB",
            baseline="second quarter",
            baseline_value=early / MIB,
        )


async def _ingest(
    stub: "rpc.RagServiceAsyncStub", documents: Sequence[LocalDocument]
) -> tuple[float, list[pb.DocumentResult]]:
    console = Console(stderr=True, highlight=False)
    with console.status("ingesting") as status:
        done = 0

        def on_result(result: pb.DocumentResult) -> None:
            nonlocal done
            done += 1
            status.update(f"{done} of {len(documents)} documents")

        def on_progress(progress: pb.IngestProgress) -> None:
            status.update(f"{done} of {len(documents)} documents; {progress.name}: {progress.pages} pages")

        started_s = time.monotonic()
        results = await upload(stub, documents, COLLECTION, Watch(on_progress=on_progress, on_result=on_result))
    return time.monotonic() - started_s, results


def _expect(results: Sequence[pb.DocumentResult], outcome: "pb.DocumentResult.Outcome") -> None:
    for result in results:
        if result.outcome != outcome:
            told = pb.DocumentResult.Outcome.Name(result.outcome)
            raise EngineFailed(f"{result.name} is {told}: {result.reason or 'that should not be'}")


async def _points(store: "RetrievalServiceAsyncStub") -> int:
    return int((await store.Count(retrieval_pb2.CountRequest(collection=COLLECTION))).points)


def _bytes_under(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def _cpu_s(pid: int) -> float:
    """Processor time of a process and its children so far."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children()]
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes))


def _per_page(seconds: float, pages: int) -> str:
    return f"{1000 * seconds / pages:.1f} ms a page"
