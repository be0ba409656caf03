"""`ledge say`, `ledge transcribe` and `ledge voices`, against real services."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.asr.asking import file_of, silence, speech
from tests.ledge_command import ROOT, Ledge
from tests.processes import ServiceProcess, service

WORDS = "the pump house is tall"
SPOKEN_S = 0.58
"""The scripted voice takes a tenth of a second a word, and pauses in the end."""


@pytest.fixture(scope="module")
def tts() -> Iterator[ServiceProcess]:
    with service("tts", LEDGE_ENGINE="scripted") as process:
        yield process


@pytest.fixture(scope="module")
def asr() -> Iterator[ServiceProcess]:
    with service("asr", LEDGE_ENGINE="scripted") as process:
        yield process


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two utterances, in which the scripted engine hears a numeral in each half second."""
    path = tmp_path_factory.mktemp("said") / "said.wav"
    path.write_bytes(file_of(np.concatenate([speech("window"), silence(2), speech("meeting")])))
    return path


def piped(ledge: Ledge, *arguments: str, given: bytes = b"", **settings: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments],
        env={**ledge.environment, **settings},
        input=given,
        capture_output=True,
        cwd=ROOT,
        timeout=60,
    )


def test_a_pipe_is_written_to_and_stays_one(ledge: Ledge, tts: ServiceProcess, tmp_path: Path) -> None:
    pipe = tmp_path / "said.wav"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as reader:
        heard = reader.submit(pipe.read_bytes)
        ledge.run("say", *WORDS.split(), "-o", str(pipe), "--address", tts.address)
        assert heard.result(timeout=30).startswith(b"RIFF")
    assert pipe.is_fifo(), "as a device would have been replaced by a file"


def test_ssml_is_spoken_into_a_pipe_as_text_is(ledge: Ledge, tts: ServiceProcess) -> None:
    done = piped(ledge, "say", "--ssml", f"<speak>{WORDS}</speak>", "-o", "-", "--address", tts.address)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"RIFF")


@pytest.mark.parametrize("ending", ["wav", "mp3", "opus", "ogg", "flac"])
def test_the_ending_of_the_file_is_its_format(ledge: Ledge, tts: ServiceProcess, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"said.{ending}"
    ledge.run("say", *WORDS.split(), "-o", str(file), "--address", tts.address)
    samples, rate_hz = soundfile.read(file)
    assert abs(len(samples) / rate_hz - SPOKEN_S) < 0.15
    kind = {"opus": "OGG"}.get(ending, ending.upper())
    assert soundfile.info(file).format == kind
    assert list(tmp_path.glob(".*part")) == []


def test_bare_samples_and_rates(ledge: Ledge, tts: ServiceProcess, tmp_path: Path) -> None:
    where = ("--address", tts.address, "--sample-rate", "8000")
    for ending, sample_bytes in (("pcm", 2), ("ulaw", 1), ("alaw", 1)):
        file = tmp_path / f"said.{ending}"
        ledge.run("say", WORDS, "-o", str(file), *where)
        assert abs(file.stat().st_size / sample_bytes / 8000 - SPOKEN_S) < 0.05
    fast = tmp_path / "fast.pcm"
    ledge.run("say", WORDS, "-o", str(fast), *where, "--rate", "2", "--voice", "loud-tone")
    assert fast.stat().st_size < 0.7 * 2 * 8000 * SPOKEN_S


def test_what_comes_by_a_pipe_is_spoken_and_goes_by_a_pipe(ledge: Ledge, tts: ServiceProcess) -> None:
    done = piped(ledge, "say", "-o", "-", "--address", tts.address, given=WORDS.encode())
    assert done.returncode == 0, done.stderr
    assert done.stdout[:4] == b"RIFF"
    whole = piped(ledge, "say", WORDS, "-o", "-", LEDGE_TTS_ADDRESS=tts.address)
    assert done.stdout == whole.stdout


def test_a_pipe_is_spoken_while_it_is_written(ledge: Ledge, tts: ServiceProcess) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "services.cli", "say", "-o", "-", "--address", tts.address],
        env=ledge.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"Good morning, said the ")
        process.stdin.flush()
        assert process.stdout.read(44 + 1600)[:4] == b"RIFF"
        process.stdin.write(b"pump house.")
        process.stdin.close()
        assert len(process.stdout.read()) > 2 * 16_000 * 0.4
    assert process.returncode == 0


def test_without_a_file_it_is_played(ledge: Ledge, tts: ServiceProcess, tmp_path: Path) -> None:
    played = tmp_path / "played"
    player = tmp_path / "bin" / "aplay"
    player.parent.mkdir()
    player.write_text(f'#!/bin/sh\necho "$@" > {played}.how\ncat > {played}\n')
    player.chmod(0o755)
    path = f"{player.parent}:/usr/bin:/bin" if not Path("/usr/bin/paplay").exists() else ""
    if not path:
        pytest.skip("this machine has a player of its own")
    ledge.run("say", WORDS, "--address", tts.address, PATH=path)
    assert abs(played.stat().st_size / 2 / 16_000 - SPOKEN_S) < 0.05
    assert "-r 16000" in Path(f"{played}.how").read_text()
    player.write_text("#!/bin/sh\necho 'no sound card' >&2\nexit 3\n")
    failed = ledge.run("say", WORDS, "--address", tts.address, PATH=path, code=1)
    assert "no sound card" in failed.stderr


