"""`ledge talk`, against a voice service before scripted engines; and what it is made of."""

import asyncio
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from services.cli.talking.devices import Microphone
from services.cli.talking.play_buffer import PlayBuffer
from services.cli.talking.players import RATE_HZ, recorder
from services.cli.talking.spoken_file import read_spoken_file
from services.cli.talking.typed_lines import typed_lines
from services.kit.errors import InvalidInput, NotReady
from tests.asr.asking import file_of, silence, speech
from tests.gateway.suite import KEYS, PEER_KEY, TALL, whole_suite
from tests.ledge_command import ROOT, Ledge
from tests.processes import ServiceProcess, service
from tests.riva.test_synthesis import words_in

SCRIPT = f"""
rules:
  - when: "^one two three four"
    say: "{" ".join(["on and"] * 60)}"
"""
LONG_S = 12.0
"""The scripted voice takes a tenth of a second a word."""
PLAYED_AT_MOST_S = 5.0


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """Answers from a document by `ledge-rag`, and to what is heard by `scripted`, whose first answer is long."""
    script = tmp_path_factory.mktemp("voice") / "script.yaml"
    script.write_text(SCRIPT)
    with (
        whole_suite() as documents,
        service("asr", **KEYS, LEDGE_ENGINE="scripted") as asr,
        service("tts", **KEYS, LEDGE_ENGINE="scripted") as tts,
        service("llm", **KEYS, LEDGE_ENGINE="scripted", LEDGE_SCRIPT_FILE=str(script)) as llm,
        service(
            "voice",
            **KEYS,
            LEDGE_ASR_ADDRESS=asr.address,
            LEDGE_TTS_ADDRESS=tts.address,
            LEDGE_LLM_ADDRESS=llm.address,
            LEDGE_RAG_ADDRESS=documents.others["rag"].address,
            LEDGE_TRANSLATION_ADDRESS="",
        ) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three numerals, for the scripted engine."""
    path = tmp_path_factory.mktemp("said") / "short.wav"
    path.write_bytes(file_of(speech("window")))
    return path


@pytest.fixture(scope="module")
def interrupting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four numerals, and three more while the first are answered."""
    path = tmp_path_factory.mktemp("said") / "interrupting.wav"
    path.write_bytes(file_of(np.concatenate([speech("capital"), silence(2.5), speech("window")])))
    return path


def talk(ledge: Ledge, voice: ServiceProcess, *arguments: str, given: str = "", code: int = 0) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "talk", *arguments],
        env={**ledge.environment, "LEDGE_API_KEY": PEER_KEY, "LEDGE_VOICE_ADDRESS": voice.address},
        input=given,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=100,
    )
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def events(stdout: str) -> list[Any]:
    return [json.loads(line) for line in stdout.splitlines()]


def test_typed_questions_are_answered_with_their_sources(ledge: Ledge, voice: ServiceProcess) -> None:
    told = talk(ledge, voice, "--text", given=f"{TALL}\n\n{TALL}\n").stdout
    assert told.count("12 metres tall") >= 2
    assert told.count("[1] handbook.md") == 2
    assert told.count("first words") == 2


def test_programs_get_the_events_of_the_contract(ledge: Ledge, voice: ServiceProcess) -> None:
    told = events(talk(ledge, voice, "--text", "--json", "--collection", "default", given=TALL).stdout)
    kinds = [event["event"] for event in told]
    assert kinds[0] == "session_created"
    assert kinds.count("response_created") == kinds.count("response_done") == 1
    assert kinds.index("citation") < kinds.index("response_done")
    assert "audio_delta" not in kinds
    assert "12 metres" in "".join(event["text"] for event in told if event["event"] == "text_delta")


