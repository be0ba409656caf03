"""What goes wrong in an ingest: bad documents are named and left out, bad streams are refused, crashes cost nothing."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import psutil
import pytest
from ledge.rag.v1 import rag_pb2 as pb
from ledge.rag.v1.rag_pb2_grpc import RagServiceStub

from services.kit.client import open_channel
from tests.processes import ServiceProcess, service
from tests.rag.conftest import Storage
from tests.rag.documents import PROSE, pdf, repacked, word
from tests.rag.ingest_client import File, ingest, points, send

if TYPE_CHECKING:
    from ledge.rag.v1.rag_pb2_grpc import RagServiceAsyncStub as Rag
    from ledge.retrieval.v1.retrieval_pb2_grpc import RetrievalServiceAsyncStub as Retrieval

GOOD = File("good.md", b"# Good\n\nThis one can be read without any trouble.\n")
CONFIG = pb.IngestRequest(config=pb.IngestConfig())


@asynccontextmanager
async def connected(process: ServiceProcess) -> AsyncIterator["Rag"]:
    async with open_channel(process.address) as channel:
        yield RagServiceStub(channel)


def long_document(sections: int) -> File:
    text = "".join(f"# Section {number}\n\nThis is section {number}. {PROSE}\n\n" for number in range(sections))
    return File("long.md", text.encode())


def nested(depth: int) -> dict[str, Any]:
    metadata: dict[str, Any] = {"end": True}
    for _ in range(depth):
        metadata = {"deeper": metadata}
    return metadata


async def test_bad_documents_are_named_with_their_reason_and_the_rest_goes_on(
    rag: "Rag", retrieval: "Retrieval", collection: str
) -> None:
    bomb = repacked(word(lambda document: None), {"word/document.xml": b"<a>" + b" " * 50_000_000 + b"</a>"})
    locked = pdf(lambda canvas: canvas.drawString(70, 700, "secret"), password="x")
    scan = pdf(lambda canvas: canvas.rect(10, 10, 50, 50))
    bad = {
        "corrupt.pdf": (b"%PDF-1.7\n" + bytes(range(256)) * 40, "damaged"),
        "empty.md": (b"", "empty"),
        "blank.txt": (b" \n ", "empty"),
        "bomb.docx": (bomb, "zip bomb"),
        "binary.txt": (bytes(range(256)) * 40, "not text"),
        "locked.pdf": (locked, "password"),
        "scan.pdf": (scan, "no text"),
        "deep.html": (b"<html>" + b"<div>" * 20_000, "nested"),
        "no.docx": (b"Just words.", "no DOCX"),
        "large.txt": (b"x" * (8 * 2**20 + 1), "larger than 8388608 bytes"),
    }
    files = [File(name, content) for name, (content, _) in bad.items()]
    told = await ingest(
        rag, [*files[:5], GOOD, *files[5:], File("last.txt", b"Also read without trouble.")], collection
    )
    for name, (_, why) in bad.items():
        assert told.outcome(name) == "REJECTED"
        assert why in told.results[name].reason
    assert (told.outcome("good.md"), told.outcome("last.txt")) == ("STORED", "STORED")
    assert told.summary is not None
    assert (told.summary.rejected, told.summary.stored) == (len(bad), 2)
    assert len(await points(retrieval, collection)) == 2
    assert len(await points(retrieval, f"{collection}.documents")) == 2


async def test_a_file_of_a_gigabyte_is_refused_before_it_is_sent(rag: "Rag", collection: str) -> None:
    start = File("huge.pdf", b"").start(size_bytes=2**30, sha256=bytes(32))
    events = await send(
        rag, pb.IngestRequest(config=pb.IngestConfig(collection=collection)), pb.IngestRequest(document=start)
    )
    assert events[0].wanted == pb.DocumentWanted(name="huge.pdf", wanted=False)
    assert "larger than" in events[1].result.reason


async def test_an_older_content_stays_when_the_new_one_cannot_be_read(
    rag: "Rag", retrieval: "Retrieval", collection: str
) -> None:
    await ingest(rag, [GOOD], collection)
    before = await points(retrieval, collection)
    told = await ingest(rag, [File("good.md", b"\x00\x01\x02" * 500)], collection)
    assert told.outcome("good.md") == "REJECTED"
    assert await points(retrieval, collection) == before
    (document,) = (await rag.ListDocuments(pb.ListDocumentsRequest(collection=collection))).documents
    assert document.sha256 == GOOD.sha256


async def test_content_that_is_not_what_its_sha256_promised_is_rejected(rag: "Rag", collection: str) -> None:
    events = await send(
        rag,
        pb.IngestRequest(config=pb.IngestConfig(collection=collection)),
        pb.IngestRequest(document=GOOD.start(sha256=bytes(32))),
        pb.IngestRequest(content=GOOD.content),
    )
    (result,) = [event.result for event in events if event.HasField("result")]
    assert result.outcome == pb.DocumentResult.REJECTED
    assert "SHA-256" in result.reason


@pytest.mark.parametrize(
    ("requests", "why"),
    [
        ([], "first message"),
        ([pb.IngestRequest(content=b"x")], "first message"),
        ([pb.IngestRequest(config=pb.IngestConfig(collection="../etc"))], "no name of a collection"),
        ([pb.IngestRequest(config=pb.IngestConfig(collection="a.documents"))], "no name of a collection"),
        ([CONFIG, CONFIG], "only the first"),
        ([CONFIG, pb.IngestRequest()], "neither"),
        ([CONFIG, pb.IngestRequest(content=b"x")], "before any"),
        ([CONFIG, pb.IngestRequest(document=pb.DocumentStart())], "1 to 512"),
        ([CONFIG, pb.IngestRequest(document=pb.DocumentStart(name="x" * 513))], "1 to 512"),
        ([CONFIG, pb.IngestRequest(document=pb.DocumentStart(name="a\nb"))], "printable"),
        ([CONFIG, pb.IngestRequest(document=pb.DocumentStart(name="a", sha256=b"short"))], "32 bytes"),
        ([CONFIG, pb.IngestRequest(document=File("a", b"", metadata={"k": "v" * 20_000}).start())], "metadata"),
        ([CONFIG, pb.IngestRequest(document=File("a", b"", metadata=nested(17)).start())], "nested"),
        ([CONFIG, pb.IngestRequest(document=File("a", b"", metadata={"k": float("nan")}).start())], "not finite"),
        ([CONFIG, pb.IngestRequest(document=GOOD.start()), pb.IngestRequest(content=bytes(2**20 + 1))], "at most"),
    ],
)
async def test_a_stream_that_breaks_the_contract_is_the_callers_fault(
    rag: "Rag", requests: list[pb.IngestRequest], why: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match=why) as caught:
        await send(rag, *requests)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "call",
    [
        lambda stub: stub.ListDocuments(pb.ListDocumentsRequest(collection="nowhere")),
        lambda stub: stub.DeleteDocument(pb.DeleteDocumentRequest(collection="nowhere", name="a")),
    ],
)
async def test_an_unknown_collection_is_not_found(rag: "Rag", call: Callable[["Rag"], Awaitable[object]]) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match="no collection 'nowhere'") as caught:
        await call(rag)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_killed_ingest_goes_on_where_it_stopped(
    storage: Storage, retrieval: "Retrieval", collection: str
) -> None:
    document = long_document(400)
    settings = {**storage.settings, "LEDGE_EMBED_TOKENS": "2000", "LEDGE_EMBED_CALLS": "1"}
    with service("rag", **settings) as first:

        def kill_in_the_middle(event: pb.IngestResponse) -> None:
            if event.progress.chunks >= 100:
                first.process.send_signal(signal.SIGKILL)

        async with connected(first) as rag:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await ingest(rag, [document], collection, seen=kill_in_the_middle)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    written = {point.id for point in await points(retrieval, collection)}
    assert 100 <= len(written) < 400
    with service("rag", **settings) as second:
        async with connected(second) as rag:
            assert not (await rag.ListDocuments(pb.ListDocumentsRequest(collection=collection))).documents
            encoded_before = encoded_texts(storage.embedding)
            told = await ingest(rag, [document], collection, with_sha256=True)
            encoded = encoded_texts(storage.embedding) - encoded_before
            assert told.outcome("long.md") == "STORED"
            assert told.results["long.md"].chunks == 400
            whole = await points(retrieval, collection)
            assert {point.id for point in whole} >= written
            assert len(whole) == 400
            assert len({point.text for point in whole}) == 400
            segments = sum(point.text.count(".") for point in whole if point.id not in written)
            assert 0 < encoded <= segments
            again = await ingest(rag, [document], collection, with_sha256=True)
            assert again.outcome("long.md") == "UNCHANGED"
            assert len(await points(retrieval, f"{collection}.documents")) == 1


def encoded_texts(embedding: ServiceProcess) -> float:
    """How many texts the embedding service has encoded since it started."""
    lines = httpx.get(f"{embedding.ops_url}/v1/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("ledge_batch_items_sum"))


async def test_a_reader_that_hangs_or_dies_costs_its_document_only(storage: Storage, collection: str) -> None:
    settings = {"LEDGE_PARSER_TIMEOUT_S": "2", "LEDGE_PARSERS": "1"}
    with service("rag", **storage.settings, **settings) as process:
        async with connected(process) as rag:
            (reader,) = psutil.Process(process.process.pid).children()
            reader.suspend()
            told = await ingest(rag, [File("stuck.txt", b"The reader was stopped before this."), GOOD], collection)
            assert told.outcome("stuck.txt") == "REJECTED"
            assert "more than 2 s" in told.results["stuck.txt"].reason
            assert told.outcome("good.md") == "STORED"
            (other,) = (child for child in psutil.Process(process.process.pid).children() if child != reader)
            other.kill()
            psutil.wait_procs([other], timeout=10)
            last = await ingest(rag, [File("last.txt", b"The reader was killed before this.")], collection)
            assert last.outcome("last.txt") == "STORED"


async def test_a_document_that_takes_too_much_memory_is_rejected(storage: Storage, collection: str) -> None:
    fat = File("fat.html", b"<html><body>" + b"<i><b>x</b></i>" * 500_000)
    with service("rag", **storage.settings, LEDGE_PARSER_MEMORY_BYTES=str(128 * 2**20)) as process:
        async with connected(process) as rag:
            told = await ingest(rag, [fat, GOOD], collection)
            assert told.outcome("fat.html") == "REJECTED"
            assert "memory" in told.results["fat.html"].reason
            assert told.outcome("good.md") == "STORED"


async def test_a_document_that_unfolds_to_too_much_text_leaves_nothing_behind(
    storage: Storage, retrieval: "Retrieval", collection: str
) -> None:
    settings = {"LEDGE_MAX_DOCUMENT_CHARACTERS": "50000", "LEDGE_EMBED_TOKENS": "1000"}
    with service("rag", **storage.settings, **settings) as process:
        async with connected(process) as rag:
            told = await ingest(rag, [long_document(400), GOOD], collection)
            assert told.outcome("long.md") == "REJECTED"
            assert "50000 characters" in told.results["long.md"].reason
            assert told.progress
    assert len(await points(retrieval, collection)) == 1
    assert len(await points(retrieval, f"{collection}.documents")) == 1


async def test_a_client_that_falls_silent_in_a_document_is_told_so(storage: Storage, collection: str) -> None:
    with service("rag", **storage.settings, LEDGE_UPLOAD_IDLE_S="0.2", LEDGE_DOCUMENTS_IN_FLIGHT="1") as process:
        async with connected(process) as rag:
            call = rag.Ingest()
            await call.write(pb.IngestRequest(config=pb.IngestConfig(collection=collection)))
            await call.write(pb.IngestRequest(document=GOOD.start()))
            with pytest.raises(grpc.aio.AioRpcError, match=r"sent nothing for 0\.2 s") as caught:
                await call.read()
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            # Its place is free again.
            assert (await ingest(rag, [GOOD], collection)).outcome("good.md") == "STORED"


async def test_a_cancelled_ingest_frees_its_place(storage: Storage, collection: str) -> None:
    with service("rag", **storage.settings, LEDGE_DOCUMENTS_IN_FLIGHT="1", LEDGE_EMBED_TOKENS="500") as process:
        async with connected(process) as rag:
            begun = asyncio.Event()
            running = asyncio.create_task(
                ingest(rag, [long_document(2000)], collection, seen=lambda event: begun.set())
            )
            await begun.wait()
            running.cancel()
            assert (await ingest(rag, [GOOD], collection)).outcome("good.md") == "STORED"


async def test_an_ingest_waits_while_the_encoder_is_full(storage: Storage, collection: str) -> None:
    full = {"LEDGE_MAX_QUEUE_TOKENS": "600", "LEDGE_MAX_BATCH_TOKENS": "64", "LEDGE_WORKERS": "1"}
    with service("embedding", LEDGE_ENGINE="scripted", **full) as embedding:
        settings = {**storage.settings, "LEDGE_EMBEDDING_ADDRESS": embedding.address, "LEDGE_EMBED_TOKENS": "500"}
        with service("rag", **settings, LEDGE_EMBED_CALLS="8") as process:
            async with connected(process) as rag:
                files = [File(f"{number}.md", long_document(10).content) for number in range(8)]
                told = await asyncio.gather(*(ingest(rag, [file], collection) for file in files))
                assert {one.outcome(file.name) for one, file in zip(told, files, strict=True)} == {"STORED"}
        refused = [entry for entry in embedding.log if entry.get("code") == "RESOURCE_EXHAUSTED"]
        assert refused, "the queue was never full: the test proves nothing"


async def test_an_ingest_without_its_peers_fails_with_their_status(storage: Storage, collection: str) -> None:
    with service("embedding", LEDGE_ENGINE="scripted") as embedding:
        settings = {**storage.settings, "LEDGE_EMBEDDING_ADDRESS": embedding.address, "LEDGE_EMBED_TOKENS": "500"}
        with service("rag", **settings) as process:
            async with connected(process) as rag:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await ingest(rag, [long_document(2000)], collection, seen=lambda event: embedding.kill())
                assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
                assert not (await rag.ListDocuments(pb.ListDocumentsRequest(collection=collection))).documents


async def test_readers_end_with_their_service(storage: Storage, collection: str) -> None:
    with service("rag", **storage.settings) as process:
        (reader,) = psutil.Process(process.process.pid).children()
        environment = reader.environ()
        process.kill()
        psutil.wait_procs([reader], timeout=5)
        assert not reader.is_running() or reader.status() == psutil.STATUS_ZOMBIE
    assert not [name for name in environment if name.startswith(("LEDGE_", "NIM_"))]
