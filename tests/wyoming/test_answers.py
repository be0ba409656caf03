"""Questions that Home Assistant hands over are answered from the documents."""

from wyoming.asr import Transcript
from wyoming.handle import Handled, NotHandled
from wyoming.info import Describe, Info

from services.wyoming.answering import WithoutMarks
from tests.gateway.suite import TALL
from tests.processes import ServiceProcess
from tests.wyoming.asking import read_until, send, types
from tests.wyoming.conftest import client_of


async def test_an_answer_streams_in_the_protocols_order_without_marks(answering_door: ServiceProcess) -> None:
    context = {"conversation_id": "01J"}
    async with client_of(answering_door) as client:
        await send(client, Transcript(TALL, language="en", context=context))
        events = await read_until(client, "handled-stop")
    assert types(events) == ["handled-start", "handled-chunk", "handled", "handled-stop"]
    handled = Handled.from_event(events[-2])
    assert handled.text == "The pump house is 12 metres tall."
    assert handled.context == context
    assert events[0].data["context"] == context
    assert "".join(event.data["text"] for event in events if event.type == "handled-chunk") == handled.text


async def test_what_the_documents_do_not_tell_is_not_handled(answering_door: ServiceProcess) -> None:
    async with client_of(answering_door) as client:
        await send(client, Transcript("Who won the chess championship of 1987?"))
        (event,) = await read_until(client, "not-handled")
        assert NotHandled.from_event(event).text
        # The connection goes on.
        await send(client, Transcript(TALL))
        await read_until(client, "handled-stop")


async def test_a_door_with_documents_says_that_it_answers(answering_door: ServiceProcess) -> None:
    async with client_of(answering_door) as client:
        await send(client, Describe())
        told = Info.from_event((await read_until(client, "info"))[-1])
    (handler,) = told.handle
    assert handler.supports_handled_streaming
    assert handler.installed
    assert not handler.supports_home_control


def test_marks_are_left_out_wherever_the_pieces_are_cut() -> None:
    text = "It is tall [1], built [2][13]. A[b] holds [ three [3]."
    for size in range(1, len(text)):
        without = WithoutMarks()
        pieces = [without.add(text[start : start + size]) for start in range(0, len(text), size)]
        assert "".join(pieces) + without.finish() == "It is tall, built. A[b] holds [ three."


def test_a_held_back_bracket_that_is_no_mark_is_told() -> None:
    without = WithoutMarks()
    assert without.add("see [") + without.add("12") + without.add("a]") + without.finish() == "see [12a]"
    assert without.add("see [12") + without.finish() == "see [12"
