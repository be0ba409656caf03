"""Items, buffers, settings and functions, as OpenAI's Realtime protocol has them; a mistake changes nothing."""

from typing import Any

import grpc
import pytest
from ledge.audio.v1 import audio_pb2
from ledge.voice.v1 import voice_pb2 as pb
from ledge.voice.v1 import voice_pb2_grpc as rpc

from tests.asr.asking import pcm, silence
from tests.processes import ServiceProcess
from tests.voice.calling import Caller, calling, refusal, saying, spoken_for
from tests.voice.conftest import Suite, a_voice

CHAT = {"model": "scripted", "speak": False}
MANUAL = pb.TurnDetection(kind=pb.TurnDetection.MANUAL)
WEATHER = pb.ToolList(tools=[pb.Tool(name="weather", parameters_json_schema='{"type": "object", "properties": {}}')])


def message(text: str, item_id: str = "", role: "pb.Item.Role" = pb.Item.USER) -> pb.Item:
    return pb.Item(id=item_id, message=pb.Message(role=role, content=[pb.Content(text=text)]))


async def create(caller: Caller, item: pb.Item, **place: Any) -> pb.ItemAdded:
    before = len(caller.of("item_added"))
    await caller.send(create_item=pb.CreateItem(item=item, **place))
    added: pb.ItemAdded = await caller.wait("item_added", before + 1)
    return added


async def test_items_are_put_where_they_belong_told_and_deleted(voice: ServiceProcess) -> None:
    async with calling(voice.address, **CHAT) as caller:
        assert (await create(caller, message("two", "b"))).previous_item_id == ""
        assert (await create(caller, message("three", "c"))).previous_item_id == "b"
        assert (await create(caller, message("one", "a"), previous_item_id="root")).previous_item_id == ""
        assert (await create(caller, message("2½", "bb"), previous_item_id="b")).previous_item_id == "b"
        await caller.send(retrieve_item=pb.RetrieveItem(item_id="bb"))
        assert (await caller.wait("item_retrieved")).message.content[0].text == "2½"
        await caller.send(delete_item=pb.DeleteItem(item_id="bb"))
        assert (await caller.wait("item_deleted")).item_id == "bb"
        await caller.send(retrieve_item=pb.RetrieveItem(item_id="bb"), event_id="gone")
        error = await caller.wait("error")
        assert (error.code, error.event_id) == ("item_not_found", "gone")
        # The last item is what is answered.
        await caller.send(create_response=pb.CreateResponse())
        done = await caller.done(1)
    assert done.output[0].message.content[0].text == "You said: three"


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"delete_item": pb.DeleteItem(item_id="none")}, "item_not_found"),
    ({"truncate_item": pb.TruncateItem(item_id="none")}, "item_not_found"),
    ({"create_item": pb.CreateItem(item=pb.Item())}, "invalid_value"),
    ({"create_item": pb.CreateItem(item=message("x"), previous_item_id="none")}, "item_not_found"),
    ({"create_item": pb.CreateItem(item=message("x", "with space"))}, "invalid_value"),
    (
        {"create_item": pb.CreateItem(item=pb.Item(function_call_output=pb.FunctionCallOutput(call_id="none")))},
        "item_not_found",
    ),
    ({"commit_audio": pb.CommitAudio()}, "input_audio_buffer_commit_empty"),
    ({"audio": bytes(2**20 + 1)}, "invalid_value"),
    ({"cancel_response": pb.CancelResponse(response_id="none")}, "response_cancel_not_active"),
    ({"session": pb.Session(model="another")}, "invalid_value"),
    ({"session": pb.Session(kind=pb.Session.TRANSCRIPTION)}, "invalid_value"),
    ({"session": pb.Session(language="no tongue")}, "invalid_value"),
    ({"session": pb.Session(turn_detection=pb.TurnDetection(silence_ms=99))}, "invalid_value"),
    ({"session": pb.Session(turn_detection=pb.TurnDetection(threshold=1.0))}, "invalid_value"),
    ({"session": pb.Session(turn_detection=pb.TurnDetection(idle_timeout_ms=10))}, "invalid_value"),
    ({"session": pb.Session(speaking=pb.Speaking(rate=9))}, "invalid_value"),
    ({"session": pb.Session(speaking=pb.Speaking(voice="nobody"))}, "invalid_value"),
    ({"create_response": pb.CreateResponse(voice="nobody")}, "invalid_value"),
    ({"session": pb.Session(speaking=pb.Speaking(encoding=audio_pb2.MP3))}, "invalid_value"),
    ({"session": pb.Session(input_format=audio_pb2.RawFormat(sample_rate_hz=1))}, "invalid_value"),
    ({"session": pb.Session(instructions="x" * 40_000)}, "invalid_value"),
    ({"session": pb.Session(tools=pb.ToolList(tools=[pb.Tool(name="no name")]))}, "invalid_value"),
    ({"session": pb.Session(tool_choice=pb.ToolChoice(name="none"))}, "invalid_value"),
    ({"create_response": pb.CreateResponse(metadata={str(i): "" for i in range(17)})}, "invalid_value"),
    ({}, "invalid_event"),
]


