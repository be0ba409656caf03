"""`ledge bench rag` measures anybody's documents and questions, and every share is one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.small_corpus import write_documents, write_questions

pytest.importorskip("ctranslate2")
pytest.importorskip("typer")


def bench(*options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "services.cli", "bench", "rag", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)


def test_finding_answering_refusing_and_speed_are_reported(tmp_path: Path) -> None:
    documents, questions = write_documents(tmp_path), write_questions(tmp_path)
    file = tmp_path / "report.json"
    given = ["--documents", str(documents), "--questions", str(questions), "--json", str(file)]
    done = bench(*given, "--policies", "quote", "--callers", "2", "--seconds", "1")
    assert done.returncode == 0, done.stderr
    report = json.loads(file.read_text())
    assert report["bench"] == "rag"
    rows = {row["figure"]: row for row in report["rows"] if not row["baseline"]}
    assert rows["quote: one-hop answers with the gold span"]["value"] >= 0.75
    assert rows["quote: unanswerable questions refused"]["note"] == "4 questions"
    by_words = rows["quote: citations whose words hold the gold span"]["value"]
    by_passages = rows["quote: citations whose passage holds the gold span"]["value"]
    assert 0 < by_words <= by_passages
    assert rows["questions answered, 2 callers"]["value"] > 0
    shares = [row["value"] for row in report["rows"] if row["unit"] == "share"]
    assert shares
    assert all(0 <= share <= 1 for share in shares)
    searched = {row["baseline"] for row in report["rows"] if row["figure"].startswith("recall@5")}
    assert searched == {"dense alone", "BM25 alone", "hybrid"}


def test_a_file_without_questions_is_told_before_anything_starts(tmp_path: Path) -> None:
    done = bench("--questions", str(write_questions(tmp_path, [])))
    assert done.returncode == 2
    assert done.stderr.strip().endswith("holds no questions")
