"""OpenAI's SDK in a process of its own, by its Realtime client, against flite, pocketsphinx, and a handbook."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.gateway.suite import Suite

TALL = "The pump house is 12 metres tall"
HEARD = "how tall is the pump house"
LIFECYCLE = [
    "response.created",
    "response.output_item.added",
    "response.content_part.added",
    "response.content_part.done",
    "response.output_item.done",
    "response.done",
]
"""What each response tells, in this order, whatever stands between."""
Talk = Callable[[Suite, str], Any]


@pytest.fixture(scope="module")
def told(talk: Talk, talking: Suite) -> Any:
    """What OpenAI's SDK was told; it checks each event against its own types."""
    return talk(talking, "openai_realtime.py")


def in_order(types: list[str], wanted: list[str]) -> bool:
    rest = iter(types)
    return all(kind in rest for kind in wanted)


def test_text_is_answered_from_the_documents(told: Any) -> None:
    for turn in (told["text"], told["synchronous"]):
        assert TALL in turn["text"]
        assert turn["status"] == "completed"
        assert in_order(turn["types"], ["conversation.item.added", "conversation.item.done", *LIFECYCLE])
        assert turn["types"].count("response.created") == turn["types"].count("response.done") == 1
        assert turn["audio_s"] == 0
    assert told["text"]["session"] == "ledge-rag"


def test_speech_is_heard_and_answered_in_speech(told: Any) -> None:
    turn = told["speech"]
    assert turn["heard"] == [HEARD]
    assert TALL in turn["said"]
    assert turn["audio_s"] > 1
    spoken = [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        *LIFECYCLE[:3],
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        *LIFECYCLE[3:],
    ]
    assert in_order(turn["types"], spoken)


def test_what_was_not_heard_of_an_answer_is_forgotten(told: Any) -> None:
    kept, said = told["speech"]["kept"], told["speech"]["said"]
    assert said.startswith(kept)
    assert len(kept) < len(said) / 2


def test_push_to_talk_is_answered_when_asked_to(told: Any) -> None:
    turn = told["push_to_talk"]
    assert TALL in turn["said"]
    assert turn["status"] == "completed"
    assert "input_audio_buffer.speech_started" not in turn["types"]


def test_functions_are_called_and_their_outputs_read(told: Any) -> None:
    turn = told["function"]
    assert (turn["name"], turn["arguments"]) == ("weather", {"city": "Oslo"})
    assert in_order(turn["types"], ["response.function_call_arguments.done", "response.done"])
    assert turn["after"]["text"]


def test_a_response_is_cancelled_and_the_next_one_comes(told: Any) -> None:
    turn = told["cancel"]
    assert (turn["status"], turn["reason"]) == ("cancelled", "client_cancelled")
    assert turn["types"].count("response.done") == 1
    assert turn["next"]["text"] == "You said: hi"


def test_a_transcription_session_only_hears(told: Any) -> None:
    turn = told["transcription"]
    assert turn["session"] == "transcription"
    assert turn["heard"] == [HEARD]
    assert "response.created" not in turn["types"]


def test_a_client_secret_opens_a_session_and_nothing_else(told: Any) -> None:
    turn = told["secret"]
    assert (turn["text"], turn["model"], turn["elsewhere"]) == ("You said: hi", "scripted", 401)
