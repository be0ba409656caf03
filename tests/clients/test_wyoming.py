"""The Wyoming protocol's own client and its benchmark, unchanged, against pocketsphinx and flite."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.speech_doors import door, printed_by_snippet, python_of, run, said_by
from tests.processes import ServiceProcess

MEETING = "the meeting begins at nine in the morning"


@pytest.fixture(scope="module")
def speech_python() -> str:
    return python_of("SPEECH_CLIENTS_PYTHON", "test-clients")


@pytest.fixture(scope="module")
def wyoming(speech_python: str) -> Iterator[ServiceProcess]:
    with door("wyoming", LEDGE_RAG_ADDRESS="127.0.0.1:1") as running:
        yield running


def test_the_protocols_client_speaks_and_hears(wyoming: ServiceProcess, speech_python: str) -> None:
    told = said_by(speech_python, "wyoming_client.py", wyoming)
    assert told["models"] == [["pocketsphinx-en-us", ["en-US"]]]
    assert ["rms", ["en-US"]] in told["voices"]
    assert told["pong"] == "here?"
    assert told["transcript"] == MEETING
    assert told["kinds"][0] == "transcript-start"
    assert told["kinds"][-2:] == ["transcript", "transcript-stop"]
    assert told["streamed_seconds"] == pytest.approx(told["seconds"], rel=0.2)


def test_the_protocols_benchmark_speaks_a_corpus_and_hears_it(
    wyoming: ServiceProcess, speech_python: str, tmp_path: Path
) -> None:
    bench = str(Path(speech_python).parent / "wyoming-bench")
    once = ["--rounds", "1", "--warmup", "0"]
    assert "transcript streaming" in run([bench, "info", wyoming.address])
    corpus = ["--out", str(tmp_path), "--texts", f"{MEETING}.", "Please open the window."]
    run([bench, "generate-corpus", wyoming.address, *corpus])
    for told in (
        run([bench, "stt", wyoming.address, "--corpus", str(tmp_path), *once]),
        run([bench, "tts", wyoming.address, *once]),
    ):
        assert re.findall(r"^\[(\w+)\] ok=\d+ fail=(\d+)", told, re.MULTILINE) == [
            ("non_streaming", "0"),
            ("streaming", "0"),
        ]


def test_the_pages_snippet_runs_as_it_stands(wyoming: ServiceProcess, speech_python: str) -> None:
    assert "seconds of speech" in printed_by_snippet(speech_python, "AsyncTcpClient", wyoming)
