"""Every event of a realtime session, read and written: what OpenAI's own types say of what is sent, and the contract of
what was received. The door itself is tested over the wire in test_realtime.py."""

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledge.audio.v1 import audio_pb2
from ledge.rag.v1 import rag_pb2
from ledge.voice.v1 import voice_pb2 as pb
from openai.types.realtime.realtime_server_event import RealtimeServerEvent
from pydantic import TypeAdapter

from services.gateway.realtime import ledge_events, server_events
from services.gateway.realtime.client_events import ClientEvents
from services.gateway.realtime.faults import EventRefused
from services.gateway.realtime.names import Names
from services.gateway.realtime.server_events import ServerEvents
from services.gateway.realtime.session_body import SessionBody
from services.gateway.realtime.view import SessionView

OPENAI = TypeAdapter[Any](RealtimeServerEvent)
PLACE: dict[str, Any] = {"response_id": "resp_1", "item_id": "item_2", "output_index": 0, "content_index": 0}
QUESTION = pb.Item(
    id="item_1",
    status=pb.Item.COMPLETED,
    message=pb.Message(role=pb.Item.USER, content=[pb.Content(input_audio_transcript="how tall is it")]),
)
ANSWER = pb.Item(
    id="item_2",
    status=pb.Item.INCOMPLETE,
    message=pb.Message(role=pb.Item.ASSISTANT, content=[pb.Content(output_audio_transcript="12 metres. [1]")]),
)
WRITTEN = pb.Item(id="item_3", message=pb.Message(role=pb.Item.ASSISTANT, content=[pb.Content(text="12 metres. [1]")]))
CALL = pb.Item(
    id="item_4", function_call=pb.FunctionCall(call_id="call_1", name="open_gate", arguments_json='{"width": 2}')
)
OUTPUT = pb.Item(id="item_5", function_call_output=pb.FunctionCallOutput(call_id="call_1", output="open"))
SESSION = pb.Session(
    kind=pb.Session.CONVERSATION,
    model="ledge-rag",
    instructions="Be brief.",
    speak=True,
    input_format=audio_pb2.RawFormat(encoding=audio_pb2.PCM_S16LE, sample_rate_hz=24000, channels=1),
    transcription=pb.Transcription(model="pocketsphinx", hotwords=["pump"], partials=True),
    turn_detection=pb.TurnDetection(
        kind=pb.TurnDetection.SERVER,
        threshold=0.5,
        prefix_padding_ms=300,
        silence_ms=300,
        create_response=True,
        interrupt_response=True,
    ),
    speaking=pb.Speaking(voice="rms", encoding=audio_pb2.PCM_S16LE, sample_rate_hz=24000, rate=1.2),
    tools=pb.ToolList(tools=[pb.Tool(name="open_gate", parameters_json_schema='{"type": "object"}')]),
    tool_choice=pb.ToolChoice(name="open_gate"),
    max_output_tokens=100,
    documents=pb.Documents(collections=["mills"], effort=rag_pb2.BALANCED),
    language="en",
)
RESPONSE = pb.ResponseState(
    id="resp_1",
    status=pb.ResponseState.CANCELLED,
    reason="turn_detected",
    output=[ANSWER, CALL],
    usage=pb.Usage(input_tokens=20, output_tokens=7, cached_input_tokens=5, input_audio_ms=900, output_audio_ms=400),
    metadata={"topic": "pumps"},
    speak=True,
    voice="slt",
    degraded=["reranking"],
)
FAILED = pb.ResponseState(
    id="resp_2",
    status=pb.ResponseState.FAILED,
    error=pb.Error(type="server_error", code="not_ready", message="rag cannot be reached"),
    out_of_band=True,
)
TOLD: dict[str, Any] = {
    "session_created": pb.SessionState(id="sess_1", session=SESSION),
    "session_updated": pb.SessionState(id="sess_1", session=SESSION),
    "error": pb.Error(type="invalid_request_error", code="item_not_found", message="no such item", event_id="mine"),
    "speech_started": pb.SpeechStarted(audio_start_ms=480, item_id="item_1"),
    "speech_stopped": pb.SpeechStopped(audio_end_ms=1500, item_id="item_1"),
    "audio_committed": pb.AudioCommitted(item_id="item_1"),
    "audio_cleared": pb.AudioCleared(),
    "output_cleared": pb.OutputCleared(),
    "item_added": pb.ItemAdded(item=QUESTION),
    "item_done": pb.ItemAdded(previous_item_id="item_1", item=ANSWER),
    "item_deleted": pb.ItemDeleted(item_id="item_1"),
    "item_retrieved": OUTPUT,
    "item_truncated": pb.ItemTruncated(item_id="item_2", audio_end_ms=700),
    "transcript_partial": pb.TranscriptPartial(item_id="item_1", text="how tall is the", stable_characters=8),
    "transcript_completed": pb.TranscriptCompleted(
        item_id="item_1", text="how tall is it", language="en", duration_ms=1510
    ),
    "transcript_failed": pb.TranscriptFailed(
        item_id="item_1", error=pb.Error(type="server_error", code="engine_failed", message="the model failed")
    ),
    "response_created": pb.ResponseState(id="resp_1", status=pb.ResponseState.IN_PROGRESS),
    "response_done": RESPONSE,
    "output_item_added": pb.OutputItem(response_id="resp_1", item=CALL),
    "output_item_done": pb.OutputItem(response_id="resp_1", item=WRITTEN),
    "content_part_added": pb.ContentPart(**PLACE, content=pb.Content(output_audio_transcript="")),
    "content_part_done": pb.ContentPart(**PLACE, content=pb.Content(text="12 metres.")),
    "text_delta": pb.TextDelta(**PLACE, text="12 me"),
    "text_done": pb.TextDelta(**PLACE, text="12 metres."),
    "transcript_delta": pb.TextDelta(**PLACE, text="12 me"),
    "transcript_done": pb.TextDelta(**PLACE, text="12 metres."),
    "audio_delta": pb.AudioDelta(**PLACE, audio=b"\x01\x02", offset_ms=20),
    "audio_done": pb.AudioDone(**PLACE),
    "arguments_delta": pb.ArgumentsDelta(response_id="resp_1", item_id="item_4", call_id="call_1", delta='{"wi'),
    "arguments_done": pb.ArgumentsDone(
        response_id="resp_1", item_id="item_4", call_id="call_1", name="open_gate", arguments_json='{"width": 2}'
    ),
    "idle_timeout": pb.IdleTimeout(item_id="item_9", audio_start_ms=100, audio_end_ms=9000),
}
"""One of each message that is an event of OpenAI's."""