async def test_a_mistake_is_told_with_its_event_and_the_session_goes_on(voice: ServiceProcess) -> None:
    async with calling(voice.address, **CHAT) as caller:
        for number, (event, code) in enumerate(MISTAKES):
            await caller.send(**event, event_id=f"event {number}")
            error = await caller.wait("error", number + 1)
            assert (error.code, error.event_id, error.type) == (code, f"event {number}", "invalid_request_error"), event
        after = await caller.ask("are you there")
    assert after.status == pb.ResponseState.COMPLETED
    assert len(caller.of("error")) == len(MISTAKES)


async def test_settings_that_are_not_named_stay_as_they_are(voice: ServiceProcess) -> None:
    async with calling(voice.address, **CHAT, speaking=pb.Speaking(voice="tone", rate=2)) as caller:
        await caller.send(session=pb.Session(turn_detection=pb.TurnDetection(silence_ms=300)))
        first = (await caller.wait("session_updated")).session
        await caller.send(session=pb.Session(speaking=pb.Speaking(encoding=audio_pb2.ALAW)))
        second = (await caller.wait("session_updated", 2)).session
        await caller.send(session=pb.Session(speaking=pb.Speaking(voice="")))
        third = (await caller.wait("session_updated", 3)).session
    assert first.turn_detection.silence_ms == second.turn_detection.silence_ms == 300
    assert first.turn_detection.threshold == 0.5
    assert (second.speaking.voice, second.speaking.rate, second.speaking.sample_rate_hz) == ("tone", 2, 8000)
    assert second.model == "scripted"
    assert (third.speaking.voice, third.speaking.rate) == ("", 2), "the default voice again, and nothing else"


async def test_the_format_does_not_change_under_audio_that_waits(voice: ServiceProcess) -> None:
    async with calling(voice.address, **CHAT, turn_detection=MANUAL) as caller:
        await caller.send(audio=pcm(silence(0.3)))
        await caller.send(session=pb.Session(input_format=audio_pb2.RawFormat(sample_rate_hz=8000)))
        error = await caller.wait("error")
        await caller.send(clear_audio=pb.ClearAudio())
        await caller.wait("audio_cleared")
        await caller.send(session=pb.Session(input_format=audio_pb2.RawFormat(sample_rate_hz=8000)))
        updated = await caller.wait("session_updated")
    assert error.param == "session.input_format"
    assert updated.session.input_format.sample_rate_hz == 8000


