"""What fails behind a conversation is told, costs one answer at most, and is over when it is back."""

import asyncio
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime

import grpc
import httpx
import pytest
from ledge.voice.v1 import voice_pb2 as pb
from ledge.voice.v1 import voice_pb2_grpc as rpc

from tests.asr.asking import pcm, silence, speech
from tests.metrics import all_freed, metric
from tests.processes import ServiceProcess, service
from tests.voice.calling import calling, heard_words, refusal, saying, spoken_for
from tests.voice.conftest import Suite, a_voice

CHAT = {"model": "scripted"}
FREED_S = 0.2
SHARED_MACHINE = 3
"""Tests run beside others; alone it takes some ten milliseconds."""


def free_port() -> str:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return str(held.getsockname()[1])


@contextmanager
def on_port(name: str, port: str, **settings: str) -> Iterator[ServiceProcess]:
    process = ServiceProcess(name, {"LEDGE_ENGINE": "scripted", "LEDGE_PORT": port, **settings})
    try:
        yield process.wait_ready()
    finally:
        process.close()


async def test_an_answer_that_breaks_says_so_and_the_next_question_works(voice: ServiceProcess) -> None:
    async with calling(voice.address, **CHAT) as caller:
        broken = await caller.ask("break")
        after = await caller.ask("are you there")
    assert broken.status == pb.ResponseState.FAILED
    assert broken.error.type == "server_error"
    assert "script breaks" in broken.error.message
    assert after.status == pb.ResponseState.COMPLETED


async def test_without_tts_the_text_goes_on_and_it_is_said(suite: Suite) -> None:
    port = free_port()
    with a_voice(suite, LEDGE_TTS_ADDRESS=f"127.0.0.1:{port}") as voice:
        async with calling(voice.address, **CHAT) as caller:
            silent = await caller.ask("hello")
            with on_port("tts", port):
                async with asyncio.timeout(20):
                    while not (spoken := await caller.ask("hello again")).usage.output_audio_ms:
                        pass
    assert silent.status == spoken.status == pb.ResponseState.COMPLETED
    assert "tts" in silent.degraded
    assert not spoken.degraded
    assert caller.text(silent.id) == "You said: hello"


async def test_without_asr_the_caller_is_told_and_heard_when_it_is_back(suite: Suite) -> None:
    port = free_port()
    with ExitStack() as stack:
        voice = stack.enter_context(a_voice(suite, LEDGE_ASR_ADDRESS=f"127.0.0.1:{port}"))
        asr = stack.enter_context(on_port("asr", port))
        async with calling(voice.address, **CHAT, speak=False) as caller:
            await caller.say(speech("window")[:12_000])
            await caller.wait("speech_started")
            asr.kill()
            error = await caller.wait("error")
            await caller.wait("speech_stopped")
            typed = await caller.ask("are you there")
            stack.enter_context(on_port("asr", port))
            async with asyncio.timeout(20):
                while not caller.of("transcript_completed"):
                    await caller.say(spoken_for(1.0))
            spoken = await caller.done(2)
    assert error.type == "server_error"
    assert typed.status == spoken.status == pb.ResponseState.COMPLETED


@contextmanager
def hung(process: ServiceProcess) -> Iterator[None]:
    """It takes what it is sent, as far as there is room, and answers nothing."""
    process.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("ends", ["SERVER", "MANUAL"])
async def test_an_asr_that_hangs_is_told_within_a_bound_and_heard_when_it_answers_again(
    suite: Suite, ends: str
) -> None:
    port = free_port()
    detection = pb.TurnDetection(kind=pb.TurnDetection.Kind.Value(ends))
    with (
        on_port("asr", port) as asr,
        a_voice(suite, LEDGE_ASR_ADDRESS=f"127.0.0.1:{port}", LEDGE_HEARING_TIMEOUT_S="3") as voice,
    ):
        async with calling(voice.address, **CHAT, speak=False, turn_detection=detection) as caller:
            await caller.say(silence(0.3))
            with hung(asr):
                hung_s = time.monotonic()
                for _ in range(4):
                    await caller.send(audio=pcm(spoken_for(1.0)))
                if ends == "MANUAL":
                    await caller.send(commit_audio=pb.CommitAudio())
                error = await caller.wait("error")
                told_after_s = time.monotonic() - hung_s
                typed = await caller.ask("are you there")
            async with asyncio.timeout(40):
                while not any(completed.text for completed in caller.of("transcript_completed")):
                    await caller.say(spoken_for(1.0))
                    if ends == "MANUAL":
                        await caller.send(commit_audio=pb.CommitAudio())
    assert (error.type, error.message) == ("server_error", "the service that hears does not answer")
    assert told_after_s < 15
    assert typed.status == pb.ResponseState.COMPLETED


async def test_silence_is_no_sign_that_asr_hangs(suite: Suite) -> None:
    with a_voice(suite, LEDGE_HEARING_TIMEOUT_S="4") as voice:
        async with calling(voice.address, **CHAT, speak=False) as caller:
            await caller.say(silence(9))
            await caller.send(audio=pcm(silence(8)))
            await caller.say(spoken_for(1.0))
            await caller.done()
    assert not caller.of("error")