@pytest.fixture
def names() -> Names:
    return Names({"talker": "smollm2"}, {"alloy": "", "nova": "slt"})


def view_of(session: pb.Session, **settings: Any) -> SessionView:
    view = SessionView(**settings)
    view.settled(session)
    return view


def server(names: Names, *, ledge: bool = False) -> ServerEvents:
    return ServerEvents(view_of(SESSION, wants_ledge=ledge), names, expires_at=1_800_000_000)


def read(names: Names, event: dict[str, Any], view: SessionView | None = None) -> list[Any]:
    return list(ClientEvents(view or view_of(SESSION), names).read(json.dumps(event)))


def asked(names: Names, **event: Any) -> pb.ConverseRequest:
    """The one message that an event is."""
    [request] = read(names, event)
    assert isinstance(request, pb.ConverseRequest)
    return request


def change(names: Names, **session: Any) -> pb.Session:
    return asked(names, type="session.update", session=session).session


def refusal(names: Names, **event: Any) -> EventRefused:
    with pytest.raises(EventRefused) as refused:
        read(names, event)
    return refused.value


def test_each_message_of_the_contract_is_an_event() -> None:
    messages = {field.name for field in pb.ConverseResponse.DESCRIPTOR.fields}
    assert messages == set(TOLD) | set(ledge_events.WRITERS)
    assert not set(server_events.PLAIN) & set(ledge_events.WRITERS)


