"""What a newcomer gets: `ledge up` with the default profile, from nothing to a cited answer, and what follows."""

import asyncio
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import psutil
import pytest
from ledge.rag.v1 import rag_pb2 as pb
from ledge.rag.v1 import rag_pb2_grpc as rpc

from services.cli.up import SAMPLE_QUESTION
from services.kit.client import open_channel
from tests.ledge_command import Ledge

pytestmark = pytest.mark.timeout(300)
NEEDS = {"tts": "flite", "translation": "/usr/share/apertium/modes/eng-spa.mode"}
"""Programs and files of Debian; a service is left out where its own is missing."""
SERVICES = [
    name
    for name in (
        "asr",
        "tts",
        "translation",
        "llm",
        "embedding",
        "retrieval",
        "reranking",
        "rag",
        "voice",
        "gateway",
        "riva",
        "wyoming",
    )
    if name not in NEEDS or shutil.which(NEEDS[name]) or Path(NEEDS[name]).is_file()
]
RECOVERY_TIMEOUT_S = 60
PDF_QUESTION = "How deep is borehole 2?"


@pytest.fixture(scope="module")
def ledge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledge]:
    command = Ledge(tmp_path_factory.mktemp("up") / "state")
    try:
        yield command
    finally:
        command.close()


@pytest.fixture(scope="module")
def first_up(ledge: Ledge) -> str:
    return ledge.run("up").stdout


@pytest.fixture
def up(ledge: Ledge, first_up: str) -> Ledge:
    """The suite, which has answered its first question and was left running."""
    return ledge


def pids(ledge: Ledge) -> dict[str, int]:
    return {service["name"]: service["pid"] for service in ledge.json("status")["services"]}


def test_up_shows_what_it_waits_for_and_ends_with_a_cited_answer(first_up: str) -> None:
    waited = next(line for line in first_up.splitlines() if "waiting for" in line)
    assert [name for name in SERVICES if name not in waited] == []
    for name in SERVICES:
        assert re.search(rf"ready +{name} \(\d+\.\d s\)", first_up), name
    assert "14 documents: 14 stored" in first_up
    _, _, story = first_up.partition(SAMPLE_QUESTION)
    assert "[1]" in story
    source = next(line for line in story.splitlines() if re.match(r"\[1\] \S+\.(pdf|docx|html|md), ", line))
    assert "page" in source or "›" in source
    assert re.search(r"first words \d+ ms · total \d+ ms", story)
    for stage in ("services", "documents", "question"):
        assert f"{stage} took" in first_up
    assert "The suite is running" in story
    assert "ledge down" in story
    assert re.search(r"http://127\.0\.0\.1:\d+/ +# open this in a browser, and talk", story)


def test_the_suite_is_left_running(up: Ledge) -> None:
    status = up.json("status")
    assert status["ready"]
    assert sorted(service["name"] for service in status["services"]) == sorted(SERVICES)


def test_ask_answers_for_programs(up: Ledge) -> None:
    answer = up.json("ask", PDF_QUESTION)
    assert answer["answered"] is True
    assert "118 m" in answer["answer"]
    source = answer["citations"][0]
    assert source["document"] == "treatment-manual.pdf"
    assert source["page"] >= 1
    assert source["heading"]
    assert source["evidence"] in source["text"]
    assert answer["steps"]
    assert answer["timings_ms"]["total"] >= answer["timings_ms"]["first_token"] > 0
    assert answer["degraded"] == []


def test_ask_streams_for_people(up: Ledge) -> None:
    shown = up.run("ask", *PDF_QUESTION.split()).stdout
    assert "118 m" in shown.partition("\n\n")[0]
    assert re.search(r"^\[1\] treatment-manual.pdf, page \d+, ", shown, re.MULTILINE)


def test_what_the_documents_do_not_hold_is_not_answered(up: Ledge) -> None:
    answer = up.json("ask", "Who won the chess championship in Reykjavik?")
    assert answer["answered"] is False
    assert answer["citations"] == []


