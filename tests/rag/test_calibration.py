"""Weights: the shipped ones are read, others are made from one's own questions, and what is none is refused."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.kit.errors import InvalidInput
from services.rag.evidence.calibration import SHIPPED, read_calibration
from tests.processes import ROOT, service
from tests.rag.answer_client import Suite

QUESTIONS = [
    ("one-hop", "How tall is the pump house?", ["14.2 m"]),
    ("one-hop", "When was the pump house built?", ["1874"]),
    ("one-hop", "What does an adult return cost?", ["£10.80"]),
    ("one-hop", "What is the extension of Marta Ashby?", ["350"]),
    ("one-hop", "Who is the Control Room Supervisor?", ["Ada Brandt"]),
    ("one-hop", "When do shifts change?", ["06:30"]),
    ("one-hop", "Of what is the roof?", ["slate"]),
    ("one-hop", "At how much carbon monoxide does the alarm sound?", ["20 ppm"]),
    ("unanswerable", "What is the capital of Mongolia?", []),
    ("unanswerable", "How old is Ada Brandt?", []),
    ("unanswerable", "What colour is the moon?", []),
    ("unanswerable", "Who painted the ceiling?", []),
]


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


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 99}', '{"format": 1, "reranked": {}}'])
def test_what_is_no_calibration_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "weights.json"
    path.write_text(text)
    with pytest.raises(InvalidInput, match="make one with"):
        read_calibration(path)


async def test_weights_are_made_from_ones_own_questions_and_read_by_rag(
    suite: Suite, handbook: str, tmp_path: Path
) -> None:
    questions = tmp_path / "questions.jsonl"
    questions.write_text(
        "\n".join(
            json.dumps({"id": str(number), "kind": kind, "question": question, "history": [], "gold": gold})
            for number, (kind, question, gold) in enumerate(QUESTIONS)
        )
    )
    out = tmp_path / "weights.json"
    command = [sys.executable, "-m", "services.rag.evidence.calibrate", "--questions", str(questions)]
    done = await asyncio.to_thread(
        subprocess.run,
        [*command, "--collection", handbook, "--out", str(out)],
        env={**os.environ, **suite.settings},
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    made = read_calibration(out)
    assert made.encoder == "all-minilm-l6-v2"
    body = json.loads(out.read_text())
    assert body["made_from"][0]["questions"] == {"one-hop": 8, "unanswerable": 4}
    assert body["reranked"]["cross_validated"]["one-hop: the quoted sentences hold the answer"] >= 0.75
    with service("rag", **suite.settings, LEDGE_CALIBRATION_FILE=str(out)):
        pass