@pytest.mark.parametrize("kind", TOLD)
def test_an_event_is_as_openai_s_types_have_it(names: Names, kind: str) -> None:
    events = list(server(names).write(pb.ConverseResponse(**{kind: TOLD[kind]})))
    assert events
    for event in events:
        read_back = OPENAI.validate_json(json.dumps(event))
        assert read_back.type == event["type"]
        assert not read_back.model_extra, "a field that OpenAI has no name for"


def test_events_have_ids_of_their_own(names: Names) -> None:
    writer = server(names)
    events = [next(writer.write(pb.ConverseResponse(audio_cleared=pb.AudioCleared()))) for _ in range(3)]
    assert len({event["event_id"] for event in events}) == 3


def test_a_session_is_told_with_everything_that_can_be_set(names: Names) -> None:
    [event] = server(names).write(pb.ConverseResponse(session_created=TOLD["session_created"]))
    session = event["session"]
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 300,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    }
    assert session["audio"]["output"] == {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "rms", "speed": 1.2}
    assert session["tools"] == [
        {"type": "function", "name": "open_gate", "description": "", "parameters": {"type": "object"}}
    ]
    assert session["tool_choice"] == {"type": "function", "name": "open_gate"}
    assert session["ledge"] == {"collections": ["mills"], "effort": "balanced", "language": "en", "partials": True}
    assert (session["id"], session["model"], session["max_output_tokens"]) == ("sess_1", "ledge-rag", 100)


def test_what_a_session_tells_can_be_sent_back(names: Names) -> None:
    """Clients read a session, change a field, and send all of it."""
    [event] = server(names).write(pb.ConverseResponse(session_created=TOLD["session_created"]))
    view = view_of(SESSION)
    body = SessionBody.model_validate(event["session"])
    again = body.change(view, names)
    again.model = SESSION.model
    assert again == SESSION


def test_a_transcription_session_has_no_output(names: Names) -> None:
    state = pb.SessionState(id="sess_2", session=pb.Session(kind=pb.Session.TRANSCRIPTION))
    [event] = server(names).write(pb.ConverseResponse(session_created=state))
    assert event["session"]["type"] == "transcription"
    assert set(event["session"]["audio"]) == {"input"}
    assert OPENAI.validate_json(json.dumps(event)).session.type == "transcription"


def test_a_response_tells_why_it_ended_and_what_it_took(names: Names) -> None:
    [event] = server(names).write(pb.ConverseResponse(response_done=RESPONSE))
    response = event["response"]
    assert (response["status"], response["status_details"]["reason"]) == ("cancelled", "turn_detected")
    assert (response["usage"]["total_tokens"], response["usage"]["input_token_details"]["cached_tokens"]) == (27, 5)
    assert response["metadata"] == {"topic": "pumps"}
    assert response["audio"]["output"]["voice"] == "slt"
    assert response["ledge"] == {
        "degraded": ["reranking"], "translated_from": None, "input_audio_ms": 900, "output_audio_ms": 400,
    }  # fmt: skip
    [event] = server(names).write(pb.ConverseResponse(response_done=FAILED))
    assert event["response"]["status_details"]["error"]["message"] == "rag cannot be reached"
    assert event["response"]["conversation_id"] is None


def test_the_deltas_of_a_transcript_make_the_transcript(names: Names) -> None:
    writer = server(names)
    events: list[dict[str, Any]] = []
    for text, stable in (("how tell", 3), ("how tall is", 8), ("how tall is the", 8), ("how tall is the pump", 15)):
        partial = pb.TranscriptPartial(item_id="item_1", text=text, stable_characters=stable)
        events += writer.write(pb.ConverseResponse(transcript_partial=partial))
    completed = pb.TranscriptCompleted(item_id="item_1", text="how tall is the pump house")
    events += writer.write(pb.ConverseResponse(transcript_completed=completed))
    assert "".join(event.get("delta", "") for event in events) == "how tall is the pump house"
    assert events[-1]["transcript"] == "how tall is the pump house"


