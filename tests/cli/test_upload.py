"""Which files paths mean, what they are called, and what an ingest makes of them."""

from pathlib import Path

import pytest
from ledge.rag.v1 import rag_pb2 as pb

from services.cli.local.config import LocalRunConfig
from services.cli.rag_client import rag_service
from services.cli.upload import LocalDocument, Watch, select, upload
from services.kit.errors import EngineFailed, InvalidInput, NotReady
from tests.processes import ServiceProcess, service


def write(path: Path, text: str = "A sentence.") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_documents_of_a_folder_are_called_by_their_path_in_it(tmp_path: Path) -> None:
    for name in ("b.md", "a.PDF", "deep/er/c.html"):
        write(tmp_path / name)
    assert [document.name for document in select([tmp_path]).documents] == ["a.PDF", "b.md", "deep/er/c.html"]


def test_hidden_files_and_other_kinds_are_passed_over(tmp_path: Path) -> None:
    for name in (".git/notes.md", ".hidden.md", "picture.png", "program.exe", "kept.txt"):
        write(tmp_path / name)
    selection = select([tmp_path])
    assert [document.name for document in selection.documents] == ["kept.txt"]
    assert selection.passed_over == 2


def test_a_file_that_is_named_is_sent_whatever_it_is(tmp_path: Path) -> None:
    assert [document.name for document in select([write(tmp_path / "notes.rst")]).documents] == ["notes.rst"]


def test_two_documents_of_one_name_are_refused(tmp_path: Path) -> None:
    first, second = write(tmp_path / "one" / "x.md"), write(tmp_path / "two" / "x.md")
    with pytest.raises(InvalidInput, match="both be called"):
        select([first, second])
    assert len(select([tmp_path]).documents) == 2


def test_the_same_file_named_twice_is_one_document(tmp_path: Path) -> None:
    file = write(tmp_path / "x.md")
    assert len(select([file, tmp_path, file]).documents) == 1


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no such file"):
        select([tmp_path / "none.md"])


@pytest.fixture
def rag_address(rag: ServiceProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGE_RAG_ADDRESS", rag.address)


async def ingest(
    documents: list[LocalDocument], collection: str, watch: Watch | None = None
) -> list[pb.DocumentResult]:
    async with rag_service(LocalRunConfig.read()) as stub:
        return await upload(stub, documents, collection, watch or Watch())


@pytest.mark.usefixtures("rag_address")
async def test_the_same_files_again_are_not_sent(tmp_path: Path) -> None:
    for number in range(5):
        write(tmp_path / f"{number}.md", f"# Well {number}\n\nWell {number} is {number + 10} m deep.")
    sent: list[str] = []
    watch = Watch(on_sent=lambda document, sent_bytes: sent.append(document.name))
    documents = select([tmp_path]).documents
    first = await ingest(documents, "twice", watch)
    assert {result.outcome for result in first} == {pb.DocumentResult.STORED}
    assert sorted(sent) == [f"{number}.md" for number in range(5)]
    sent.clear()
    again = await ingest(documents, "twice", watch)
    assert {result.outcome for result in again} == {pb.DocumentResult.UNCHANGED}
    assert sent == []
    write(tmp_path / "3.md", "# Well 3\n\nIt was filled in.")
    third = await ingest(select([tmp_path]).documents, "twice", watch)
    outcomes = {result.name: result.outcome for result in third}
    assert outcomes["3.md"] == pb.DocumentResult.REPLACED
    assert sent == ["3.md"]


@pytest.mark.usefixtures("rag_address")
async def test_what_cannot_be_read_is_rejected_and_the_rest_goes_on(tmp_path: Path) -> None:
    gone = LocalDocument("gone.md", tmp_path / "gone.md", 10)
    empty = LocalDocument("empty.md", write(tmp_path / "empty.md", ""), 0)
    good = LocalDocument("good.md", write(tmp_path / "good.md"), 11)
    results = {result.name: result for result in await ingest([gone, empty, good], "partly")}
    assert results["gone.md"].outcome == pb.DocumentResult.REJECTED
    assert "cannot be read" in results["gone.md"].reason
    assert results["empty.md"].outcome == pb.DocumentResult.REJECTED
    assert results["good.md"].outcome == pb.DocumentResult.STORED


@pytest.mark.usefixtures("rag_address")
async def test_a_large_document_arrives_whole(tmp_path: Path) -> None:
    file = write(
        tmp_path / "large.txt", "\n\n".join(f"Pump {number} runs at {number} bar." for number in range(25_000))
    )
    seen: list[int] = []
    watch = Watch(on_sent=lambda document, sent_bytes: seen.append(sent_bytes))
    (result,) = await ingest([LocalDocument("large.txt", file, file.stat().st_size)], "large", watch)
    assert result.outcome == pb.DocumentResult.STORED
    assert len(seen) > 1
    assert seen[-1] == file.stat().st_size
    assert result.pages > 200


@pytest.mark.usefixtures("rag_address")
async def test_a_wrong_collection_is_the_callers_fault(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        await ingest([LocalDocument("a.md", write(tmp_path / "a.md"), 11)], "../secrets")


async def test_a_service_that_dies_in_mid_ingest_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        service("embedding", LEDGE_ENGINE="scripted") as embedding,
        service("retrieval", LEDGE_ENGINE="memory") as retrieval,
        service("rag", LEDGE_EMBEDDING_ADDRESS=embedding.address, LEDGE_RETRIEVAL_ADDRESS=retrieval.address) as process,
    ):
        monkeypatch.setenv("LEDGE_RAG_ADDRESS", process.address)
        documents = [
            LocalDocument(f"{number}.md", write(tmp_path / f"{number}.md", f"Well {number}."), 8)
            for number in range(50)
        ]
        with pytest.raises((NotReady, EngineFailed)):
            await ingest(documents, "cut", Watch(on_result=lambda result: process.kill()))
