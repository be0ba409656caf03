"""`ledge bench tts` measures on the smallest of scales, and its checks can fail."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from services.cli.bench.tts_crossing import heard_as
from services.tts.engines.scripted import SAMPLE_RATE_HZ, TONE_MS, pitch_hz
from tests.tts.conftest import need_flite

pytest.importorskip("typer")


def bench(*options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "services.cli", "bench", "tts", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)


def test_both_parts_tell_their_figures(tmp_path: Path) -> None:
    need_flite()
    file = tmp_path / "report.json"
    done = bench("--callers", "1,2", "--answers", "1", "--rounds", "1", "--calls", "40", "--json", str(file))
    assert done.returncode == 0, done.stderr
    rows = json.loads(file.read_text())["rows"]
    assert [row["figure"].partition(",")[0] for row in rows] == [
        *["first audio p50", "first audio p95", "nothing to hear within an answer p99", "speech a second"] * 2,
        *["answers that are another caller's or wrong"] * 2,
    ]
    assert all(row["value"] > 0 and row["baseline_value"] > 0 for row in rows[:8] if "nothing" not in row["figure"])
    assert [row["value"] for row in rows[8:]] == [0, 0]


def test_another_callers_answer_would_be_noticed() -> None:
    def tone(word: str) -> bytes:
        phase = 2 * np.pi * pitch_hz(word) / SAMPLE_RATE_HZ * np.arange(TONE_MS * SAMPLE_RATE_HZ // 1000)
        return bytes((3000 * np.sin(phase)).astype("<i2").tobytes())

    both = [("pump", 0, TONE_MS), ("gate", TONE_MS, 2 * TONE_MS)]
    audio = tone("pump") + tone("gate")
    assert heard_as(audio, both, "pump gate")
    assert not heard_as(audio, both, "pump tower")
    assert not heard_as(audio, [("tower", 0, TONE_MS), both[1]], "tower gate")
    assert not heard_as(tone("gate") + tone("pump"), both, "pump gate")
    assert not heard_as(bytes(len(audio)), both, "pump gate")


def test_a_list_of_callers_that_is_none_is_the_callers_fault() -> None:
    for callers in ("x", "0", "1,,2"):
        assert bench("--callers", callers).returncode == 2