def test_where_there_is_no_player_it_says_how(ledge: Ledge, tts: ServiceProcess, tmp_path: Path) -> None:
    failed = ledge.run("say", WORDS, "--address", tts.address, PATH=str(tmp_path), code=1)
    assert "-o" in failed.stderr
    assert "aplay" in failed.stderr


def test_ssml_is_spoken(ledge: Ledge, tts: ServiceProcess, tmp_path: Path) -> None:
    file = tmp_path / "said.wav"
    ledge.run("say", "--ssml", '<speak>One<break time="2s"/>two</speak>', "-o", str(file), "--address", tts.address)
    assert soundfile.info(file).duration > 2.1
    assert "<audio>" in ledge.run(
        "say", "--ssml", "<speak><audio/></speak>", "-o", str(file), "--address", tts.address, code=2
    ).stderr  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["say", "x", "-o", "x.aac"], 2, "ends in"),
        (["say", "x", "-o", "/nowhere/x.wav"], 2, "/nowhere/x.wav"),
        (["say", "x", "-o", "x.wav", "--voice", "nobody"], 1, "nobody"),
        (["say", "x", "-o", "x.wav", "--rate", "9"], 2, "rate"),
    ],
)
def test_what_cannot_be_said_is_told(
    ledge: Ledge, tts: ServiceProcess, arguments: list[str], code: int, told: str
) -> None:
    assert told in ledge.run(*arguments, "--address", tts.address, code=code).stderr
    assert not Path(ROOT / "x.wav").exists()


def test_voices_are_listed(ledge: Ledge, tts: ServiceProcess) -> None:
    assert "tono" in ledge.run("voices", "--address", tts.address).stdout
    voices = ledge.json("voices", "--language", "es", LEDGE_TTS_ADDRESS=tts.address)
    assert [(voice["id"], voice["language"], voice["gender"]) for voice in voices] == [("tono", "es-ES", "neutral")]


def test_a_file_is_written_down(ledge: Ledge, asr: ServiceProcess, said: Path) -> None:
    lines = ledge.run("transcribe", str(said), "--address", asr.address).stdout.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("one two three")
    spanish = ledge.run("transcribe", str(said), "--language", "es", LEDGE_ASR_ADDRESS=asr.address).stdout
    assert spanish.startswith("uno dos tres")
    by_pipe = piped(ledge, "transcribe", "-", "--address", asr.address, given=said.read_bytes())
    assert by_pipe.stdout.decode().splitlines() == lines


def test_a_transcript_has_forms(ledge: Ledge, asr: ServiceProcess, said: Path) -> None:
    def form(*arguments: str) -> str:
        return ledge.run("transcribe", str(said), "--address", asr.address, *arguments).stdout

    told = json.loads(form("--format", "json", "--words"))
    assert told["text"] == " ".join(utterance["text"] for utterance in told["utterances"])
    words = [word for utterance in told["utterances"] for word in utterance["words"]]
    assert " ".join(word["text"] for word in words) == told["text"]
    assert words[0]["start_ms"] < words[-1]["end_ms"]
    assert 6000 < told["duration_ms"] < 7000
    assert "words" not in json.loads(form("--format", "json"))["utterances"][0]
    assert form("--format", "srt").startswith("1\n00:00:0")
    assert form("--format", "vtt").startswith("WEBVTT\n\n00:00:0")
    assert form("--words").splitlines()[1].split()[-1] == "one"


@pytest.mark.parametrize(
    ("content", "arguments", "told"),
    [
        (b"", [], "no audio"),
        (b"no audio at all", [], "can be read"),
        (bytes(65 * 2**20), [], "compress"),
        (None, [], "No such file"),
        (file_of(silence(1)), ["--language", "tlh"], "tlh"),
    ],
)
def test_what_cannot_be_heard_is_told(
    ledge: Ledge, asr: ServiceProcess, tmp_path: Path, content: bytes | None, arguments: list[str], told: str
) -> None:
    file = tmp_path / "audio"
    if content is not None:
        file.write_bytes(content)
    assert told in ledge.run("transcribe", str(file), "--address", asr.address, *arguments, code=2).stderr


@pytest.mark.parametrize("arguments", [["voices"], ["say", "x", "-o", os.devnull + ".wav"], ["transcribe", __file__]])
def test_without_a_suite_it_fails_in_one_sentence(ledge: Ledge, arguments: list[str]) -> None:
    failed = ledge.run(*arguments, code=1)
    assert "nothing answers at 127.0.0.1:" in failed.stderr
    assert failed.stderr.count("\n") == 1


def test_an_answer_alone_can_be_spoken(ledge: Ledge, rag: ServiceProcess, tts: ServiceProcess, tmp_path: Path) -> None:
    well = tmp_path / "well.md"
    well.write_text("# Well 1\n\nWell 1 is 12 m deep.\n")
    where = {"LEDGE_RAG_ADDRESS": rag.address}
    ledge.run("ingest", "--collection", "spoken", str(well), **where)
    try:
        question = ("ask", "--bare", "--collection", "spoken", "How deep is well 1?")
        answer = ledge.run(*question, **where).stdout
        assert answer == "Well 1 is 12 m deep. [1]\n"
        file = tmp_path / "answer.wav"
        said = piped(ledge, "say", "-o", str(file), "--address", tts.address, given=answer.encode())
        assert said.returncode == 0, said.stderr
        # Six words: neither the mark of the source nor anything else.
        assert abs(soundfile.info(file).duration - SPOKEN_S - 0.1) < 0.05
    finally:
        ledge.run("collections", "delete", "spoken", **where)
