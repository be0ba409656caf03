"""What a person sees when something breaks, and that the next question is answered."""

import psutil
from playwright.sync_api import expect

from tests.ledge_command import Ledge
from tests.page.browser import ANSWER, OTHER, OTHER_ANSWER, QUESTION, Visitor, spoken
from tests.page.conftest import Open


def test_a_reload_in_mid_answer_keeps_the_conversation(visitor: Visitor) -> None:
    visitor.ask(QUESTION)
    visitor.expect_state("speaking")
    visitor.page.reload()
    visitor.expect_state("idle")
    expect(visitor.find(".turn.user .said")).to_contain_text(QUESTION)
    visitor.ask("And for controllers?")
    visitor.expect_answer("nine months", -1)


def test_a_dropped_socket_is_told_and_comes_back(visitor: Visitor) -> None:
    visitor.ask(QUESTION)
    visitor.expect_state("speaking")
    visitor.page.evaluate("instruments.sockets.at(-1).close()")
    visitor.expect_state("disconnected")
    visitor.expect_state("idle")
    visitor.ask("And for controllers?")
    visitor.expect_answer("nine months", -1)
    assert len(visitor.page.evaluate("instruments.sockets.length.toString()")) == 1


def test_no_network_is_told_in_words_and_listening_goes_on_when_it_is_back(visitor: Visitor) -> None:
    visitor.expected = ("ERR_INTERNET_DISCONNECTED", "WebSocket connection")
    visitor.find("#talk").click()
    visitor.expect_state("listening")
    visitor.page.context.set_offline(True)
    visitor.page.evaluate("instruments.sockets.at(-1).close()")
    visitor.expect_state("disconnected")
    expect(visitor.find("#hint")).to_contain_text("Trying again")
    visitor.picture("state-disconnected")
    visitor.page.context.set_offline(False)
    visitor.find("#try-now").click()
    visitor.expect_state("listening")
    visitor.say(spoken(OTHER))
    visitor.expect_answer(OTHER_ANSWER)


def killed(suite: Ledge, name: str) -> None:
    psutil.Process(suite.service(name)["pid"]).kill()


def test_a_service_killed_in_mid_answer_is_told_and_the_next_question_is_answered(
    visitor: Visitor, suite: Ledge
) -> None:
    visitor.expected = ("WebSocket connection", "503")
    for name in ("tts", "rag", "voice"):
        visitor.ask(QUESTION)
        visitor.expect_state("speaking")
        killed(suite, name)
        visitor.expect_state("idle", "error", "disconnected")
        visitor.picture(f"killed-{name}")
        answered_again(visitor)


def answered_again(visitor: Visitor) -> None:
    """Asks until the service is back; each refusal is told, none of them hangs."""
    for _ in range(30):
        visitor.expect_state("idle", "error", timeout_ms=60_000)
        visitor.ask(OTHER)
        visitor.expect_state("speaking", "error", "disconnected")
        if "speaking" in visitor.states[-2:]:
            visitor.expect_answer(OTHER_ANSWER)
            visitor.page.keyboard.press("Escape")
            visitor.expect_state("idle")
            return
        visitor.page.wait_for_timeout(500)
    raise AssertionError("the suite never answered again")


def test_a_refused_microphone_is_told_and_writing_still_works(open_page: Open) -> None:
    visitor = open_page(own_microphone=False)
    visitor.expect_state("idle")
    visitor.page.evaluate(
        "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', 'NotAllowedError'); }"
    )
    visitor.find("#talk").click()
    visitor.expect_state("error")
    expect(visitor.find("#hint")).to_contain_text("not allowed to use the microphone")
    visitor.picture("state-error")
    visitor.ask(QUESTION)
    visitor.expect_answer(ANSWER)
