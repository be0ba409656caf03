"""`ledge bench asr` measures on the smallest of scales, and its checks can fail."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from services.cli.bench.asr_callers import WORDS, Measured, _round
from services.cli.bench.asr_speech import word_errors
from services.cli.bench.asr_streams import PAUSE_S, speech_of
from services.kit.errors import EngineFailed
from tests.tts.conftest import need_flite

pytest.importorskip("faster_whisper")


def bench(*options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "services.cli", "bench", "asr", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)


def figures(file: Path) -> dict[str, float]:
    return {row["figure"]: row["value"] for row in json.loads(file.read_text())["rows"]}


def test_streams_are_measured(tmp_path: Path) -> None:
    need_flite()
    file = tmp_path / "report.json"
    options = ("--part", "streams", "--shapes", "micro", "--streams", "1", "--spoken", "1", "--json", str(file))
    done = bench(*options)
    assert done.returncode == 0, done.stderr
    told = figures(file)
    assert [figure.partition(",")[0] for figure in told] == [
        "end of speech to the final p95",
        "streams at real time with p95 ≤ 1 s",
    ] * 2
    # Half a second of silence ends an utterance: no final can come before.
    assert all(value >= 450 for figure, value in told.items() if figure.startswith("end of speech"))


def test_what_each_means_gives_is_measured(tmp_path: Path) -> None:
    need_flite()
    file = tmp_path / "report.json"
    options = ("--part", "gains", "--shapes", "micro", "--utterances", "1", "--rounds", "1", "--json", str(file))
    done = bench(*options)
    assert done.returncode == 0, done.stderr
    assert len(figures(file)) == 4
    assert all(value > 0 for value in figures(file).values())


def test_an_answer_that_is_not_the_models_would_be_noticed() -> None:
    async def hear(audio: bytes) -> str:
        return " ".join(WORDS) if audio == b"right" else "something else"

    measured = Measured()
    asyncio.run(_round(hear, b"right", 3, 2, measured))
    assert len(measured.final_ms) == 6
    with pytest.raises(EngineFailed):
        asyncio.run(_round(hear, b"wrong", 1, 1, measured))


def test_speech_ends_where_its_utterances_do() -> None:
    speech = speech_of([np.ones(16_000, np.float32), np.ones(8000, np.float32)])
    assert speech.ends_s == [1.0, 1.0 + PAUSE_S + 0.5]
    assert len(speech.samples) == 16_000 * (1.5 + 2 * PAUSE_S)


def test_word_errors_are_counted() -> None:
    assert word_errors("open the window", "open the window") == 0
    assert word_errors("open the window", "close a window please") == 3


def test_what_cannot_be_measured_is_the_callers_fault() -> None:
    for options in (("--shapes", "huge"), ("--callers", "0"), ("--streams", "x")):
        assert bench(*options).returncode == 2
