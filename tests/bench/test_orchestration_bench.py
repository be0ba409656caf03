"""`ledge bench orchestration` answers every question through the model, on both sides."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("typer")


def test_rag_and_the_bare_chain_are_measured_side_by_side(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "services.cli", "bench", "orchestration", "--streams", "2", "--seconds", "1"]
    done = subprocess.run(
        [*command, "--json", str(tmp_path / "report.json")], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "report.json").read_text())["rows"]
    assert [row["figure"] for row in rows] == [
        "answers per second, 2 streams",
        "first sentence p50, 2 streams",
        "whole answer p95, 2 streams",
    ]
    assert all(row["value"] > 0 and row["baseline_value"] > 0 for row in rows)
