"""Whole turns: typed and spoken questions, answered from documents with citations, as text and as sound."""

import asyncio

import numpy as np
from ledge.audio.v1 import audio_pb2
from ledge.voice.v1 import voice_pb2 as pb

from tests.asr.asking import pcm, silence, speech
from tests.processes import ServiceProcess, service
from tests.voice.calling import calling, heard_words, saying, spoken_for
from tests.voice.conftest import Suite, a_voice

QUESTION = "How tall is the pump house?"
ANSWER = "The pump house is 12 metres tall."
LIFECYCLE = [
    "response_created", "output_item_added", "item_added", "content_part_added", "citation", "transcript_delta",
    "audio_delta", "timings", "audio_delta", "audio_done", "transcript_done", "content_part_done", "output_item_done",
    "item_done", "timings", "response_done",
]  # fmt: skip


async def test_a_typed_question_is_answered_from_documents_aloud(voice: ServiceProcess) -> None:
    async with calling(voice.address) as caller:
        done = await caller.ask(QUESTION, metadata={"topic": "pumps"})
    assert done.status == pb.ResponseState.COMPLETED
    assert dict(done.metadata) == {"topic": "pumps"}
    assert caller.text() == f"{ANSWER} [1]"
    (citation,) = caller.of("citation")
    assert citation.citation.passage.document == "handbook.md"
    (item,) = done.output
    assert item.message.content[0].output_audio_transcript == f"{ANSWER} [1]"
    told = [kind for kind in caller.kinds() if kind not in ("state_changed", "verdict")]
    assert told[told.index("response_created") :] == LIFECYCLE
    assert heard_words(caller.audio(), ["pump", "house", "metres", "tall"])[:2] == ["pump", "house"]
    assert "1" not in heard_words(caller.audio(), ["1", "one", "[1]"])


async def test_an_answer_that_is_not_spoken_is_text_alone(voice: ServiceProcess) -> None:
    async with calling(voice.address, speak=False) as caller:
        done = await caller.ask(QUESTION)
    assert done.output[0].message.content[0].text == f"{ANSWER} [1]"
    assert caller.of("text_done")[0].text == f"{ANSWER} [1]"
    assert not caller.of("audio_delta")
    assert not done.speak


async def test_a_spoken_question_is_answered_when_silence_has_lasted(voice: ServiceProcess) -> None:
    words = QUESTION.removesuffix("?").split(" ")
    async with calling(voice.address, transcription=saying(*words, partials=True)) as caller:
        saying_it = asyncio.create_task(
            caller.say(np.concatenate([silence(0.3), speech("meeting")[:44000], silence(1.5)]))
        )
        done = await caller.done()
        await saying_it
    (transcript,) = caller.of("transcript_completed")
    assert transcript.text.startswith("How tall is the")
    assert done.status == pb.ResponseState.COMPLETED
    order = [kind for kind in caller.kinds() if kind not in ("state_changed", "transcript_partial")]
    assert order[:7] == [
        "session_created", "speech_started", "speech_stopped", "audio_committed", "item_added", "transcript_completed",
        "item_done",
    ]  # fmt: skip
    states = [pb.State.Name(changed.state) for changed in caller.of("state_changed")]
    assert states[:5] == ["USER_SPEAKING", "SOFT_END", "COMMITTED", "GENERATING", "SPEAKING"]
    assert caller.of("transcript_partial")
    timings = caller.of("timings")[-1]
    assert timings.speculative
    assert timings.endpoint_ms >= 450
    assert timings.transcript_ms < timings.endpoint_ms
    assert timings.first_audio_ms >= timings.endpoint_ms
    assert timings.HasField("retrieval_ms")
    assert timings.HasField("done_ms")


async def test_a_pause_within_a_question_does_not_end_it(voice: ServiceProcess) -> None:
    """Of 350 ms, where silence of 700 ms ends a turn."""
    detection = pb.TurnDetection(kind=pb.TurnDetection.SERVER, silence_ms=700)
    said = np.concatenate([speech("window")[:16000], silence(0.35), speech("window")[4000:20000], silence(1.5)])
    async with calling(voice.address, turn_detection=detection, speak=False) as caller:
        await caller.say(said)
        done = await caller.done(1)
    assert done.status == pb.ResponseState.COMPLETED
    assert len(caller.of("transcript_completed")) == len(caller.of("speech_stopped")) == 1
    assert len(caller.of("response_created")) == 1
    assert len(caller.of("transcript_completed")[0].text.split()) >= 4
    assert caller.of("timings")[-1].discarded == 1


