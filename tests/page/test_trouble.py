"""What a person sees when something breaks, and that the next question is answered."""

import psutil

from tests.ledge_command import Ledge
from tests.page.browser import ANSWER, ANSWER_TIMEOUT_MS, OTHER, OTHER_ANSWER, QUESTION, Visitor, expect, spoken
from tests.page.conftest import Open


def test_a_reload_in_mid_answer_keeps_the_conversation(visitor: Visitor) -> None:
    visitor.ask(QUESTION)
    visitor.expect_state("speaking")
    visitor.page.reload()
    visitor.expect_state("idle")
    expect(visitor.find(".turn.user .said")).to_contain_text(QUESTION)
    visitor.ask("And for controllers?")
    visitor.expect_answer("nine months", -1)


def test_after_a_reload_an_answer_that_was_interrupted_counts_as_far_as_it_was_heard(visitor: Visitor) -> None:
    visitor.ask(QUESTION)
    visitor.expect_state("speaking")
    visitor.expect_answer("two weeks")
    visitor.find("#interrupt").click()
    expect(visitor.answer()).to_contain_text("interrupted")
    visitor.page.wait_for_function("JSON.parse(sessionStorage['ledge-conversation']).at(-1).heard !== null")
    sent: list[str] = []
    visitor.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(str(frame))))
    visitor.page.reload()
    visitor.expect_state("idle")
    visitor.ask("And for controllers?")
    visitor.expect_answer("nine months")
    retold = [frame for frame in sent if "conversation.item.create" in frame]
    assert QUESTION in retold[0]
    assert not any("two weeks" in frame for frame in retold)


def test_a_dropped_socket_is_told_and_comes_back(visitor: Visitor) -> None:
    visitor.ask(QUESTION)
    visitor.expect_state("speaking")
    visitor.page.evaluate("instruments.sockets.at(-1).close()")
    visitor.expect_state("disconnected")
    visitor.expect_state("idle")
    visitor.ask("And for controllers?")
    visitor.expect_answer("nine months", -1)
    assert visitor.page.evaluate("instruments.sockets.length") == 2


def test_no_network_is_told_in_words_and_listening_goes_on_when_it_is_back(visitor: Visitor) -> None:
    visitor.expected = ("ERR_INTERNET_DISCONNECTED", "WebSocket connection")
    visitor.find("#talk").click()
    visitor.expect_state("listening")
    visitor.page.context.set_offline(True)
    visitor.expect_state("disconnected")
    expect(visitor.find("#hint")).to_contain_text("Trying again")
    visitor.picture("state-disconnected")
    visitor.page.context.set_offline(False)
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
    """Asks until the services are back: an answer without a voice, or a refusal, is told; nothing hangs."""
    settled = ".turn.assistant:last-child:is(.done, .failed, .broken)"
    for _ in range(30):
        visitor.expect_state("idle", "speaking", "error", timeout_ms=60_000)
        visitor.ask(OTHER)
        expect(visitor.find(f"{settled}, body[data-state=error], body[data-state=disconnected]").first).to_be_attached(
            timeout=ANSWER_TIMEOUT_MS
        )
        last = visitor.find(".turn").last.inner_text()
        if OTHER_ANSWER in last and "to the first sound" in last:
            return
        visitor.page.wait_for_timeout(500)
    raise AssertionError("the suite never answered again")


def test_by_plain_http_from_elsewhere_everything_can_be_written_and_read(url: str, open_page: Open) -> None:
    """Browsers give such a page neither a microphone nor the means to play."""
    elsewhere = url.replace("127.0.0.1", "ledge.test")
    visitor = open_page("--host-resolver-rules=MAP ledge.test 127.0.0.1", at=elsewhere, own_microphone=False)
    visitor.expected = ("Cross-Origin-Opener-Policy",)
    visitor.expect_state("idle")
    visitor.ask(QUESTION)
    visitor.expect_answer(ANSWER)
    expect(visitor.answer()).to_contain_text("to the first words")
    visitor.expect_state("idle")
    assert "error" not in visitor.states
    visitor.find("#talk").click()
    expect(visitor.find("#hint")).to_contain_text("https")
    expect(visitor.find("#read-aloud")).to_be_disabled()


def test_a_refused_microphone_is_told_and_writing_still_works(open_page: Open) -> None:
    visitor = open_page(own_microphone=False)
    visitor.expect_state("idle")
    refuse = "throw new DOMException('', 'NotAllowedError')"
    visitor.page.evaluate(f"() => {{ navigator.mediaDevices.getUserMedia = async () => {{ {refuse}; }}; }}")
    visitor.find("#talk").click()
    visitor.expect_state("error")
    expect(visitor.find("#hint")).to_contain_text("not allowed to use the microphone")
    visitor.picture("state-error")
    visitor.ask(QUESTION)
    visitor.expect_answer(ANSWER)