async def test_what_is_cleared_is_not_heard(voice: ServiceProcess) -> None:
    async with calling(voice.address, **CHAT, turn_detection=MANUAL, transcription=saying("said")) as caller:
        await caller.send(audio=pcm(spoken_for(1.6)))
        await caller.send(clear_audio=pb.ClearAudio())
        await caller.send(audio=pcm(spoken_for(0.6)))
        await caller.send(commit_audio=pb.CommitAudio())
        transcript = await caller.wait("transcript_completed")
    assert len(transcript.text.split()) <= 3
    assert len(caller.of("item_added")) == 1


async def test_a_model_calls_a_function_and_answers_by_what_it_told(voice: ServiceProcess) -> None:
    async with calling(voice.address, **CHAT, tools=WEATHER) as caller:
        called = await caller.ask("weather please")
        (item,) = called.output
        call = item.function_call
        output = pb.FunctionCallOutput(call_id=call.call_id, output="cold and wet")
        await create(caller, pb.Item(function_call_output=output))
        await caller.send(create_response=pb.CreateResponse())
        answered = await caller.done(2)
    assert (call.name, call.arguments_json) == ("weather", '{"city": "Oslo"}')
    assert caller.of("arguments_done")[0].arguments_json == call.arguments_json
    assert "".join(delta.delta for delta in caller.of("arguments_delta")) == call.arguments_json
    assert answered.output[0].message.content[0].text == "It is cold and wet there."


async def test_documents_answer_where_no_function_is_called(voice: ServiceProcess) -> None:
    async with calling(voice.address, speak=False, tools=WEATHER) as caller:
        answered = await caller.ask("How tall is the pump house?")
        called = await caller.ask("weather please")
    assert answered.output[0].message.content[0].text.endswith("12 metres tall. [1]")
    assert called.output[0].function_call.name == "weather"


async def test_an_answer_that_is_too_long_is_incomplete(voice: ServiceProcess) -> None:
    async with calling(voice.address, **CHAT) as caller:
        done = await caller.ask("tell a story", max_output_tokens=20)
    assert (done.status, done.reason) == (pb.ResponseState.INCOMPLETE, "max_output_tokens")
    assert done.output[0].status == pb.Item.INCOMPLETE
    assert len(done.output[0].message.content[0].text) == 20


async def test_instructions_of_one_response_are_not_those_of_the_next(voice: ServiceProcess) -> None:
    async with calling(voice.address, **CHAT) as caller:
        long = await caller.ask("hello", instructions="x" * 500)
        short = await caller.ask("hello")
    assert long.usage.input_tokens > short.usage.input_tokens


async def test_audio_in_an_item_is_heard(voice: ServiceProcess) -> None:
    async with calling(voice.address, **CHAT, transcription=saying("said")) as caller:
        content = [pb.Content(audio=pcm(spoken_for(1.0)))]
        added = await create(caller, pb.Item(message=pb.Message(role=pb.Item.USER, content=content)))
    assert added.item.message.content[0].input_audio_transcript.startswith("one")
    assert not added.item.message.content[0].audio


async def test_a_long_conversation_forgets_its_beginning(suite: Suite) -> None:
    with a_voice(suite, LEDGE_MAX_ITEMS="16") as voice:
        async with calling(voice.address, **CHAT) as caller:
            for number in range(20):
                await create(caller, message(f"item {number}", f"i{number}"))
            deleted = await caller.wait("item_deleted", 4)
    assert deleted.item_id == "i3"


@pytest.mark.parametrize("first", [pb.ConverseRequest(), pb.ConverseRequest(session=pb.Session(model="none"))])
async def test_a_stream_that_does_not_begin_well_is_refused(voice: ServiceProcess, first: pb.ConverseRequest) -> None:
    refused = await refusal(voice.address, first)
    assert refused.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)


async def test_models_are_listed_with_the_documents_first(voice: ServiceProcess) -> None:
    async with grpc.aio.insecure_channel(voice.address) as channel:
        stub: Any = rpc.VoiceServiceStub(channel)
        listed = await stub.ListModels(pb.ListModelsRequest())
    assert [model.id for model in listed.models] == ["ledge-rag", "scripted"]
