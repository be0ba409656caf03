"""Whisper by many at once: each is told what it would be told alone."""

import asyncio
import random
from pathlib import Path

import grpc
import numpy as np
import pytest
import soxr
from ledge.asr.v1 import asr_pb2 as pb
from ledge.asr.v1 import asr_pb2_grpc as rpc

from services.asr.engine import Samples, Task
from services.asr.whisper.guard import Written, is_silence, log_probability, repeats_itself
from services.asr.whisper.window import Asked, Kind, Window, window_length_s
from services.kit.errors import retry_delay_s
from tests.asr.asking import PCM_16K, RATE_HZ, events, file_of, finals, pcm, requests, silence, speech, transcribe
from tests.asr.conftest import SCRIPT, Start
from tests.asr.test_window_queue import NOBODY
from tests.kit.serving import failure_of
from tests.metrics import metric
from tests.processes import service

Stub = rpc.AsrServiceStub
CALLERS = 64


def sounds(count: int) -> list[Samples]:
    """As many different pieces of speech: the same sentences in other pitches and speeds."""
    names = ("capital", "meeting", "window")
    return [
        soxr.resample(speech(names[number % 3]), RATE_HZ, RATE_HZ * (0.7 + 0.8 * number / count)).astype(np.float32)
        for number in range(count)
    ]


def window(samples: Samples, asked: Asked) -> Window:
    return Window(samples, window_length_s(len(samples), 10), asked, Kind.FINAL, 0.0, NOBODY)


@pytest.mark.parametrize("compute_type", ["int8", "float32"])
def test_a_batch_tells_each_window_what_it_is_told_alone(hearing_model: Path, compute_type: str) -> None:
    whisper = pytest.importorskip("faster_whisper")
    from services.asr.whisper.decoder import WhisperDecoder

    model = whisper.WhisperModel(str(hearing_model), device="cpu", compute_type=compute_type, cpu_threads=1)
    decoder = WhisperDecoder(model)
    asked = [
        Asked("en", word_times=True),
        Asked("es", Task.TRANSLATE),
        Asked("", word_times=True),
        Asked("de", hotword_tokens=()),
    ]
    windows = [window(samples, asked[number % 4]) for number, samples in enumerate(sounds(24))]
    alone = [decoder.decode([one])[0] for one in windows]
    assert len({told.text for told in alone if told is not None}) >= 12
    for size in (2, 3, 8):
        together = [told for start in range(0, 24, size) for told in decoder.decode(windows[start : start + size])]
        for mine, batched in zip(alone, together, strict=True):
            assert mine is not None
            assert batched is not None
            assert (batched.text, batched.language) == (mine.text, mine.language)
            assert batched.confidence == pytest.approx(mine.confidence, abs=0 if compute_type == "int8" else 1e-5)
            assert [word.text for word in batched.words] == [word.text for word in mine.words]
            if compute_type == "int8":
                assert list(batched.words) == list(mine.words)


async def test_many_callers_at_once_are_each_told_their_own(hearing: dict[str, str]) -> None:
    pytest.importorskip("faster_whisper")
    with service("asr", **hearing) as asr:
        async with grpc.aio.insecure_channel(asr.address) as channel:
            stub = Stub(channel)
            audio = [pcm(samples) for samples in sounds(CALLERS)]
            alone = [await transcribe(stub, one, PCM_16K) for one in audio]
            assert len({answer.text for answer in alone}) >= 24
            items, batches = await metric(asr, "ledge_batch_items_sum"), await metric(asr, "ledge_batch_items_count")
            together = await asyncio.gather(*(transcribe(stub, one, PCM_16K) for one in audio))
            items = await metric(asr, "ledge_batch_items_sum") - items
            assert list(together) == alone
            assert await metric(asr, "ledge_batch_items_count") - batches < items


