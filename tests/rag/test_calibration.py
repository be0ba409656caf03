"""Weights: the shipped ones are read, others are made from one's own questions, and what is none is refused."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ledge.rag.v1 import rag_pb2 as pb
from ledge.rag.v1 import rag_pb2_grpc

from services.kit.client import open_channel
from services.kit.errors import InvalidInput
from services.rag.evidence.calibration import SHIPPED, read_calibration
from tests.processes import ROOT, service
from tests.rag.answer_client import Suite, ask
from tests.rag.ingest_client import File, ingest
from tests.small_corpus import QUESTIONS, write_questions


def test_the_shipped_weights_say_what_they_were_made_from() -> None:
    calibration = read_calibration()
    assert calibration.encoder == "all-minilm-l6-v2"
    assert calibration.holds_for("all-minilm-l6-v2")
    assert not calibration.holds_for("another")
    for weights in (calibration.reranked, calibration.retrieved):
        assert 0 < weights.threshold < 1
    body = json.loads(SHIPPED.read_text())
    for source in body["made_from"]:
        assert set(source) == {"file", "sha256", "questions"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 99}', '{"format": 2, "reranked": {}}'])
def test_what_is_no_calibration_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "weights.json"
    path.write_text(text)
    with pytest.raises(InvalidInput, match="make one with"):
        read_calibration(path)


async def test_weights_are_made_from_ones_own_questions_and_decide_what_rag_answers(
    suite: Suite, handbook: str, tmp_path: Path
) -> None:
    out = tmp_path / "weights.json"
    done = await calibrate(suite, handbook, write_questions(tmp_path), out)
    assert done.returncode == 0, done.stderr
    made = read_calibration(out)
    assert made.encoder == "all-minilm-l6-v2"
    body = json.loads(out.read_text())
    assert body["made_from"][0]["questions"] == {"one-hop": 8, "unanswerable": 4}
    assert body["reranked"]["cross_validated"]["one-hop: the quoted sentences hold the answer"] >= 0.75
    assert await is_answered(suite, handbook, out)
    body["reranked"]["threshold"] = 1.0
    out.write_text(json.dumps(body))
    assert not await is_answered(suite, handbook, out), "it is this file that is read"


async def test_too_few_questions_are_told_in_one_sentence(suite: Suite, handbook: str, tmp_path: Path) -> None:
    answerable = [question for question in QUESTIONS if question[2]]
    out = tmp_path / "weights.json"
    done = await calibrate(suite, handbook, write_questions(tmp_path, answerable), out)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("calibrate: too few questions: it takes 4 ")
    assert not out.exists()


@pytest.mark.parametrize(("within", "elsewhere", "documents"), [(1e6, -1e6, 1), (-1e6, 1e6, 2)])
async def test_how_near_a_second_sentence_must_come_is_weighed_apart_for_another_passage(
    suite: Suite, tmp_path: Path, within: float, elsewhere: float, documents: int
) -> None:
    body = json.loads(SHIPPED.read_text())
    for searched in ("reranked", "retrieved"):
        body[searched] |= {"threshold": 0.0, "second_within": within, "second_within_elsewhere": elsewhere}
    weights = tmp_path / "weights.json"
    weights.write_text(json.dumps(body))
    mill = File("mill.md", b"# The mill\n\nThe mill was built in 1802 by Ada Brandt.")
    weir = File("weir.md", b"# The weir\n\nThe weir beside the mill was rebuilt in 1911.")
    with service("rag", **suite.settings, LEDGE_CALIBRATION_FILE=str(weights)) as rag:
        async with open_channel(rag.address) as channel:
            stub = rag_pb2_grpc.RagServiceStub(channel)
            await ingest(stub, [mill, weir], "two-passages")
            answered = await ask(stub, "When was the mill built?", "two-passages", policy=pb.QUOTE)
    assert len({citation.passage.document for citation in answered.done.citations}) == documents


async def calibrate(suite: Suite, collection: str, questions: Path, out: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "services.rag.evidence.calibrate", "--questions", str(questions)]
    return await asyncio.to_thread(
        subprocess.run,
        [*command, "--collection", collection, "--out", str(out)],
        env={**os.environ, **suite.settings},
        capture_output=True,
        text=True,
        cwd=ROOT,
    )


async def is_answered(suite: Suite, collection: str, weights: Path) -> bool:
    with service("rag", **suite.settings, LEDGE_CALIBRATION_FILE=str(weights)) as rag:
        async with open_channel(rag.address) as channel:
            stub = rag_pb2_grpc.RagServiceStub(channel)
            answered = await ask(stub, "How tall is the pump house?", collection, policy=pb.QUOTE)
    return bool(answered.done.answered)
