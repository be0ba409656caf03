"""Somebody speaks into an answer: it is ducked, silenced and ended, or goes on where it was nothing."""

import asyncio

from ledge.voice.v1 import voice_pb2 as pb

from tests.asr.asking import silence
from tests.processes import ServiceProcess
from tests.voice.calling import Caller, calling, saying, spoken_for

CHAT = {"model": "scripted"}
STORY, ENDLESS = "tell a story", "for ever"
WELL_INTO_S = 1.3
"""In the first second an answer is harder to interrupt."""


async def hear_a_story(caller: Caller, story: str = STORY) -> None:
    """Until it is well begun."""
    await caller.write(story)
    await caller.send(create_response=pb.CreateResponse())
    await caller.wait("audio_delta")
    await caller.say(silence(WELL_INTO_S))


async def test_speech_ends_the_answer_and_the_history_keeps_what_was_heard(voice: ServiceProcess) -> None:
    async with calling(voice.address, **CHAT, transcription=saying("please", "stop", "now", "and", "listen")) as caller:
        await hear_a_story(caller, ENDLESS)
        await caller.say(spoken_for(1.6))
        cut = await caller.done(1)
        answered = await caller.done(2)
        item_id = cut.output[0].id
        await caller.send(retrieve_item=pb.RetrieveItem(item_id=item_id))
        kept = await caller.wait("item_retrieved")
    assert (cut.status, cut.reason) == (pb.ResponseState.CANCELLED, "turn_detected")
    assert caller.actions() == ["DUCK", "STOP"]
    heard = kept.message.content[0].output_audio_transcript
    whole = caller.text(cut.id)
    assert whole.startswith(heard)
    assert 0 < len(heard) < len(whole)
    (truncated,) = caller.of("item_truncated")
    assert truncated.item_id == item_id
    assert truncated.audio_end_ms >= 1000
    assert 0.3 < truncated.audio_end_ms / 100 / len(heard.split()) < 3, "a word of the scripted voice takes 100 ms"
    assert answered.status == pb.ResponseState.COMPLETED
    assert caller.text(answered.id).startswith("You said: please stop")
    order = [(event.WhichOneof("event"), event) for event in caller.told]
    ended = next(place for place, (kind, event) in enumerate(order) if kind == "response_done")
    late = [event for kind, event in order[ended:] if kind == "audio_delta" and event.audio_delta.response_id == cut.id]
    assert late == []


async def test_a_nod_lets_the_answer_go_on_and_nothing_is_lost(voice: ServiceProcess) -> None:
    async with calling(voice.address, **CHAT, transcription=saying("mm-hm")) as caller:
        await hear_a_story(caller)
        await caller.say(spoken_for(0.5))
        await caller.wait("playback_control", fits=lambda control: control.action == pb.PlaybackControl.RESUME)
        done = await caller.done(1)
    assert done.status == pb.ResponseState.COMPLETED
    assert caller.actions()[0] == "DUCK"
    assert caller.actions()[-1] == "RESUME"
    assert len(caller.of("speech_started")) == len(caller.of("speech_stopped"))
    assert not caller.of("transcript_completed")
    assert not caller.of("item_truncated")
    assert len(caller.of("response_created")) == 1
    assert abs(caller.covered_ms(done.id) - done.usage.output_audio_ms) <= 5


async def test_the_answer_out_of_the_loudspeaker_does_not_interrupt_it(voice: ServiceProcess) -> None:
    words = "upon a time there was a pump house by the harbour it held".split()
    async with calling(voice.address, **CHAT, transcription=saying(*words)) as caller:
        await hear_a_story(caller)
        await caller.say(spoken_for(1.2))
        await caller.wait("playback_control", fits=lambda control: control.action == pb.PlaybackControl.RESUME)
        done = await caller.done(1)
    assert done.status == pb.ResponseState.COMPLETED
    assert caller.actions()[0] == "DUCK", "it was heard"
    assert not caller.of("transcript_completed")
    assert abs(caller.covered_ms(done.id) - done.usage.output_audio_ms) <= 5


async def test_an_answer_that_is_not_to_be_interrupted_is_not(voice: ServiceProcess) -> None:
    detection = pb.TurnDetection(interrupt_response=False)
    async with calling(voice.address, **CHAT, turn_detection=detection, transcription=saying("and", "then")) as caller:
        await hear_a_story(caller)
        await caller.say(spoken_for(1.2))
        first = await caller.done(1)
        second = await caller.done(2)
    assert first.status == second.status == pb.ResponseState.COMPLETED
    assert not caller.of("playback_control")
    assert caller.text(second.id).startswith("You said: and")