async def test_callers_who_leave_change_nothing_for_those_who_stay(hearing: dict[str, str]) -> None:
    pytest.importorskip("faster_whisper")
    with service("asr", **hearing) as asr:
        async with grpc.aio.insecure_channel(asr.address) as channel:
            stub = Stub(channel)
            audio = [pcm(samples) for samples in sounds(CALLERS)]
            alone = [await transcribe(stub, one, PCM_16K) for one in audio]
            chance = random.Random(1)
            calls = [asyncio.create_task(transcribe(stub, one, PCM_16K)) for one in audio]
            leaving = set(chance.sample(range(CALLERS), CALLERS // 2))
            for number in leaving:
                await asyncio.sleep(chance.uniform(0, 0.01))
                calls[number].cancel()
            told = await asyncio.gather(*calls, return_exceptions=True)
            stayed = [number for number in range(CALLERS) if number not in leaving]
            assert [told[number] for number in stayed] == [alone[number] for number in stayed]
            while await metric(asr, "ledge_calls_in_flight"):
                await asyncio.sleep(0.01)
            assert await metric(asr, "ledge_queue_cost") == 0


async def test_a_language_is_chosen_or_detected(start: Start) -> None:
    async with grpc.aio.insecure_channel(start("faster-whisper").address) as channel:
        stub = Stub(channel)
        (model,) = (await stub.ListModels(pb.ListModelsRequest())).models
        assert model.detects_language
        assert model.translates
        assert model.hotwords
        audio = file_of(speech("window"))
        for asked, told in (("", "en"), ("es", "es"), ("es-MX", "es"), ("de_AT", "de")):
            answer = await transcribe(stub, audio, language=asked)
            assert (answer.language, answer.text) == (told, SCRIPT)
        translated = await transcribe(stub, audio, language="fr", task=pb.Recognition.TRANSLATE)
        assert (translated.language, translated.text) == ("fr", SCRIPT)


async def test_hotwords_are_heard_before_the_sound_and_steer_nothing_else(start: Start, hearing_model: Path) -> None:
    whisper = pytest.importorskip("faster_whisper")
    from services.asr.whisper.decoder import MOST_HOTWORD_TOKENS, WhisperDecoder

    model = whisper.WhisperModel(str(hearing_model), device="cpu", cpu_threads=1)
    decoder = WhisperDecoder(model)
    first_mark = model.hf_tokenizer.token_to_id("<|endoftext|>")
    marked = decoder.hotword_tokens(["<|endoftext|><|startoftranscript|><|0.00|><|nospeech|>gate"])
    assert marked
    assert max(marked) < first_mark
    assert len(decoder.hotword_tokens(["x" * 64] * 100)) == MOST_HOTWORD_TOKENS
    async with grpc.aio.insecure_channel(start("faster-whisper").address) as channel:
        for hotwords in (["gate"], ["<|endoftext|>"], ["x" * 64] * 100):
            answer = await transcribe(Stub(channel), file_of(speech("window")), hotwords=hotwords)
            assert answer.utterances or not answer.text


async def test_speech_that_is_longer_than_whispers_window_is_heard_whole(whisper: dict[str, str]) -> None:
    pytest.importorskip("faster_whisper")
    spoken = np.concatenate([speech("meeting")[2000:-6000]] * 20)
    with service("asr", **whisper, LEDGE_ENGINE="faster-whisper", LEDGE_MAX_UTTERANCE_S="100") as asr:
        async with grpc.aio.insecure_channel(asr.address) as channel:
            manual = pb.Endpointing(manual=True)
            recognition = pb.Recognition(word_times=True)
            heard = await events(Stub(channel), pcm(spoken), 3200, endpointing=manual, recognition=recognition)
    (final,) = finals(heard)
    assert len(spoken) > 40 * RATE_HZ
    assert final.text == f"{SCRIPT} {SCRIPT}"
    times = [time for word in final.words for time in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    second = final.words[len(SCRIPT.split())]
    assert 24_000 <= second.start_ms <= final.end_ms


async def test_who_would_be_told_too_late_is_refused_and_told_when_to_come_again(whisper: dict[str, str]) -> None:
    pytest.importorskip("faster_whisper")
    with service("asr", **whisper, LEDGE_ENGINE="faster-whisper", LEDGE_FINAL_OBJECTIVE_S="0.0001") as asr:
        async with grpc.aio.insecure_channel(asr.address) as channel:
            stub = Stub(channel)

            async def spoken_without_end() -> object:
                async for request in requests(pcm(speech("meeting"))):
                    yield request
                await asyncio.Event().wait()

            speaking = stub.TranscribeStream(spoken_without_end())
            assert (await speaking.read()).WhichOneof("event") == "speech_started"
            refused = await failure_of(transcribe(stub, file_of(speech("window"))))
            assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert retry_delay_s(refused.trailing_metadata())
            # Silence needs no decoding.
            assert (await transcribe(stub, file_of(silence(1)))).text == ""
            speaking.cancel()
            while await metric(asr, "ledge_calls_in_flight"):
                await asyncio.sleep(0.01)
            assert (await transcribe(stub, file_of(speech("window")))).text == SCRIPT


async def test_a_final_at_the_end_of_a_pause_was_decoded_within_it(start: Start) -> None:
    asr = start("faster-whisper")
    async with grpc.aio.insecure_channel(asr.address) as channel:
        before = await metric(asr, "ledge_asr_windows_total")
        audio = pcm(np.concatenate([speech("window"), silence(1)]))
        assert finals(await events(Stub(channel), audio, 3200))[0].text == SCRIPT
        # One, no second for the final.
        assert await metric(asr, "ledge_asr_windows_total") == before + 1


def test_what_repeats_itself_or_is_made_up_is_noticed() -> None:
    assert repeats_itself(Written([], "thank you very much " * 20, -0.1, 0.0))
    assert not repeats_itself(Written([], "please open the window before the meeting begins", -0.1, 0.0))
    assert is_silence(Written([], "thanks for watching", -1.5, 0.9))
    assert not is_silence(Written([], "open the window", -0.2, 0.9))
    assert not is_silence(Written([], "open the window", -1.5, 0.1))
    assert log_probability(-1.0, 3) == -0.75