def test_a_recorded_question_is_heard_and_its_answer_recorded(
    ledge: Ledge, voice: ServiceProcess, short: Path, tmp_path: Path
) -> None:
    answer = tmp_path / "answer.wav"
    told = talk(ledge, voice, "--file", str(short), "--model", "scripted", "-o", str(answer)).stdout
    said = next(line for line in told.splitlines() if line.startswith("you: ")).removeprefix("you: ")
    assert said.startswith("one two three")
    assert f"You said: {said}" in told
    with wave.open(str(answer)) as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) == (1, 2, RATE_HZ)
        audio = wav.readframes(wav.getnframes())
    at_16k = np.frombuffer(audio, "<i2").astype(np.float32)
    at_16k = np.interp(np.arange(0, len(at_16k), RATE_HZ / 16_000), np.arange(len(at_16k)), at_16k)
    assert words_in(at_16k.astype("<i2").tobytes()) == len(said.split()) + 2


def test_a_turn_may_be_ended_by_hand(ledge: Ledge, voice: ServiceProcess, short: Path) -> None:
    options = ("--file", str(short), "--model", "scripted", "--push-to-talk", "--mute", "--json")
    told = events(talk(ledge, voice, *options).stdout)
    (done,) = [event for event in told if event["event"] == "response_done"]
    assert done["status"] == "COMPLETED"
    assert "audio_delta" not in {event["event"] for event in told}


def test_speaking_into_an_answer_ends_it_and_is_answered(
    ledge: Ledge, voice: ServiceProcess, interrupting: Path, tmp_path: Path
) -> None:
    answer = tmp_path / "answer.wav"
    options = ("--file", str(interrupting), "--model", "scripted", "-o", str(answer), "--json")
    told = events(talk(ledge, voice, *options).stdout)
    first, second = [event for event in told if event["event"] == "response_done"]
    assert (first["status"], first["reason"]) == ("CANCELLED", "turn_detected")
    assert second["status"] == "COMPLETED"
    heard = [event["text"] for event in told if event["event"] == "transcript_completed"]
    assert len(heard) == 2
    assert soundfile.info(answer).duration < PLAYED_AT_MOST_S < LONG_S


def test_an_interrupted_command_leaves_a_whole_recording(
    ledge: Ledge, voice: ServiceProcess, short: Path, tmp_path: Path
) -> None:
    answer = tmp_path / "answer.wav"
    settings = {"LEDGE_API_KEY": PEER_KEY, "LEDGE_VOICE_ADDRESS": voice.address}
    options = ("--file", str(short), "--model", "scripted", "-o", str(answer), "--json")
    with ledge.start("talk", *options, **settings) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "speech_started":
                break
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(20) == 130
    assert soundfile.info(answer).samplerate == RATE_HZ


def test_a_question_may_come_by_a_pipe(ledge: Ledge, voice: ServiceProcess, short: Path) -> None:
    options = ("--file", "-", "--model", "scripted", "--mute", "--json")
    settings = {"LEDGE_API_KEY": PEER_KEY, "LEDGE_VOICE_ADDRESS": voice.address}
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "talk", *options],
        env={**ledge.environment, **settings},
        input=short.read_bytes(),
        capture_output=True,
        cwd=ROOT,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    [heard] = [event["text"] for event in events(done.stdout.decode()) if event["event"] == "transcript_completed"]
    assert heard.startswith("one two three")


@pytest.mark.parametrize("ends", [[], ["--push-to-talk"]])
def test_a_recording_without_words_is_told(
    ledge: Ledge, voice: ServiceProcess, tmp_path: Path, ends: list[str]
) -> None:
    path = tmp_path / "quiet.wav"
    path.write_bytes(file_of(silence(1.0)))
    done = talk(ledge, voice, "--file", str(path), "--mute", *ends, code=2)
    assert f"no words were heard in {path}" in done.stderr
    assert "you:" not in done.stdout


