"""The default engines together: flite asks, pocketsphinx hears, documents answer, flite speaks, pocketsphinx agrees."""

import asyncio
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import numpy as np
import pytest
import soxr
from ledge.asr.v1 import asr_pb2, asr_pb2_grpc
from ledge.audio.v1 import audio_pb2
from ledge.tts.v1 import tts_pb2, tts_pb2_grpc
from ledge.voice.v1 import voice_pb2 as pb

from services.cli.bench.cough import cough
from services.kit.deploy import deploy_directory
from tests.asr.asking import RATE_HZ, Samples, silence
from tests.processes import ServiceProcess, service
from tests.voice.calling import Caller, calling
from tests.voice.conftest import Suite, a_voice, ingest

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(shutil.which("flite") is None, reason="flite is a package of Debian: make packages"),
]
DOCUMENT = "operations-handbook.pdf"
QUESTION = "How long must the control room keep its log books?"
GOLD = "twelve years"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    folder: Path = tmp_path_factory.mktemp("voice")
    settings: dict[str, dict[str, str]] = {
        "asr": {},
        "tts": {},
        "embedding": {},
        "retrieval": {"LEDGE_DATA_DIR": str(folder)},
        "reranking": {},
    }
    with ExitStack() as stack:
        running = {name: ServiceProcess(name, chosen) for name, chosen in settings.items()}
        for process in running.values():
            stack.callback(process.close)
        addresses = Suite(running).addresses
        rag = stack.enter_context(service("rag", **addresses, LEDGE_ANSWER_POLICY="quote"))
        for process in running.values():
            process.wait_ready()
        document = deploy_directory() / "samples" / "documents" / DOCUMENT
        ingest(document.name, document.read_bytes(), rag)
        yield Suite({**running, "rag": rag})


@pytest.fixture(scope="module")
def voice(real: Suite) -> Iterator[ServiceProcess]:
    with a_voice(real, LEDGE_LLM_ADDRESS="", LEDGE_TRANSLATION_ADDRESS="") as running:
        yield running


async def said(suite: Suite, text: str) -> Samples:
    speech = tts_pb2.Speech(voice="rms", encoding=audio_pb2.PCM_S16LE, sample_rate_hz=RATE_HZ)
    async with grpc.aio.insecure_channel(suite.processes["tts"].address) as channel:
        stub = tts_pb2_grpc.TtsServiceStub(channel)
        request = tts_pb2.SynthesizeRequest(speech=speech, input=tts_pb2.Input(text=text))
        answer: tts_pb2.SynthesizeResponse = await stub.Synthesize(request)  # type: ignore[misc]
    samples: Samples = np.frombuffer(answer.audio, "<i2").astype(np.float32) / 32768
    return samples


async def heard(suite: Suite, audio: bytes) -> str:
    samples = soxr.resample(np.frombuffer(audio, "<i2").astype(np.float32) / 32768, 24_000, RATE_HZ)
    pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    raw = audio_pb2.RawFormat(sample_rate_hz=RATE_HZ)
    async with grpc.aio.insecure_channel(suite.processes["asr"].address) as channel:
        stub = asr_pb2_grpc.AsrServiceStub(channel)
        answer: asr_pb2.TranscribeResponse = await stub.Transcribe(asr_pb2.TranscribeRequest(audio=pcm, raw=raw))  # type: ignore[misc]
    return str(answer.text)


async def asked_aloud(caller: Caller, question: Samples) -> pb.ResponseState:
    saying = asyncio.create_task(caller.say(np.concatenate([silence(0.4), question, silence(1.5)])))
    done = await caller.done(1)
    await saying
    return done


async def test_a_question_asked_aloud_is_answered_aloud_from_documents(real: Suite, voice: ServiceProcess) -> None:
    async with calling(voice.address) as caller:
        done = await asked_aloud(caller, await said(real, QUESTION))
        audio = caller.audio()
    assert done.status == pb.ResponseState.COMPLETED
    assert "log books" in caller.of("transcript_completed")[0].text
    assert GOLD in caller.text()
    assert caller.of("citation")[0].citation.passage.document == DOCUMENT
    timings = caller.of("timings")[-1]
    assert 0 < timings.transcript_ms <= timings.endpoint_ms <= timings.first_audio_ms
    again = await heard(real, audio)
    assert len(set(re.findall(r"\w+", caller.text().lower())) & set(again.split())) >= 5
    assert "twelve" in again


@pytest.mark.parametrize("sound", ["cough", "nod"])
async def test_a_cough_or_a_nod_is_noticed_and_takes_nothing_away(
    real: Suite, voice: ServiceProcess, sound: str
) -> None:
    alarm = cough(1) if sound == "cough" else await said(real, "Okay.")
    async with calling(voice.address) as caller:
        await caller.write(QUESTION)
        await caller.send(create_response=pb.CreateResponse())
        await caller.wait("audio_delta")
        await caller.say(np.concatenate([silence(1.2), alarm, silence(1.0)]))
        await caller.wait("playback_control", fits=lambda control: control.action == pb.PlaybackControl.RESUME)
        done = await caller.done(1)
    assert done.status == pb.ResponseState.COMPLETED
    assert caller.actions()[0] == "DUCK"
    assert not caller.of("item_truncated")
    assert not caller.of("transcript_completed")
    assert abs(caller.covered_ms(done.id) - done.usage.output_audio_ms) <= 5
