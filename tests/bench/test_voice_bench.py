"""`ledge bench voice` measures on the smallest of scales, and its checks can fail."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ledge.voice.v1 import voice_pb2 as pb

from services.asr.endpointing import Change, Endpointing, EndpointingSettings
from services.asr.vad import FRAME_SAMPLES, VoiceDetector
from services.cli.bench.asr_speech import silence
from services.cli.bench.cough import cough
from services.cli.bench.voice_caller import PLAYED_HZ, Heard, answer_in
from services.cli.bench.voice_scripted import alone_ms
from tests.tts.conftest import need_flite

pytestmark = pytest.mark.timeout(300)
pytest.importorskip("pocketsphinx")
SILENT, LOUD = bytes(4800), (np.ones(2400) * 9000).astype("<i2").tobytes()


def bench(*options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "services.cli", "bench", "voice", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)


def rows(file: Path) -> dict[str, dict[str, float]]:
    return {row["figure"]: row for row in json.loads(file.read_text())["rows"]}


def test_what_voice_adds_to_its_engines_is_measured(tmp_path: Path) -> None:
    need_flite()
    file = tmp_path / "report.json"
    done = bench("--part", "scripted", "--sessions", "2", "--seconds", "4", "--json", str(file))
    assert done.returncode == 0, done.stderr
    told = rows(file)
    assert len(told) == 6
    assert all(row["value"] > 0 for row in told.values())
    # Nothing can be faster than its engines.
    assert all(row["value"] >= row["baseline_value"] - 1 for row in told.values() if row["baseline"])


def test_the_first_sound_of_an_answer_is_measured_beside_each_means_left_out(tmp_path: Path) -> None:
    need_flite()
    file = tmp_path / "report.json"
    options = ("--part", "latency", "--callers", "1", "--questions", "1", "--rounds", "1", "--json", str(file))
    done = bench(*options)
    assert done.returncode == 0, done.stderr
    told = json.loads(file.read_text())["rows"]
    assert {row["baseline"] for row in told} == {"without speculation", "without clause streaming", "typed"}
    assert all(row["value"] > 0 for row in told)


def test_interruptions_and_false_alarms_are_measured(tmp_path: Path) -> None:
    need_flite()
    file = tmp_path / "report.json"
    done = bench("--part", "barge", "--rounds", "1", "--interruptions", "1", "--json", str(file))
    assert done.returncode == 0, done.stderr
    told = rows(file)
    assert told["user's speech to silence p50"]["value"] > 0
    assert told["audio of an answer after it was interrupted"]["value"] == 0


@pytest.mark.parametrize("seed", range(6))
async def test_a_cough_is_loud_and_long_enough_to_be_noticed(seed: int) -> None:
    """Of one that the detector does not take for speech nothing could be learnt."""
    detector = VoiceDetector(threads=1)
    try:
        sound = np.concatenate([silence(1), cough(seed), silence(1)])
        whole_frames = sound[: len(sound) // FRAME_SAMPLES * FRAME_SAMPLES]
        likely = await detector.stream().probabilities(whole_frames)
    finally:
        detector.close()
    endpointing = Endpointing(EndpointingSettings())
    assert [endpointing.hear(float(each)) for each in likely].count(Change.STARTED) == 1


def test_silence_at_the_start_of_an_answer_is_part_of_the_wait() -> None:
    heard = [
        Heard(10.0, pb.ConverseResponse(audio_delta=pb.AudioDelta(audio=SILENT))),
        Heard(10.01, pb.ConverseResponse(audio_delta=pb.AudioDelta(audio=SILENT[:2400] + LOUD))),
        Heard(10.02, pb.ConverseResponse(response_done=pb.ResponseState(status=pb.ResponseState.COMPLETED))),
    ]
    answer = answer_in(heard)
    assert answer.first_audible_s == pytest.approx(10.0 + (len(SILENT) + 2400) / 2 / PLAYED_HZ, abs=1e-4)
    # Audio that comes when the player has run dry is heard when it comes.
    late = [heard[0], Heard(11.0, heard[1].event), heard[2]]
    assert answer_in(late).first_audible_s == pytest.approx(11.0 + 2400 / 2 / PLAYED_HZ, abs=1e-4)
    assert answer_in([heard[0], heard[2]]).first_audible_s is None


def test_an_answer_begun_in_the_pause_still_waits_for_its_end() -> None:
    assert alone_ms(manual=False) >= 500
    assert alone_ms(manual=False) > alone_ms(manual=True)


def test_what_cannot_be_measured_is_the_callers_fault() -> None:
    for options in (("--callers", "x"), ("--sessions", "0"), ("--sessions", "1,,2")):
        assert bench(*options).returncode == 2