async def test_a_pause_within_a_question_does_not_end_it_while_asr_is_slow(suite: Suite) -> None:
    """The words of the first part come when the second has long begun."""
    detection = pb.TurnDetection(kind=pb.TurnDetection.SERVER, silence_ms=500)
    said = np.concatenate([speech("window")[:16000], silence(0.35), speech("window")[4000:20000], silence(2.0)])
    with (
        service("asr", LEDGE_ENGINE="scripted", LEDGE_SCRIPT_DELAY_MS="700") as asr,
        a_voice(suite, LEDGE_ASR_ADDRESS=asr.address) as voice,
    ):
        async with calling(voice.address, turn_detection=detection, speak=False) as caller:
            await caller.say(said)
            await caller.done(1)
    assert len(caller.of("transcript_completed")) == len(caller.of("response_created")) == 1
    assert len(caller.of("transcript_completed")[0].text.split()) >= 4


async def test_a_turn_by_push_to_talk_is_answered_when_asked_for(voice: ServiceProcess) -> None:
    detection = pb.TurnDetection(kind=pb.TurnDetection.MANUAL)
    async with calling(voice.address, turn_detection=detection, transcription=saying("How", "tall")) as caller:
        await caller.send(audio=pcm(spoken_for(1.5)))
        await caller.send(commit_audio=pb.CommitAudio())
        transcript = await caller.wait("transcript_completed")
        assert not caller.of("response_created")
        await caller.send(create_response=pb.CreateResponse())
        done = await caller.done()
    assert transcript.text.startswith("How tall How")
    assert done.status == pb.ResponseState.COMPLETED
    assert not caller.of("speech_started")
    assert caller.kinds().index("audio_committed") < caller.kinds().index("transcript_completed")


async def test_half_closing_hears_and_answers_what_was_said(voice: ServiceProcess) -> None:
    async with calling(voice.address) as caller:
        await caller.send(audio=pcm(speech("window")))
        await caller.finish()
    assert caller.failure is None
    assert len(caller.of("transcript_completed")) == 1
    assert caller.of("response_done")[0].status == pb.ResponseState.COMPLETED
    assert pb.State.Name(caller.of("state_changed")[-1].state) == "CLOSING"


async def test_answers_are_spoken_in_the_format_asked_for(voice: ServiceProcess) -> None:
    speaking = pb.Speaking(encoding=audio_pb2.MULAW)
    async with calling(voice.address, speaking=speaking) as caller:
        done = await caller.ask(QUESTION)
    assert caller.of("session_created")[0].session.speaking.sample_rate_hz == 8000
    assert len(caller.audio()) == done.usage.output_audio_ms * 8
    assert all(len(delta.audio) <= 800 for delta in caller.of("audio_delta"))
    offsets = [delta.offset_ms for delta in caller.of("audio_delta")]
    assert offsets == sorted(offsets)


async def test_a_session_that_transcribes_never_answers(voice: ServiceProcess) -> None:
    async with calling(voice.address, kind=pb.Session.TRANSCRIPTION) as caller:
        await caller.say(spoken_for(1.5))
        await caller.wait("transcript_completed")
        await caller.send(event_id="mine", create_response=pb.CreateResponse())
        error = await caller.wait("error")
    assert error.event_id == "mine"
    assert not caller.of("response_created")


async def test_follow_ups_know_what_was_said_before(voice: ServiceProcess) -> None:
    async with calling(voice.address, speak=False, model="scripted") as caller:
        await caller.ask("tell me more")
        await caller.send(
            create_response=pb.CreateResponse(
                input=[pb.Item(message=pb.Message(role=pb.Item.USER, content=[pb.Content(text="only this")]))],
                out_of_band=True,
            )
        )
        beside = await caller.done(2)
        after = await caller.ask("and now")
    assert beside.out_of_band
    assert beside.output[0].message.content[0].text == "You said: only this"
    assert after.usage.input_tokens > beside.usage.input_tokens
    added = [event.item.id for event in caller.of("item_added")]
    assert beside.output[0].id not in added


async def test_what_sounds_unfinished_is_waited_for(voice: ServiceProcess) -> None:
    detection = pb.TurnDetection(kind=pb.TurnDetection.SEMANTIC, eagerness=pb.TurnDetection.HIGH)
    endpoints_ms = {}
    for last in ("tall", "the"):
        said = saying("how", last, last, last, last)
        async with calling(voice.address, turn_detection=detection, transcription=said, speak=False) as caller:
            await caller.say(np.concatenate([spoken_for(1.6), silence(2)]))
            await caller.done()
            endpoints_ms[last] = caller.of("timings")[-1].endpoint_ms
    assert endpoints_ms["tall"] < 1500 < 1900 < endpoints_ms["the"]


async def test_a_long_silence_is_told_and_a_model_may_speak_into_it(voice: ServiceProcess) -> None:
    detection = pb.TurnDetection(idle_timeout_ms=5000)
    async with calling(voice.address, model="scripted", speak=False, turn_detection=detection) as caller:
        await caller.ask("hello")
        idle = await caller.wait("idle_timeout")
        await caller.done(2)
    assert caller.of("transcript_completed")[0].text == ""
    assert caller.of("audio_committed")[0].item_id == idle.item_id
