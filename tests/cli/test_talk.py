"""`ledge talk`, against a voice service before scripted engines; and what it is made of."""

import asyncio
import json
import os
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

from services.cli.talking.play_buffer import PlayBuffer
from services.cli.talking.players import RATE_HZ, recorder
from services.cli.talking.typed_lines import typed_lines
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


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--text", "--file", "x.wav"], 2, "--text"),
        (["--mute", "-o", "x.wav"], 2, "--mute"),
        (["--file", "nowhere.wav", "--mute"], 2, "nowhere.wav"),
        (["--file", "README.md", "--mute"], 2, "README.md"),
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