def test_a_delta_is_never_taken_back(names: Names) -> None:
    """Where the transcript turns out to be another after all, `completed` alone tells it."""
    writer = server(names)
    partial = pb.TranscriptPartial(item_id="item_1", text="how tell", stable_characters=8)
    first = list(writer.write(pb.ConverseResponse(transcript_partial=partial)))
    completed = pb.TranscriptCompleted(item_id="item_1", text="how tall")
    last = list(writer.write(pb.ConverseResponse(transcript_completed=completed)))
    assert [event["delta"] for event in first] == ["how tell"]
    assert [event["type"].rpartition(".")[2] for event in last] == ["completed"]


OWN: dict[str, Any] = {
    "state_changed": pb.StateChanged(state=pb.SPEAKING, previous=pb.GENERATING),
    "playback_control": pb.PlaybackControl(action=pb.PlaybackControl.DUCK, item_id="item_2"),
    "citation": pb.Citation(
        response_id="resp_1",
        item_id="item_2",
        citation=rag_pb2.Citation(
            number=1,
            passage=rag_pb2.Passage(id="p", collection="default", document="handbook.md", headings=["a", "b"]),
            start=0,
            end=33,
        ),
    ),
    "timings": pb.Timings(
        response_id="resp_1", endpoint_ms=200, first_audio_ms=400.12, steps=[rag_pb2.Step(name="retrieve")]
    ),
    "verdict": pb.Verdict(
        response_id="resp_1", item_id="item_2", verdict=rag_pb2.Verdict(kind=rag_pb2.Verdict.ANSWERED, confidence=0.5)
    ),
}


@pytest.mark.parametrize("kind", OWN)
def test_ledge_s_own_events_are_for_those_who_asked(names: Names, kind: str) -> None:
    message = pb.ConverseResponse(**{kind: OWN[kind]})
    assert not list(server(names).write(message))
    [event] = server(names, ledge=True).write(message)
    assert event["type"].startswith("ledge.")
    json.dumps(event, allow_nan=False)


def test_ledge_s_own_events_say_what_the_documentation_says(names: Names) -> None:
    def own(kind: str) -> dict[str, Any]:
        [event] = server(names, ledge=True).write(pb.ConverseResponse(**{kind: OWN[kind]}))
        return event

    assert (own("state_changed")["state"], own("state_changed")["previous"]) == ("speaking", "generating")
    assert (own("playback_control")["action"], own("playback_control")["item_id"]) == ("duck", "item_2")
    [citation] = own("citation")["citations"]
    assert (citation["number"], citation["document"], citation["heading"]) == (1, "handbook.md", "a > b")
    assert (citation["page"], citation["start"], citation["end"]) == (None, 0, 33)
    timings = own("timings")
    assert (timings["endpoint_ms"], timings["first_audio_ms"], timings["done_ms"]) == (200.0, 400.1, None)
    verdict = own("verdict")
    assert (verdict["kind"], verdict["confidence"], verdict["start"]) == ("answered", 0.5, None)


def test_silence_is_told_when_no_more_audio_can_follow(names: Names) -> None:
    view = view_of(SESSION)
    writer = ServerEvents(view, names, 0)
    list(writer.write(pb.ConverseResponse(response_created=TOLD["response_created"])))
    beside = pb.ResponseState(id="resp_beside", out_of_band=True)
    list(writer.write(pb.ConverseResponse(response_created=beside)))
    [request] = read(names, {"type": "output_audio_buffer.clear"}, view)
    assert request.HasField("clear_output")
    events = list(writer.write(pb.ConverseResponse(output_cleared=pb.OutputCleared())))
    assert [(event["type"], event["response_id"]) for event in events] == [("output_audio_buffer.cleared", "resp_1")]