async def test_the_client_cancels_and_then_there_is_nothing_to_cancel(voice: ServiceProcess) -> None:
    async with calling(voice.address, **CHAT) as caller:
        await caller.write("for ever")
        await caller.send(create_response=pb.CreateResponse())
        await caller.wait("audio_delta", 3)
        await caller.send(create_response=pb.CreateResponse(), event_id="too early")
        refused = await caller.wait("error")
        await caller.send(cancel_response=pb.CancelResponse())
        done = await caller.done(1)
        await caller.send(cancel_response=pb.CancelResponse(), event_id="too late")
        error = await caller.wait("error", 2)
        again = await caller.ask("are you there")
    assert (refused.code, refused.event_id) == ("conversation_already_has_active_response", "too early")
    assert (done.status, done.reason) == (pb.ResponseState.CANCELLED, "client_cancelled")
    assert (error.code, error.event_id) == ("response_cancel_not_active", "too late")
    assert again.status == pb.ResponseState.COMPLETED


async def test_what_the_client_says_was_heard_overrides_the_clock(voice: ServiceProcess) -> None:
    async with calling(voice.address, **CHAT, transcription=saying("please", "stop", "now")) as caller:
        await hear_a_story(caller, ENDLESS)
        item_id = caller.of("output_item_added")[0].item.id
        await caller.send(playback=pb.Playback(item_id=item_id, played_ms=300))
        await caller.say(spoken_for(1.2))
        await caller.done(1)
        by_report = (await caller.wait("item_truncated")).audio_end_ms
        await caller.send(truncate_item=pb.TruncateItem(item_id=item_id, audio_end_ms=450))
        await caller.wait("item_truncated", 2)
        await caller.send(retrieve_item=pb.RetrieveItem(item_id=item_id))
        kept = await caller.wait("item_retrieved")
    assert by_report < 1300
    assert kept.message.content[0].output_audio_transcript == "and so on and so"


async def test_audio_is_sent_a_little_ahead_of_what_is_heard(voice: ServiceProcess) -> None:
    async with calling(voice.address, **CHAT) as caller:
        await caller.write("for ever")
        await caller.send(create_response=pb.CreateResponse())
        await caller.wait("audio_delta")
        begun_s = asyncio.get_running_loop().time()
        await caller.wait("audio_delta", fits=lambda delta: delta.offset_ms > 4000)
        elapsed_s = asyncio.get_running_loop().time() - begun_s
        await caller.send(cancel_response=pb.CancelResponse())
        await caller.done(1)
        sent_s = len(caller.audio()) / 48_000
    assert sent_s <= elapsed_s + 3 + 0.5
    assert elapsed_s > 0.7


async def test_speech_silences_an_answer_in_time(voice: ServiceProcess) -> None:
    """Where this test runs others do too; the bench `voice` measures it."""
    async with calling(voice.address, **CHAT, transcription=saying("please", "stop")) as caller:
        await hear_a_story(caller, ENDLESS)
        begun_s = asyncio.get_running_loop().time()
        await caller.say(spoken_for(1.0))
        await caller.done(1)
    assert caller.at_s("playback_control", 1) - begun_s < 2.0


async def test_silence_that_is_asked_for_while_the_answer_plays_on_leaves_what_was_heard(voice: ServiceProcess) -> None:
    async with calling(voice.address, **CHAT) as caller:
        done = await caller.ask(STORY)
        await caller.send(clear_output=pb.ClearOutput())
        await caller.wait("output_cleared")
        await caller.send(retrieve_item=pb.RetrieveItem(item_id=done.output[0].id))
        kept = await caller.wait("item_retrieved")
        await caller.send(clear_output=pb.ClearOutput())
        await caller.wait("output_cleared", 2)
    assert done.status == pb.ResponseState.COMPLETED
    assert caller.kinds().index("item_truncated") < caller.kinds().index("output_cleared")
    heard = kept.message.content[0].output_audio_transcript
    assert caller.text(done.id).startswith(heard)
    assert 0 < len(heard) < len(caller.text(done.id))
    assert len(caller.of("item_truncated")) == 1, "there was nothing left to silence"
    assert not caller.of("error")