async def test_who_hangs_in_mid_answer_costs_that_answer_and_no_more(suite: Suite) -> None:
    port = free_port()
    with (
        on_port("llm", port, LEDGE_SCRIPT_TOKENS_PER_S="10") as llm,
        a_voice(suite, LEDGE_LLM_ADDRESS=f"127.0.0.1:{port}", LEDGE_ANSWER_TIMEOUT_S="4") as voice,
    ):
        async with calling(voice.address, **CHAT) as caller:
            await caller.write("a b c d e f g h i j k l m n o p q r s t u v w x y z")
            await caller.send(create_response=pb.CreateResponse())
            await caller.wait("transcript_delta")
            with hung(llm):
                failed = await caller.done()
            after = await caller.ask("hello")
    assert failed.status == pb.ResponseState.FAILED
    assert failed.error.message == "nothing came of the answer for 4 seconds"
    assert after.status == pb.ResponseState.COMPLETED
    assert caller.text(after.id) == "You said: hello"


@pytest.mark.parametrize("streaming", ["true", "false"])
async def test_a_tts_that_hangs_leaves_the_text(suite: Suite, streaming: str) -> None:
    port = free_port()
    settings = {"LEDGE_SPEECH_TIMEOUT_S": "4", "LEDGE_CLAUSE_STREAMING": streaming}
    with (
        on_port("tts", port) as tts,
        a_voice(suite, LEDGE_TTS_ADDRESS=f"127.0.0.1:{port}", **settings) as voice,
    ):
        async with calling(voice.address, **CHAT) as caller:
            spoken = await caller.ask("hello")
            with hung(tts):
                silent = await caller.ask("hello again")
            after = await caller.ask("are you there")
    assert spoken.usage.output_audio_ms
    assert (silent.status, list(silent.degraded)) == (pb.ResponseState.COMPLETED, ["tts"])
    assert caller.text(silent.id) == "You said: hello again"
    assert after.usage.output_audio_ms
    assert not after.degraded


async def test_the_text_of_an_answer_does_not_wait_for_a_list_of_voices(suite: Suite) -> None:
    port = free_port()
    with (
        on_port("tts", port) as tts,
        a_voice(suite, LEDGE_TTS_ADDRESS=f"127.0.0.1:{port}", LEDGE_SPEECH_TIMEOUT_S="4") as voice,
    ):
        async with calling(voice.address, **CHAT, language="en") as caller:
            with hung(tts):
                begun_s = time.monotonic()
                silent = await caller.ask("hello")
                took_s = time.monotonic() - begun_s
    assert (silent.status, list(silent.degraded)) == (pb.ResponseState.COMPLETED, ["tts"])
    assert caller.text(silent.id) == "You said: hello"
    assert took_s < 20, "a call to a service that hangs is given up after 30 s at the earliest"


async def test_an_answer_goes_on_while_asr_is_waited_for(suite: Suite) -> None:
    with (
        service("asr", LEDGE_ENGINE="scripted", LEDGE_SCRIPT_DELAY_MS="8000") as asr,
        service("llm", LEDGE_ENGINE="scripted", LEDGE_SCRIPT_TOKENS_PER_S="10") as llm,
        a_voice(suite, LEDGE_ASR_ADDRESS=asr.address, LEDGE_LLM_ADDRESS=llm.address) as voice,
    ):
        async with calling(voice.address, **CHAT, speak=False) as caller:
            await caller.write("a b c d e f g h i j")
            await caller.send(create_response=pb.CreateResponse())
            content = pb.Content(audio=pcm(spoken_for(1.0)))
            recorded = pb.Item(message=pb.Message(role=pb.Item.USER, content=[content]))
            await caller.send(create_response=pb.CreateResponse(out_of_band=True, input=[recorded]))
            await caller.wait("response_created", 2)
            first, second = (created.id for created in caller.of("response_created"))
            assert [done.id for done in caller.of("response_done")] == [first]
            assert caller.text(first).endswith("i j")
            done = await caller.done(2)
    assert (done.id, done.status) == (second, pb.ResponseState.COMPLETED)


async def test_a_turn_that_nobody_could_hear_fails_and_the_session_goes_on(suite: Suite) -> None:
    manual = pb.TurnDetection(kind=pb.TurnDetection.MANUAL)
    with a_voice(suite, LEDGE_ASR_ADDRESS=f"127.0.0.1:{free_port()}") as voice:
        async with calling(voice.address, **CHAT, turn_detection=manual) as caller:
            await caller.send(audio=pcm(spoken_for(1.0)))
            await caller.send(commit_audio=pb.CommitAudio())
            await caller.wait("error")
            typed = await caller.ask("are you there")
    assert typed.status == pb.ResponseState.COMPLETED