def test_a_session_is_changed_field_by_field(names: Names) -> None:
    changed = change(
        names,
        type="realtime",
        model="gpt-realtime",
        output_modalities=["text"],
        instructions="Be kind.",
        max_output_tokens="inf",
        tools=[],
        tool_choice="required",
        audio={
            "input": {
                "format": {"type": "audio/pcmu"},
                "transcription": {"model": "whisper-1", "language": "es", "prompt": "pumps", "keywords": ["gate"]},
                "noise_reduction": {"type": "near_field"},
                "turn_detection": {"type": "semantic_vad", "eagerness": "high", "interrupt_response": False},
            },
            "output": {"format": {"type": "audio/pcma"}, "voice": "nova"},
        },
        tracing="auto",
        truncation="auto",
    )
    assert not changed.HasField("model"), "the same as it is"
    assert (changed.speak, changed.instructions, changed.max_output_tokens) == (False, "Be kind.", 0)
    assert {"speak", "max_output_tokens", "tools"} <= {field.name for field, _ in changed.ListFields()}
    assert changed.tool_choice.mode == pb.ToolChoice.REQUIRED
    assert (changed.input_format.encoding, changed.input_format.sample_rate_hz) == (audio_pb2.MULAW, 8000)
    assert (changed.transcription.model, list(changed.transcription.hotwords)) == ("", ["gate"])
    assert changed.language == "es"
    detection = changed.turn_detection
    assert (detection.kind, detection.eagerness) == (pb.TurnDetection.SEMANTIC, pb.TurnDetection.HIGH)
    assert (detection.HasField("interrupt_response"), detection.interrupt_response) == (True, False)
    assert not detection.HasField("create_response")
    assert (changed.speaking.encoding, changed.speaking.voice) == (audio_pb2.ALAW, "slt")


def test_no_turn_detection_is_push_to_talk(names: Names) -> None:
    assert change(names, audio={"input": {"turn_detection": None}}).turn_detection.kind == pb.TurnDetection.MANUAL
    assert not change(names, audio={"input": {}}).HasField("turn_detection")


def test_a_change_of_one_field_keeps_those_beside_it(names: Names) -> None:
    view = view_of(SESSION)
    [slower] = read(names, {"type": "session.update", "session": {"audio": {"output": {"speed": 0.5}}}}, view)
    assert (slower.session.speaking.voice, slower.session.speaking.rate) == ("rms", 0.5)
    [other] = read(names, {"type": "session.update", "session": {"audio": {"output": {"voice": "nova"}}}}, view)
    assert (other.session.speaking.voice, other.session.speaking.rate) == ("slt", 0.5)
    [quiet] = read(names, {"type": "session.update", "session": {"ledge": {"partials": False}}}, view)
    assert (quiet.session.transcription.model, quiet.session.transcription.partials) == ("pocketsphinx", False)
    [effort] = read(names, {"type": "session.update", "session": {"ledge": {"effort": "thorough"}}}, view)
    assert list(effort.session.documents.collections) == ["mills"]


def test_a_change_that_was_refused_is_not_sent_again(names: Names) -> None:
    view = view_of(SESSION)
    read(names, {"type": "session.update", "session": {"audio": {"output": {"voice": "nobody"}}}}, view)
    list(ServerEvents(view, names, 0).write(pb.ConverseResponse(error=TOLD["error"])))
    [slower] = read(names, {"type": "session.update", "session": {"audio": {"output": {"speed": 0.5}}}}, view)
    assert slower.session.speaking.voice == "rms"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("session.turn_detection.threshold", "session.audio.input.turn_detection.threshold"),
        ("session.transcription.hotwords", "session.audio.input.transcription.keywords"),
        ("session.documents.collections", "session.ledge.collections"),
        ("session.speaking.rate", "session.audio.output.speed"),
        ("session.instructions", "session.instructions"),
        ("item.call_id", "item.call_id"),
        ("", None),
    ],
)
def test_a_field_that_the_service_refuses_goes_by_openai_s_name(names: Names, ours: str, theirs: str | None) -> None:
    [event] = server(names).write(pb.ConverseResponse(error=pb.Error(message="no", param=ours)))
    assert event["error"]["param"] == theirs


def test_models_go_by_their_aliases(names: Names) -> None:
    assert change(names, model="talker").model == "smollm2"
    assert change(names, model="somebody-else").model == "somebody-else"
    assert not change(names, model="ledge-rag").HasField("model")


