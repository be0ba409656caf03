"""`ledge bench embedding` measures on the smallest of corpora, and says what it lacks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ctranslate2")
pytest.importorskip("typer")

SMALLEST = ("--sentences", "100", "--rounds", "1", "--callers", "8")


def bench(*options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "services.cli", "bench", "embedding", *SMALLEST, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)


def test_every_figure_is_positive_and_the_missing_baseline_is_named(tmp_path: Path) -> None:
    done = bench("--json", str(tmp_path / "report.json"))
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["bench"] == "embedding"
    assert len(report["rows"]) >= 8
    assert all(row["value"] > 0 for row in report["rows"])
    assert "--baseline-venv" in done.stdout


def test_a_python_without_the_baselines_library_is_told_in_one_sentence(tmp_path: Path) -> None:
    done = bench("--baseline-python", sys.executable)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == ["ledge: the baseline ended: has its Python sentence-transformers?"]


def test_a_corpus_that_is_not_there_is_told_before_anything_starts(tmp_path: Path) -> None:
    done = bench("--texts", str(tmp_path / "absent.txt"))
    assert done.returncode == 2
    assert "absent.txt cannot be read: No such file or directory" in done.stderr