async def test_without_documents_the_response_fails_in_clear_words(suite: Suite) -> None:
    with a_voice(suite, LEDGE_RAG_ADDRESS=f"127.0.0.1:{free_port()}") as voice:
        async with calling(voice.address) as caller:
            done = await caller.ask("How tall is the pump house?")
    assert done.status == pb.ResponseState.FAILED
    assert done.error.message == "a service that this call needs cannot be reached"


@pytest.mark.parametrize("doing", ["listening", "answering", "searching", "speculating"])
async def test_a_caller_who_vanishes_leaves_nothing_behind(suite: Suite, doing: str) -> None:
    asr, llm, rag, tts, retrieval = (suite.processes[name] for name in ("asr", "llm", "rag", "tts", "retrieval"))
    model = {} if doing == "searching" else CHAT
    patient = pb.TurnDetection(silence_ms=5000)
    with a_voice(suite) as voice, ExitStack() as held:
        async with calling(voice.address, **model, turn_detection=patient, transcription=saying("for ever")) as caller:
            match doing:
                case "listening":
                    await caller.say(speech("window")[:16_000])
                    await caller.wait("speech_started")
                case "answering":
                    await caller.write("for ever")
                    await caller.send(create_response=pb.CreateResponse())
                    await caller.wait("audio_delta")
                    assert await metric(tts, "ledge_calls_in_flight")
                case "searching":
                    held.enter_context(hung(retrieval))
                    await caller.write("How tall is the pump house?")
                    await caller.send(create_response=pb.CreateResponse())
                    await serving(rag)
                case "speculating":
                    await caller.say(spoken_for(1.0))
                    await serving(llm)
                    assert not caller.of("response_created")
            assert await metric(voice, "ledge_voice_sessions") == 1
            if doing in ("listening", "speculating"):
                assert await metric(asr, "ledge_calls_in_flight") == 1
            left_s, left_at = time.monotonic(), time.time()
        await all_freed([voice, asr, llm, rag, tts], left_s)
        assert await metric(voice, "ledge_voice_sessions") == 0
        assert await metric(llm, "ledge_llm_slots_busy") == 0
        ended = await asyncio.to_thread(voice.wait_for, "call", 20, method="Converse")
        assert datetime.fromisoformat(ended["time"]).timestamp() - left_at < FREED_S * SHARED_MACHINE


async def serving(process: ServiceProcess) -> None:
    """Waits until it is at a call."""
    async with asyncio.timeout(20):
        while not await metric(process, "ledge_calls_in_flight"):
            pass


async def test_one_session_too_many_is_told_when_to_come_again(suite: Suite) -> None:
    with a_voice(suite, LEDGE_MAX_SESSIONS="1") as voice:
        async with calling(voice.address):
            refused = await refusal(voice.address, pb.ConverseRequest(session=pb.Session()))
    assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_caller_who_reads_nothing_is_cut_off(suite: Suite) -> None:
    """What waits to be sent is bounded, and so is the patience."""
    with a_voice(suite, LEDGE_CLIENT_TIMEOUT_S="1", LEDGE_AHEAD_MS="60000") as voice:
        async with grpc.aio.insecure_channel(voice.address) as channel:
            call = rpc.VoiceServiceStub(channel).Converse()  # type: ignore[call-arg]
            await call.write(pb.ConverseRequest(session=pb.Session(model="scripted")))
            content = [pb.Content(text="for ever")]
            item = pb.Item(message=pb.Message(role=pb.Item.USER, content=content))
            await call.write(pb.ConverseRequest(create_item=pb.CreateItem(item=item)))
            await call.write(pb.ConverseRequest(create_response=pb.CreateResponse()))
            async with asyncio.timeout(60):
                while not await metric(voice, "ledge_voice_sessions"):
                    pass
                while await metric(voice, "ledge_voice_sessions"):
                    pass


async def test_readiness_and_metrics_are_told_at_the_ops_port(voice: ServiceProcess) -> None:
    async with httpx.AsyncClient(base_url=voice.ops_url, timeout=20) as http:
        assert (await http.get("/v1/health/ready")).status_code == 200
        metrics = (await http.get("/v1/metrics")).text
    assert "ledge_voice_first_audio_seconds_bucket" in metrics


async def test_what_is_said_to_one_is_never_told_to_another(voice: ServiceProcess) -> None:
    names = ["ada", "bela", "cleo", "dora", "emil", "finn", "gina", "hugo", "iris", "jana", "karl", "lina", "mira",
             "nils", "olga", "paul"]  # fmt: skip

    async def converse(name: str) -> tuple[str, str, str, bytes]:
        async with calling(voice.address, **CHAT, transcription=saying(name)) as caller:
            await caller.say(spoken_for(1.0))
            done = await caller.done(1)
            return name, caller.of("transcript_completed")[0].text, caller.text(done.id), caller.audio()

    told = await asyncio.gather(*(converse(name) for name in names))
    for name, transcript, answer, audio in told:
        assert set(transcript.split()) == {name}
        assert answer == f"You said: {transcript}"
        assert _loudest(audio, names) == name


def _loudest(audio: bytes, names: list[str]) -> str:
    """The name that is spoken most often."""
    return Counter(heard_words(audio, names)).most_common(1)[0][0]
