"""What only Piper does: voices from files, many speakers, words timed by their phonemes, a licence kept apart."""

import json
import subprocess
import sys
from pathlib import Path

import grpc
import onnx
import pytest
from ledge.tts.v1 import tts_pb2 as pb
from ledge.tts.v1 import tts_pb2_grpc as rpc

from services.kit.errors import EngineFailed, InvalidInput
from services.kit.models.catalog import CatalogEntry
from services.tts.engines.piper import read_voices
from services.tts.phoneme_words import PhonemeTime, word_times
from tests.kit.serving import failure_of
from tests.processes import ServiceProcess
from tests.tts.asking import pcm, say
from tests.tts.conftest import Start
from tests.tts.toy_voice import HOP, MODEL, RATE_HZ, VOICE, make_voice

ENTRY = CatalogEntry.model_validate(
    {
        "id": MODEL,
        "tasks": ["tts"],
        "engines": ["piper"],
        "origin": "a test",
        "description": "a tone",
        "licence": "CC-BY-4.0",
        "commercial_use": True,
        "memory": {"cpu_bytes": 1, "gpu_bytes": 0},
        "unpinned": ["*.onnx"],
        "sources": ["hf://a/b@main"],
    }
)


async def test_each_speaker_of_each_file_is_a_voice(piper: rpc.TtsServiceStub) -> None:
    listed = await piper.ListVoices(pb.ListVoicesRequest())
    assert [(voice.id, voice.language) for voice in listed.voices] == [
        (VOICE, "en-US"),
        ("es_ES-toy-low/speaker0", "es-ES"),
        ("es_ES-toy-low/speaker1", "es-ES"),
    ]
    assert {voice.sample_rate_hz for voice in listed.voices} == {RATE_HZ}
    assert listed.models[0].id == MODEL
    assert listed.models[0].licence == "Apache-2.0"
    spanish = await say(piper, "Buenos días, señor.", language="es", word_times=True)
    assert [word.text for word in spanish.words] == ["Buenos", "días", "señor"]


async def test_words_are_timed_by_their_phonemes(piper: rpc.TtsServiceStub) -> None:
    answer = await say(piper, "The pump house stands.", word_times=True)
    (first, *_, last) = answer.words
    # The voice begins and ends with what has no sound: 2 × 256 samples for each of begin, end and padding between.
    assert 0 < first.start_ms < 6 * 2 * HOP * 1000 / RATE_HZ
    assert len(pcm(answer.audio)) / RATE_HZ * 1000 - last.end_ms < 600
    assert all(word.end_ms - word.start_ms >= 100 for word in answer.words)


def test_words_that_run_together_are_told_apart_by_how_they_sound_alone() -> None:
    alone = {"some": "sʌm", "of": "ʌv", "the": "ðə", "tea": "tiː"}
    times = [PhonemeTime(sound, place / 10, (place + 1) / 10) for place, sound in enumerate("sʌm əvðə tiː")]
    told = word_times("Some of the tea.", times, lambda word: alone[word.lower()])
    assert [(word, round(start, 1), round(end, 1)) for word, start, end in told] == [
        ("Some", 0.0, 0.3),
        ("of", 0.4, 0.6),
        ("the", 0.6, 0.8),
        ("tea", 0.9, 1.2),
    ]


def test_no_phonemes_are_no_words() -> None:
    assert word_times("...", [], list) == []
    assert word_times("word", [], list) == []


@pytest.mark.parametrize("text", ["[[hˈɛloʊ]] there", "<phoneme>x</phoneme>", "Привет мир", "日本語", "ﷺ", "a" * 500])
async def test_hostile_text_is_spoken_or_left_out(piper: rpc.TtsServiceStub, text: str) -> None:
    answer = await say(piper, text)
    assert len(answer.audio) == 2 * round(answer.duration_ms * answer.sample_rate_hz / 1000)


def test_a_voice_that_tells_no_lengths_gives_no_words(tmp_path: Path) -> None:
    from services.tts.piper_process import Speaker

    path = tmp_path / f"{VOICE}.onnx"
    make_voice(path)
    model = onnx.load(str(path))
    for node in model.graph.node:
        if node.op_type == "Ceil":
            node.op_type = "Floor"
    onnx.save(model, str(path))
    words, audio = Speaker(tmp_path, 1).speak("The pump house stands.", VOICE, None, 1.0)
    assert words == []
    assert len(audio) > RATE_HZ


async def test_what_is_no_voice_is_told(piper: rpc.TtsServiceStub) -> None:
    for voice in ("es_ES-toy-low", "es_ES-toy-low/speaker2", "../toy"):
        assert (await failure_of(say(piper, "Hello.", voice=voice))).code() is grpc.StatusCode.NOT_FOUND


def test_voices_that_would_fetch_what_they_need_are_refused(tmp_path: Path) -> None:
    make_voice(tmp_path / "zh_CN-toy.onnx")
    description = tmp_path / "zh_CN-toy.onnx.json"
    description.write_text(json.dumps({**json.loads(description.read_text()), "phoneme_type": "pinyin"}))
    with pytest.raises(InvalidInput, match="pinyin"):
        read_voices(tmp_path, ENTRY)
    description.write_text("[]")
    with pytest.raises(EngineFailed, match="zh_CN-toy"):
        read_voices(tmp_path, ENTRY)


def test_a_directory_without_a_voice_is_told(tmp_path: Path) -> None:
    with pytest.raises(EngineFailed, match="no voice"):
        read_voices(tmp_path, ENTRY)


def test_a_missing_model_ends_the_start_with_a_sentence() -> None:
    process = ServiceProcess("tts", {"LEDGE_ENGINE": "piper", "LEDGE_MODEL": "nobody"})
    try:
        assert process.wait(60) != 0
    finally:
        process.close()
    assert "nobody" in str(process.log)


def test_the_service_itself_never_loads_piper(start: Start) -> None:
    service = start("piper").process.pid
    loaded = Path(f"/proc/{service}/maps").read_text()
    assert "espeakbridge" not in loaded
    assert "onnxruntime" not in loaded
    imported = "import sys, services.tts.service, services.tts.engines.piper; print('piper' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", imported], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
