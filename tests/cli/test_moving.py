"""`ledge collections export` and `import`: from one store to another and back, cut off, spoilt, with other vectors."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from ledge.embedding.v1 import embedding_pb2_grpc as embedding_rpc
from ledge.retrieval.v1 import retrieval_pb2 as pb
from ledge.retrieval.v1 import retrieval_pb2_grpc as rpc

from services.cli.moving.exporting import export
from services.cli.moving.folder import framed
from services.kit.client import open_channel
from services.rag.collections import collection
from tests.ledge_command import Ledge
from tests.processes import ServiceProcess, service

pytestmark = pytest.mark.timeout(300)  # four services and some commands each
DOCUMENTS = Path(__file__).parent.parent.parent / "deploy" / "samples" / "documents"


@contextmanager
def store(engine: str, path: Path) -> Iterator[ServiceProcess]:
    with service("retrieval", LEDGE_ENGINE=engine, LEDGE_DATA_DIR=str(path)) as process:
        yield process


@pytest.fixture(scope="module")
def embedding() -> Iterator[ServiceProcess]:
    with service("embedding", LEDGE_ENGINE="scripted") as process:
        yield process


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with store("qdrant-edge", tmp_path_factory.mktemp("embedded")) as process:
        yield process


@pytest.fixture(scope="module")
def qdrant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    pytest.importorskip("qdrant_client")
    with store("qdrant", tmp_path_factory.mktemp("qdrant")) as process:
        yield process


@pytest.fixture(scope="module")
def ledge(
    tmp_path_factory: pytest.TempPathFactory, embedding: ServiceProcess, embedded: ServiceProcess
) -> Iterator[Ledge]:
    """A command on the embedded store, which holds three documents in the collection `manuals`."""
    addresses = {"LEDGE_EMBEDDING_ADDRESS": embedding.address, "LEDGE_RETRIEVAL_ADDRESS": embedded.address}
    with service("rag", 120, **addresses) as rag:
        command = Ledge(tmp_path_factory.mktemp("state"), LEDGE_RAG_ADDRESS=rag.address, **addresses)
        files = sorted(str(path) for path in DOCUMENTS.iterdir() if path.suffix == ".md")[:3]
        command.run("ingest", "--collection", "manuals", *files)
        yield command


async def points(process: ServiceProcess, collection: str) -> list[pb.Point]:
    async with open_channel(process.address) as channel:
        selection = pb.Selection(text=True, metadata=True, vector=True, attachments=["segments"])
        request = pb.ScrollRequest(collection=collection, limit=1000, selection=selection)
        return list((await rpc.RetrievalServiceStub(channel).Scroll(request)).points)


def told(command: Ledge, process: ServiceProcess, *arguments: str) -> Any:
    return command.json("collections", *arguments, LEDGE_RETRIEVAL_ADDRESS=process.address)


def test_a_collection_goes_to_qdrant_and_back_as_it_was(
    ledge: Ledge, embedded: ServiceProcess, qdrant: ServiceProcess, tmp_path: Path
) -> None:
    out = told(ledge, embedded, "export", "manuals", str(tmp_path / "out"))
    assert out["documents"]["points"] == 3
    assert out["chunks"]["points"] > 3
    there = told(ledge, qdrant, "import", str(tmp_path / "out"))
    assert there == {"collection": "manuals", "documents": 3, "chunks": out["chunks"]["points"]}
    back = told(ledge, qdrant, "export", "manuals", str(tmp_path / "back"))
    told(ledge, embedded, "import", str(tmp_path / "back"), "--as", "returned")
    for part in ("", ".documents"):
        before = asyncio.run(points(embedded, f"manuals{part}"))
        after = asyncio.run(points(embedded, f"returned{part}"))
        assert [(each.id, each.text, each.metadata, dict(each.attachments)) for each in before] == [
            (each.id, each.text, each.metadata, dict(each.attachments)) for each in after
        ]
    assert back["model"] == out["model"]


def test_what_was_moved_answers_as_before(
    ledge: Ledge, embedding: ServiceProcess, embedded: ServiceProcess, qdrant: ServiceProcess, tmp_path: Path
) -> None:
    question = ("search", "pump", "--collection")
    told(ledge, embedded, "export", "manuals", str(tmp_path / "out"))
    told(ledge, qdrant, "import", str(tmp_path / "out"), "--as", "answers")
    before = ledge.json(*question, "manuals")
    with service("rag", LEDGE_EMBEDDING_ADDRESS=embedding.address, LEDGE_RETRIEVAL_ADDRESS=qdrant.address) as elsewhere:
        after = ledge.json(*question, "answers", LEDGE_RAG_ADDRESS=elsewhere.address)
    assert before
    assert json.dumps(before).replace("manuals", "") == json.dumps(after).replace("answers", "")


def test_an_export_that_was_cut_off_goes_on_and_comes_out_the_same(
    ledge: Ledge, embedded: ServiceProcess, tmp_path: Path
) -> None:
    whole = told(ledge, embedded, "export", "manuals", str(tmp_path / "whole"))
    cut = tmp_path / "cut"
    cut.mkdir()
    first = asyncio.run(points(embedded, "manuals"))[:2]
    written = (tmp_path / "whole" / "chunks.points").read_bytes()
    offset = sum(len(framed(point)) for point in first)
    (cut / "chunks.points").write_bytes(written[: offset + 7])
    encoding = json.loads((tmp_path / "whole" / "manifest.json").read_text())["encoding"]
    begun = {"page_token": asyncio.run(points(embedded, "manuals"))[2].id, "bytes": offset, "points": 2, "ended": False}
    checkpoint = {"collection": "manuals", "encoding": encoding, "parts": {"chunks": begun}}
    (cut / "export.json").write_text(json.dumps(checkpoint))
    assert "its export has not ended" in ledge.run("collections", "import", str(cut), code=2).stderr
    again = told(ledge, embedded, "export", "manuals", str(cut))
    assert again["chunks"] == whole["chunks"], "what was written past the checkpoint is cut off"
    assert not (cut / "export.json").exists()


def test_an_export_whose_first_page_failed_goes_on_in_its_folder(
    ledge: Ledge, embedding: ServiceProcess, embedded: ServiceProcess, tmp_path: Path
) -> None:
    records = sum(point.ByteSize() for point in asyncio.run(points(embedded, "manuals.documents")))
    chunks = sum(point.ByteSize() for point in asyncio.run(points(embedded, "manuals")))
    bytes_between = (records + chunks) // 2
    assert records + 1000 < bytes_between < chunks - 1000

    async def fail() -> None:
        options = [("grpc.max_receive_message_length", bytes_between)]
        async with (
            grpc.aio.insecure_channel(embedded.address, options=options) as narrow,
            open_channel(embedding.address) as channel,
        ):
            retrieval = rpc.RetrievalServiceStub(narrow)
            models = embedding_rpc.EmbeddingServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError):
                await export(retrieval, models, collection("manuals"), tmp_path / "out", lambda *_: None)

    asyncio.run(fail())
    assert told(ledge, embedded, "export", "manuals", str(tmp_path / "out"))["documents"]["points"] == 3


@pytest.mark.parametrize("kept_bytes", [None, 5])
def test_a_file_that_is_shorter_than_its_checkpoint_is_written_anew(
    ledge: Ledge, embedded: ServiceProcess, tmp_path: Path, kept_bytes: int | None
) -> None:
    whole = told(ledge, embedded, "export", "manuals", str(tmp_path / "whole"))
    short = tmp_path / "short"
    short.mkdir()
    if kept_bytes is not None:
        (short / "chunks.points").write_bytes((tmp_path / "whole" / "chunks.points").read_bytes()[:kept_bytes])
    encoding = json.loads((tmp_path / "whole" / "manifest.json").read_text())["encoding"]
    ended = {"bytes": whole["chunks"]["bytes"], "points": whole["chunks"]["points"], "page_token": "", "ended": True}
    checkpoint = {"collection": "manuals", "encoding": encoding, "parts": {"chunks": ended}}
    (short / "export.json").write_text(json.dumps(checkpoint))
    assert told(ledge, embedded, "export", "manuals", str(short))["chunks"] == whole["chunks"]


def test_an_import_that_was_cut_off_goes_on(ledge: Ledge, embedded: ServiceProcess, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    out = told(ledge, embedded, "export", "manuals", str(folder))

    async def begin() -> None:
        async with open_channel(embedded.address) as channel:
            stub = rpc.RetrievalServiceStub(channel)
            moved = (await points(embedded, "manuals"))[:2]
            dimensions = out["chunks"]["dimensions"]
            await stub.CreateCollection(pb.CreateCollectionRequest(name="half", dimensions=dimensions))
            await stub.Upsert(iter([pb.UpsertRequest(collection="half", points=moved)]))

    asyncio.run(begin())
    refused = ledge.run("collections", "import", str(folder), "--as", "half", code=2).stderr
    assert "there is a collection 'half' with 2 points already" in refused
    sums = {part: out[part]["sha256"] for part in ("chunks", "documents")}
    (folder / "import-half.json").write_text(json.dumps({"sums": sums, "offsets": {}, "points": {}}))
    assert told(ledge, embedded, "import", str(folder), "--as", "half")["chunks"] == out["chunks"]["points"]
    assert not (folder / "import-half.json").exists()


def as_written(folder: Path, out: Any, name: str) -> Path:
    """The state of an import that was cut off after its last page and before it was read back."""
    parts = ("chunks", "documents")
    state = {
        "sums": {part: out[part]["sha256"] for part in parts},
        "offsets": {part: (folder / f"{part}.points").stat().st_size for part in parts},
        "points": {part: out[part]["points"] for part in parts},
    }
    place = folder / f"import-{name}.json"
    place.write_text(json.dumps(state))
    return place


def test_an_import_that_goes_on_against_another_store_begins_anew(
    ledge: Ledge, embedded: ServiceProcess, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    out = told(ledge, embedded, "export", "manuals", str(folder))
    as_written(folder, out, "elsewhere")
    assert told(ledge, embedded, "import", str(folder), "--as", "elsewhere")["documents"] == 3
    assert len(asyncio.run(points(embedded, "elsewhere"))) == out["chunks"]["points"]


def test_after_a_comparison_that_failed_deleting_and_importing_again_helps(
    ledge: Ledge, embedded: ServiceProcess, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    out = told(ledge, embedded, "export", "manuals", str(folder))
    names = {"manuals": "spoilt", "manuals.documents": "spoilt.documents"}

    async def copy_with_another_text() -> None:
        async with open_channel(embedded.address) as channel:
            stub = rpc.RetrievalServiceStub(channel)
            for source, name in names.items():
                moved = await points(embedded, source)
                moved[0].text += " otherwise"
                length = len(moved[0].vector) // 4
                await stub.CreateCollection(pb.CreateCollectionRequest(name=name, dimensions=length))
                await stub.Upsert(iter([pb.UpsertRequest(collection=name, points=moved)]))

    async def delete() -> None:
        async with open_channel(embedded.address) as channel:
            for name in names.values():
                await rpc.RetrievalServiceStub(channel).DeleteCollection(pb.DeleteCollectionRequest(name=name))

    asyncio.run(copy_with_another_text())
    place = as_written(folder, out, "spoilt")
    arguments = ("collections", "import", str(folder), "--as", "spoilt")
    assert "is not what was written" in " ".join(ledge.run(*arguments, code=1).stderr.split())
    assert not place.exists()
    assert "there is a collection 'spoilt' with" in " ".join(ledge.run(*arguments, code=2).stderr.split())
    asyncio.run(delete())
    assert told(ledge, embedded, "import", str(folder), "--as", "spoilt")["documents"] == 3


def test_another_embedding_model_is_refused(ledge: Ledge, embedded: ServiceProcess, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    told(ledge, embedded, "export", "manuals", str(folder))
    manifest = json.loads((folder / "manifest.json").read_text())
    here = manifest["model"]
    manifest["model"] = "bge-m3"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    refused = ledge.run("collections", "import", str(folder), "--as", "other", code=2).stderr
    assert f"were made by bge-m3, and {here} runs here" in " ".join(refused.split())


def test_what_was_taken_in_with_another_model_is_not_exported_as_this_ones(
    ledge: Ledge, embedded: ServiceProcess, tmp_path: Path
) -> None:
    async def alter() -> None:
        async with open_channel(embedded.address) as channel:
            stub = rpc.RetrievalServiceStub(channel)
            for name in ("old", "old.documents"):
                source = name.replace("old", "manuals")
                moved = await points(embedded, source)
                for point in moved:
                    if "revision" in point.metadata.fields:
                        point.metadata.fields["revision"].string_value = "0" * 32
                length = len(moved[0].vector) // 4
                await stub.CreateCollection(pb.CreateCollectionRequest(name=name, dimensions=length))
                await stub.Upsert(iter([pb.UpsertRequest(collection=name, points=moved)]))

    asyncio.run(alter())
    refused = ledge.run("collections", "export", "old", str(tmp_path / "old"), code=2).stderr
    assert "were taken in with another embedding model than" in refused


@pytest.mark.parametrize("part", ["chunks", "documents"])
def test_a_spoilt_file_is_refused_before_anything_is_written(
    ledge: Ledge, embedded: ServiceProcess, tmp_path: Path, part: str
) -> None:
    folder = tmp_path / "out"
    told(ledge, embedded, "export", "manuals", str(folder))
    file = folder / f"{part}.points"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert "is not what was exported" in ledge.run("collections", "import", str(folder), "--as", "x", code=2).stderr
    assert "'x'" not in json.dumps([it["name"] for it in ledge.json("collections", "list")])


def test_a_folder_in_use_is_left_alone(ledge: Ledge, embedded: ServiceProcess, tmp_path: Path) -> None:
    told(ledge, embedded, "export", "manuals", str(tmp_path / "out"))
    again = ledge.run("collections", "export", "manuals", str(tmp_path / "out"), code=2).stderr
    assert "holds an exported collection already" in again
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    assert "is not empty" in ledge.run("collections", "export", "manuals", str(tmp_path / "full"), code=2).stderr


def test_what_is_not_there_is_told(ledge: Ledge, tmp_path: Path) -> None:
    assert (
        "there is no collection 'none'"
        in ledge.run("collections", "export", "none", str(tmp_path / "n"), code=1).stderr
    )
    assert "there is no exported collection" in ledge.run("collections", "import", str(tmp_path), code=2).stderr