def test_audio_comes_in_pieces_that_the_contract_takes(names: Names) -> None:
    audio = bytes(range(256)) * 8192
    event = {"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()}
    requests = read(names, event)
    assert len(requests) == 8
    assert b"".join(request.audio for request in requests) == audio


def test_events_without_fields_are_passed_on_with_their_id(names: Names) -> None:
    assert asked(names, type="input_audio_buffer.commit", event_id="a").WhichOneof("event") == "commit_audio"
    assert asked(names, type="input_audio_buffer.clear").WhichOneof("event") == "clear_audio"
    assert asked(names, type="response.cancel").cancel_response.response_id == ""
    assert asked(names, type="response.cancel", response_id="r", event_id="mine").event_id == "mine"


@pytest.mark.parametrize(
    ("content", "role"),
    [
        ({"type": "input_text", "text": "How tall?"}, "user"),
        ({"type": "input_text", "text": "Be kind."}, "system"),
        ({"type": "output_text", "text": "12 metres."}, "assistant"),
        ({"type": "output_audio", "transcript": "12 metres."}, "assistant"),
        ({"type": "input_audio", "transcript": "how tall"}, "user"),
    ],
)
def test_a_message_comes_back_as_it_was_written(names: Names, content: dict[str, str], role: str) -> None:
    item = {"id": "mine", "type": "message", "role": role, "content": [content]}
    created = asked(names, type="conversation.item.create", previous_item_id="root", item=item).create_item
    assert created.previous_item_id == "root"
    [event] = server(names).write(pb.ConverseResponse(item_retrieved=created.item))
    assert event["item"]["content"] == [content]
    assert (event["item"]["id"], event["item"]["role"]) == ("mine", role)


def test_audio_may_be_part_of_an_item(names: Names) -> None:
    content = {"type": "input_audio", "audio": base64.b64encode(b"\1\0" * 8).decode()}
    item = {"type": "message", "role": "user", "content": [content]}
    created = asked(names, type="conversation.item.create", item=item).create_item
    assert not created.HasField("previous_item_id")
    assert created.item.message.content[0].audio == b"\1\0" * 8


def test_a_call_of_a_function_and_its_output_are_items(names: Names) -> None:
    call = {"type": "function_call", "name": "open_gate", "call_id": "c", "arguments": "{}"}
    assert asked(names, type="conversation.item.create", item=call).create_item.item.function_call.name == "open_gate"
    output = {"type": "function_call_output", "call_id": "c", "output": "open"}
    made = asked(names, type="conversation.item.create", item=output).create_item.item
    assert (made.function_call_output.call_id, made.function_call_output.output) == ("c", "open")


def test_items_are_deleted_retrieved_and_cut_short(names: Names) -> None:
    assert asked(names, type="conversation.item.delete", item_id="i").delete_item.item_id == "i"
    assert asked(names, type="conversation.item.retrieve", item_id="i").retrieve_item.item_id == "i"
    cut = asked(names, type="conversation.item.truncate", item_id="i", content_index=0, audio_end_ms=700)
    assert cut.truncate_item.audio_end_ms == 700


def test_a_response_may_differ_from_its_session(names: Names) -> None:
    plain = asked(names, type="response.create").create_response
    assert plain == pb.CreateResponse()
    told = asked(
        names,
        type="response.create",
        response={
            "conversation": "none",
            "output_modalities": ["text"],
            "instructions": "One word.",
            "max_output_tokens": 5,
            "metadata": {"topic": "gates"},
            "audio": {"output": {"voice": {"id": "nova"}, "format": {"type": "audio/pcm", "rate": 24000}}},
            "tools": [{"type": "function", "name": "open_gate", "parameters": {"type": "object"}}],
            "tool_choice": {"type": "function", "name": "open_gate"},
            "input": [
                {"type": "item_reference", "id": "item_1"},
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "and now?"}]},
            ],
        },
    ).create_response
    assert (told.out_of_band, told.has_input, told.HasField("speak"), told.speak) == (True, True, True, False)
    assert (told.voice, told.max_output_tokens, dict(told.metadata)) == ("slt", 5, {"topic": "gates"})
    assert (told.input[0].id, told.input[0].WhichOneof("kind")) == ("item_1", None)
    assert told.input[1].message.content[0].text == "and now?"
    assert json.loads(told.tools.tools[0].parameters_json_schema) == {"type": "object"}
    assert asked(names, type="response.create", response={"input": []}).create_response.has_input