def test_a_line_that_is_being_typed_is_not_wiped_away(ledge: Ledge, voice: ServiceProcess) -> None:
    ours, theirs = pty.openpty()
    settings = {"LEDGE_API_KEY": PEER_KEY, "LEDGE_VOICE_ADDRESS": voice.address, "TERM": "xterm"}
    command = [sys.executable, "-m", "services.cli", "talk", "--text"]
    environment = {**ledge.environment, **settings}
    with subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT) as process:
        os.close(theirs)
        try:
            assert "> " in shown(ours, "> ")
            assert select.select([ours], [], [], 0.5)[0] == []  # several times as long as a spinner stands still
            os.write(ours, f"{TALL}\n".encode())
            assert "12 metres tall" in shown(ours, "first words", "> ")
            os.write(ours, b"\x04")
            assert process.wait(20) == 0
        finally:
            process.kill()
            os.close(ours)


def shown(terminal: int, *words: str) -> str:
    """What a terminal shows, until it has shown these, one after the other."""
    told = ""
    while not re.search(".*".join(map(re.escape, words)), told, re.DOTALL):
        assert select.select([terminal], [], [], 60)[0], told
        told += os.read(terminal, 4096).decode()
    return told


@pytest.fixture(scope="module")
def unfit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files that are no questions."""
    folder = tmp_path_factory.mktemp("unfit")
    (folder / "empty.wav").touch()
    (folder / "no-samples.wav").write_bytes(file_of(silence(0.0)))
    (folder / "large.wav").write_bytes(bytes(64 * 2**20 + 1))
    with soundfile.SoundFile(folder / "long.flac", "w", 16_000, 1) as file:
        for _ in range(181):
            file.write(np.zeros(60 * 16_000, dtype="int16"))
    soundfile.write(folder / "studio.wav", np.zeros(96_000), 96_000)
    (folder / "cut.wav").write_bytes((folder / "studio.wav").read_bytes()[:30])
    return folder


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing.wav", "cannot read {path}: No such file"),
        (".", "cannot read {path}: Is a directory"),
        ("empty.wav", "{path} is empty: there is no audio in it"),
        ("no-samples.wav", "{path} holds no audio"),
        ("large.wav", "{path} has more than 64 MiB"),
        ("long.flac", "{path} lasts more than 10 minutes"),
        ("studio.wav", "{path} has 96000 samples a second"),
        ("cut.wav", "{path} is no audio that can be read"),
    ],
)
def test_a_file_that_is_no_question_is_told_by_its_name(unfit: Path, name: str, said: str) -> None:
    path = unfit / name
    with pytest.raises(InvalidInput, match=re.escape(said.format(path=path))):
        read_spoken_file(path)


def test_many_channels_are_one_question(tmp_path: Path) -> None:
    path = tmp_path / "wide.wav"
    soundfile.write(path, np.column_stack([np.full(1000, 0.5), np.full(1000, np.nan)]), 8000, subtype="FLOAT")
    recorded = read_spoken_file(path)
    assert recorded.rate_hz == 8000
    assert set(np.frombuffer(recorded.samples, "<i2")) == {int(0.25 * 32767)}


async def test_a_microphone_that_is_unplugged_is_told() -> None:
    unplugged = Microphone(16_000)
    unplugged.heard(b"ab")
    unplugged.ended()
    pieces = unplugged.pieces()
    assert await anext(pieces) == b"ab"
    with pytest.raises(NotReady, match="microphone is gone"):
        await anext(pieces)


async def test_a_microphone_that_falls_silent_without_a_word_is_told() -> None:
    stuck = Microphone(16_000, gone_s=0.05)
    stuck.heard(b"ab")
    pieces = stuck.pieces()
    assert await anext(pieces) == b"ab"
    with pytest.raises(NotReady, match="microphone is gone"):
        await anext(pieces)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--text", "--file", "x.wav"], 2, "--text"),
        (["--mute", "-o", "x.wav"], 2, "--mute"),
        (["--text", "-o", "-"], 2, "-o takes a file"),
        (["--file", "nowhere.wav", "--mute"], 2, "cannot read nowhere.wav: No such file"),
        (["--file", "README.md", "--mute"], 2, "README.md is no audio"),
        (["--text", "--model", "gpt-9"], 1, "gpt-9"),
        (["--text", "-o", "/nowhere/x.wav"], 2, "/nowhere/x.wav"),
    ],
)
def test_what_cannot_be_done_is_told(
    ledge: Ledge, voice: ServiceProcess, options: list[str], code: int, said: str
) -> None:
    done = talk(ledge, voice, *options, given=TALL, code=code)
    assert said in done.stdout + done.stderr


def test_where_no_voice_service_runs_it_says_so(ledge: Ledge) -> None:
    failed = ledge.run("talk", "--text", "--address", "127.0.0.1:1", code=1)
    assert "ledge up" in failed.stderr


def test_where_there_is_no_microphone_it_says_what_to_do(ledge: Ledge, voice: ServiceProcess) -> None:
    if has_microphone():
        pytest.skip("this machine has a microphone")
    assert "--file" in talk(ledge, voice, code=1).stderr


def has_microphone() -> bool:
    try:
        import sounddevice
    except (ImportError, OSError):
        return False
    return any(device["max_input_channels"] for device in sounddevice.query_devices())


audio_pieces = st.lists(
    st.tuples(st.sampled_from("ab"), st.binary(max_size=40).map(lambda piece: piece[: len(piece) // 2 * 2])),
    max_size=12,
)


@given(pieces=audio_pieces, takes=st.lists(st.integers(0, 30).map(lambda samples: samples * 2), max_size=20))
def test_what_is_played_is_what_came_in_order_and_silence_behind(
    pieces: list[tuple[str, bytes]], takes: list[int]
) -> None:
    buffer = PlayBuffer()
    for item, audio in pieces:
        buffer.add(item, audio)
    played = b""
    for length in takes:
        piece = buffer.take(length)
        assert len(piece) == length
        played += piece
    whole = b"".join(audio for _, audio in pieces)
    assert played[: len(whole)] == whole[: len(played)]
    assert not any(played[len(whole) :])


def test_a_ducked_answer_is_softer_and_a_stopped_one_silent() -> None:
    buffer = PlayBuffer()
    buffer.add("a", (np.ones(100) * 8000).astype("<i2").tobytes())
    buffer.duck(True)
    assert np.abs(np.frombuffer(buffer.take(20), "<i2")).max() == 2000
    buffer.duck(False)
    assert np.abs(np.frombuffer(buffer.take(20), "<i2")).max() == 8000
    assert buffer.heard() == ("a", 0, False)
    buffer.clear()
    assert not any(buffer.take(20))
    heard = buffer.heard()
    assert heard is not None
    assert heard[2]


def test_a_recording_holds_what_had_its_time_to_be_heard(tmp_path: Path) -> None:
    now_s = 0.0
    second = bytes(range(1, 241)) * (RATE_HZ * 2 // 240)
    with recorder(tmp_path / "a.wav", lambda: now_s) as player:
        player.play("a", second)
        player.play("a", second)
        now_s = 0.5
        player.stop()
        now_s = 10.0
        player.play("b", second)
    with wave.open(str(tmp_path / "a.wav")) as wav:
        assert wav.readframes(wav.getnframes()) == second[: len(second) // 2] + second


async def test_lines_come_as_they_are_typed_and_the_last_needs_no_end() -> None:
    reading, writing = os.pipe()
    lines = typed_lines(reading)
    try:
        os.write(writing, "é one\ntw".encode())
        assert await anext(lines) == "é one"
        waits = asyncio.ensure_future(anext(lines))
        os.write(writing, b"o\r\nthree")
        assert await waits == "two"
        os.close(writing)
        assert [line async for line in lines] == ["three"]
    finally:
        os.close(reading)
