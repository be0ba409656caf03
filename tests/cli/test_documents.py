"""Documents and collections from the command line: listed and deleted, for people and for programs."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ledge_command import Ledge
from tests.processes import ServiceProcess

WELL = "# Well 1\n\nWell 1 is 12 m deep.\n"


@pytest.fixture
def command(rag: ServiceProcess, tmp_path: Path) -> Iterator[Ledge]:
    """The command, and in the collection "wells" two documents."""
    ledge = Ledge(tmp_path / "state", LEDGE_RAG_ADDRESS=rag.address)
    for name in ("one.md", "[two].md"):
        (tmp_path / name).write_text(WELL)
    ledge.run("ingest", "--collection", "wells", str(tmp_path / "one.md"), str(tmp_path / "[two].md"))
    yield ledge
    ledge.run("collections", "delete", "wells", code=None)


def test_what_was_taken_in_is_listed(command: Ledge) -> None:
    listed = {document["name"]: document for document in command.json("documents", "list", "--collection", "wells")}
    assert sorted(listed) == ["[two].md", "one.md"]
    one = listed["one.md"]
    assert one["sha256"] == hashlib.sha256(WELL.encode()).hexdigest()
    assert (one["size_bytes"], one["pages"], one["media_type"]) == (len(WELL), 1, "text/markdown")
    assert one["chunks"] >= 1
    shown = command.run("documents", "list", "--collection", "wells").stdout
    assert "[two].md" in shown
    assert "2 documents in wells" in shown


def test_a_deleted_document_is_gone_and_the_other_stays(command: Ledge) -> None:
    told = command.run("documents", "delete", "--collection", "wells", "[two].md").stdout
    assert told.startswith("deleted   [two].md")
    assert [document["name"] for document in command.json("documents", "list", "--collection", "wells")] == ["one.md"]
    assert command.json("collections", "list") == [{"name": "wells", "documents": 1, "chunks": 1}]


def test_a_document_that_is_not_there_is_named_and_the_others_are_deleted(command: Ledge) -> None:
    told = command.json("documents", "delete", "--collection", "wells", "none.md", "one.md", code=1)
    assert told == {"deleted": [{"name": "one.md", "chunks": 1}], "missing": ["none.md"]}
    refused = command.run("documents", "delete", "--collection", "wells", "none.md", code=1)
    assert refused.stderr == "ledge: not in the collection 'wells': none.md\n"


def test_a_deleted_collection_is_gone(command: Ledge) -> None:
    assert "wells" in command.run("collections", "list").stdout
    assert command.json("collections", "delete", "wells") == {"deleted": "wells"}
    assert command.json("collections", "list") == []
    assert command.run("collections", "list").stdout.startswith("no collections yet")


@pytest.mark.parametrize(
    "arguments",
    [
        ("documents", "list", "--collection", "none"),
        ("documents", "delete", "--collection", "none", "one.md"),
        ("collections", "delete", "none"),
    ],
)
def test_an_unknown_collection_is_told_in_one_sentence(command: Ledge, arguments: tuple[str, ...]) -> None:
    assert command.run(*arguments, code=1).stderr == "ledge: there is no collection 'none'\n"


def test_a_name_that_no_collection_can_have_is_wrongly_asked(command: Ledge) -> None:
    assert "no name of a collection" in command.run("collections", "delete", "A B", code=2).stderr


def test_an_older_suite_is_told_apart_from_a_fault(running: Ledge) -> None:
    address = running.service("retrieval")["address"]
    failed = running.run("collections", "list", code=1, LEDGE_RAG_ADDRESS=address)
    assert f"what answers at {address} does not know this call" in failed.stderr
    assert failed.stderr.count("\n") == 1