def test_a_follow_up_is_understood_with_its_history(up: Ledge, tmp_path: Path) -> None:
    history = tmp_path / "history.json"
    history.write_text(json.dumps([PDF_QUESTION]))
    answer = up.json("ask", "--history", str(history), "How much does it yield?")
    assert "treatment-manual.pdf" in [source["document"] for source in answer["citations"]]


def test_search_finds_passages(up: Ledge) -> None:
    found = up.json("search", "--limit", "3", PDF_QUESTION)
    assert len(found["passages"]) == 3
    assert found["passages"][0]["document"] == "treatment-manual.pdf"
    assert "treatment-manual.pdf" in up.run("search", PDF_QUESTION).stdout


def test_an_openai_client_gets_the_same_answer(up: Ledge) -> None:
    url = f"http://127.0.0.1:{up.environment['LEDGE_GATEWAY_PORT']}/v1/chat/completions"
    body = {"model": "ledge-rag", "messages": [{"role": "user", "content": PDF_QUESTION}]}
    answer = httpx.post(url, json=body, timeout=30, trust_env=False)
    assert answer.status_code == 200, answer.text
    assert "118 m" in answer.json()["choices"][0]["message"]["content"]


def test_own_documents_are_asked_in_their_own_collection(up: Ledge, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "shed.md").write_text("# The shed\n\nThe key of the blue shed hangs behind the third beam.\n")
    (tmp_path / "notes" / "broken.pdf").write_bytes(b"%PDF-1.7 this is no PDF")
    told = up.json("ingest", str(tmp_path / "notes"), "--collection", "mine", code=1)
    outcomes = {document["name"]: document["outcome"] for document in told["documents"]}
    assert outcomes == {"shed.md": "stored", "broken.pdf": "rejected"}
    answer = up.json("ask", "--collection", "mine", "Where does the key of the blue shed hang?")
    assert "third beam" in answer["answer"]
    assert [source["document"] for source in answer["citations"]] == ["shed.md"]


def test_up_again_repeats_nothing(up: Ledge) -> None:
    before = pids(up)
    again = up.run("up").stdout
    assert "14 documents: 14 unchanged" in again
    assert SAMPLE_QUESTION not in again
    assert "running already" in again
    assert pids(up) == before


async def calls_until_answered(address: str) -> list[grpc.StatusCode]:
    """Asks until there is an answer; tells how the calls before it failed."""
    failures: list[grpc.StatusCode] = []
    async with open_channel(address, contracts=(pb.DESCRIPTOR,)) as channel, asyncio.timeout(RECOVERY_TIMEOUT_S):
        rag: Any = rpc.RagServiceStub(channel)
        while True:
            try:
                events = [event async for event in rag.Answer(pb.AnswerRequest(question=SAMPLE_QUESTION), timeout=30)]
            except grpc.aio.AioRpcError as error:
                failures.append(error.code())
                continue
            assert events[-1].done.answered
            return failures


async def test_callers_of_a_killed_service_see_unavailable_and_then_success(up: Ledge) -> None:
    rag = up.service("rag")
    psutil.Process(rag["pid"]).kill()
    failures = await calls_until_answered(rag["address"])
    assert failures
    assert set(failures) == {grpc.StatusCode.UNAVAILABLE}
    assert up.service("rag")["restarts"] == rag["restarts"] + 1


@pytest.mark.parametrize("name", ["embedding", "retrieval"])
async def test_callers_two_hops_above_a_killed_service_see_nothing_else(up: Ledge, name: str) -> None:
    killed = up.service(name)
    psutil.Process(killed["pid"]).kill()
    failures = await calls_until_answered(up.service("rag")["address"])
    assert set(failures) <= {grpc.StatusCode.UNAVAILABLE}
    assert up.service(name)["pid"] != killed["pid"]


def test_down_leaves_no_process_and_up_finds_the_documents_again(up: Ledge) -> None:
    up.run("down")
    assert up.processes() == []
    again = up.json("up")
    assert again["documents"]["unchanged"] == 14
    assert again["answer"]["answered"] is True
    answer = up.json("ask", "--collection", "mine", "Where does the key of the blue shed hang?")
    assert "third beam" in answer["answer"]