def test_a_player_tells_how_much_was_heard(names: Names) -> None:
    played = asked(names, type="ledge.playback", item_id="i", played_ms=340, ended=True).playback
    assert (played.item_id, played.played_ms, played.ended) == ("i", 340, True)


@pytest.mark.parametrize(
    ("event", "param"),
    [
        ({"type": "session.update"}, "session"),
        ({"type": "session.update", "session": {"audio": {"output": {"speed": 9}}}}, "session.audio.output.speed"),
        ({"type": "session.update", "session": {"audio": {"input": {"format": {"type": "audio/ogg"}}}}},
         "session.audio.input.format.type"),
        ({"type": "session.update", "session": {"prompt": {"id": "pmpt_1"}}}, "session"),
        ({"type": "session.update", "session": {"voice": "alloy"}}, "session"),
        ({"type": "session.update", "session": {"truncation": "disabled"}}, "session"),
        ({"type": "session.update", "session": {"tools": [{"type": "mcp", "server_label": "x"}]}},
         "session.tools.0.type"),
        ({"type": "session.update", "session": {"ledge": {"effort": "heroic"}}}, "session.ledge.effort"),
        ({"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": [
            {"type": "input_image", "image_url": "data:"}]}}, "item.content.0.type"),
        ({"type": "conversation.item.create", "item": {"type": "message", "role": "assistant", "content": [
            {"type": "input_text", "text": "x"}]}}, "item"),
        ({"type": "conversation.item.create", "item": {"type": "mcp_approval_response"}}, "item.type"),
        ({"type": "conversation.item.delete"}, "item_id"),
        ({"type": "conversation.item.truncate", "item_id": "i", "content_index": 0, "audio_end_ms": -1},
         "audio_end_ms"),
        ({"type": "response.create", "response": {"audio": {"output": {"format": {"type": "audio/pcmu"}}}}},
         "response.audio.output.format"),
        ({"type": "response.create", "response": {"input": [{"type": "item_reference"}]}}, "response.input.0.id"),
        ({"type": "input_audio_buffer.append"}, "audio"),
        ({"type": "input_audio_buffer.append", "audio": "no base64!"}, "audio"),
        ({"type": "transcription_session.update", "session": {}}, "type"),
        ({"type": "response.cancel", "event_id": "x" * 513}, "event_id"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_by_the_field_that_is_wrong(names: Names, event: dict[str, Any], param: str) -> None:
    assert refusal(names, **event).param == param


def test_what_is_no_json_is_told_as_such(names: Names) -> None:
    events = ClientEvents(SessionView(), names)
    for text in ("", "{", "[]", '{"type": 7}', '{"type": "response.create", "x": NaN}', '"\\ud800"', "[" * 10_000):
        with pytest.raises(EventRefused):
            list(events.read(text))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
KINDS = (
    "session.update", "input_audio_buffer.append", "input_audio_buffer.commit", "input_audio_buffer.clear",
    "output_audio_buffer.clear", "conversation.item.create", "conversation.item.delete", "conversation.item.retrieve",
    "conversation.item.truncate", "response.create", "response.cancel", "ledge.playback",
)  # fmt: skip
FIELDS = ("session", "item", "response", "audio", "item_id", "event_id", "content_index", "audio_end_ms", "played_ms")


@settings(max_examples=200, deadline=None)
@given(kind=st.sampled_from(KINDS), fields=st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_whatever_is_sent_is_read_or_refused(kind: str, fields: dict[str, Any]) -> None:
    with contextlib.suppress(EventRefused):
        assert all(read(Names({}, {}), {**fields, "type": kind}))
