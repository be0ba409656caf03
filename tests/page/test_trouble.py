"""What a person sees when something breaks, and that the next question is answered."""

import re

import psutil
import pytest

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
    visitor.expect_that("JSON.parse(sessionStorage['ledge-conversation']).at(-1).heard !== null")
    sent: list[str] = []
    visitor.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(str(frame))))
    visitor.page.reload()
    visitor.expect_state("idle")
    visitor.ask("And for controllers?")
    visitor.expect_answer("nine months")
    retold = [frame for frame in sent if "conversation.item.create" in frame]
    assert QUESTION in retold[0]
    assert not any("two weeks" in frame for frame in retold)


@pytest.mark.parametrize("loses", ["instruments.sockets.at(-1).close()", "location.reload()"])
def test_an_answer_that_was_cut_by_a_lost_connection_counts_as_far_as_it_was_heard(
    visitor: Visitor, loses: str
) -> None:
    sent: list[str] = []
    visitor.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(str(frame))))
    visitor.ask(QUESTION)
    visitor.expect_state("speaking")
    visitor.expect_answer("two weeks")
    visitor.expect_that("JSON.stringify(sessionStorage).includes('two weeks')")
    visitor.page.evaluate(loses)
    expect(visitor.answer()).to_have_class(re.compile("broken"))
    expect(visitor.answer()).to_contain_text("two weeks")
    visitor.expect_state("idle")
    visitor.ask("And for controllers?")
    visitor.expect_answer("nine months", -1)
    retold = [frame for frame in sent if "conversation.item.create" in frame]
    assert any(QUESTION in frame for frame in retold)
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


NEVER_DONE = """() => {
  const socket = instruments.sockets.at(-1);
  const heard = socket.onmessage;
  socket.onmessage = (message) => message.data.includes("response.done") || heard(message);
}"""


def test_a_question_that_the_connection_dropped_under_stays_to_be_asked_again(visitor: Visitor) -> None:
    visitor.expected = ("ERR_INTERNET_DISCONNECTED", "WebSocket connection")
    visitor.page.evaluate(NEVER_DONE)
    visitor.ask(QUESTION)
    visitor.expect_state("speaking")
    visitor.ask(OTHER)
    visitor.page.context.set_offline(True)
    visitor.expect_state("disconnected")
    # Longer than the page waits for the end of the answer before.
    visitor.page.wait_for_timeout(3500)
    expect(visitor.find(".turn.user")).to_have_count(1)
    expect(visitor.find("#question")).to_have_value(OTHER)
    visitor.page.context.set_offline(False)
    visitor.expect_state("idle")
    visitor.find("#question").press("Enter")
    visitor.expect_answer(OTHER_ANSWER)
    expect(visitor.find(".turn.user")).to_have_count(2)
    expect(visitor.find("#question")).to_have_value("")


def test_a_service_killed_in_mid_answer_is_told_and_the_next_question_is_answered(
    visitor: Visitor, suite: Ledge
) -> None:
    visitor.expected = ("WebSocket connection", "503", "ERR_CONNECTION_REFUSED")
    broken = ".turn.broken:last-child"
    told = {"tts": ".turn:last-child", "rag": "body[data-state=error] #hint", "voice": broken, "gateway": broken}
    off = "The connection broke off here"
    words = {"tts": "not read aloud", "rag": "cannot be reached", "voice": off, "gateway": off}
    for name in told:
        # Nothing is said any more of the answer before, which would be taken for this one's.
        visitor.expect_state("idle")
        process = psutil.Process(suite.service(name)["pid"])
        if name not in ("voice", "gateway"):
            # Held until it is killed, so that it cannot have done its part by then.
            process.suspend()
        visitor.ask(QUESTION)
        visitor.expect_state("speaking" if told[name] == broken else "thinking")
        if name == "tts":
            visitor.expect_answer(ANSWER)
        process.kill()
        expect(visitor.find(told[name])).to_contain_text(words[name], timeout=ANSWER_TIMEOUT_MS)
        visitor.picture(f"killed-{name}")
        answered_again(visitor)


def test_who_is_not_heard_any_more_is_told_and_is_answered_when_they_ask_again(visitor: Visitor, suite: Ledge) -> None:
    asr = psutil.Process(suite.service("asr")["pid"])
    visitor.find("#talk").click()
    visitor.expect_state("listening")
    visitor.begin_saying(spoken(QUESTION, after_s=1))
    visitor.expect_state("hearing")
    asr.kill()
    visitor.expect_state("error")
    expect(visitor.find("#hint")).to_contain_text("cannot be reached")
    expect(visitor.find("#talk")).to_have_attribute("aria-pressed", "true")
    visitor.picture("killed-asr")
    for _ in range(20):
        # Of a question that is heard from its middle on another answer comes.
        visitor.say(spoken(OTHER, after_s=3))
        if OTHER_ANSWER in visitor.find("#turns").inner_text():
            break
    visitor.expect_answer(OTHER_ANSWER)
    visitor.expect_state("listening")


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
    expect(visitor.find("#state-name")).to_have_text("No microphone")
    expect(visitor.find("#hint")).to_contain_text("only at https addresses and at localhost")
    visitor.picture("state-deaf-http")
    expect(visitor.find("#read-aloud")).to_be_disabled()


REFUSALS = {
    "NotAllowedError": "Allow it beside the address",
    "NotFoundError": "None was found",
    "NotReadableError": "Another program may be using it",
    "OddError": "It could not be opened (odd)",
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_microphone_that_is_refused_is_told_and_writing_still_works(open_page: Open, name: str) -> None:
    visitor = open_page(own_microphone=False)
    visitor.expect_state("idle")
    refuse = f"throw new DOMException('odd', '{name}')"
    visitor.page.evaluate(f"() => {{ navigator.mediaDevices.getUserMedia = async () => {{ {refuse}; }}; }}")
    visitor.find("#talk").click()
    visitor.expect_state("error")
    expect(visitor.find("#state-name")).to_have_text("No microphone")
    expect(visitor.find("#hint")).to_contain_text(REFUSALS[name])
    expect(visitor.find("#talk")).to_have_attribute("aria-pressed", "false")
    visitor.picture(f"state-deaf-{name}")
    visitor.ask(QUESTION)
    visitor.expect_answer(ANSWER)


MICROPHONES = """() => {
  window.microphones = [];
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    microphones.push(...(await ask(wanted)).getTracks().map((track) => ({ track })));
    return new MediaStream(microphones.slice(-1).map(({ track }) => track));
  };
}"""
NO_WORKLETS = """() => {
  window.addModule = AudioWorklet.prototype.addModule;
  AudioWorklet.prototype.addModule = async () => { throw new DOMException("not loaded", "AbortError"); };
}"""
WORKLETS = "() => { AudioWorklet.prototype.addModule = addModule; }"
OPEN_MICROPHONES = "microphones.filter(({ track }) => track.readyState === 'live').length"


def test_a_microphone_that_cannot_be_listened_to_is_closed_again(visitor: Visitor) -> None:
    visitor.page.evaluate(MICROPHONES)
    visitor.page.evaluate(NO_WORKLETS)
    visitor.find("#talk").click()
    visitor.expect_state("error")
    expect(visitor.find("#hint")).to_contain_text("It could not be opened")
    assert visitor.page.evaluate("microphones.length") > 0
    assert visitor.page.evaluate(OPEN_MICROPHONES) == 0
    visitor.page.evaluate(WORKLETS)
    visitor.find("#talk").click()
    visitor.expect_state("listening")
    assert visitor.page.evaluate(OPEN_MICROPHONES) == 1
    visitor.find("#talk").click()
    visitor.expect_state("idle")
    assert visitor.page.evaluate(OPEN_MICROPHONES) == 0


def test_a_microphone_that_is_unplugged_is_told_and_another_one_works(visitor: Visitor) -> None:
    visitor.page.evaluate(MICROPHONES)
    visitor.find("#talk").click()
    visitor.expect_state("listening")
    # A track that is stopped by the page itself does not tell of its end; the device's does.
    visitor.page.evaluate("microphones.at(-1).track.dispatchEvent(new Event('ended'))")
    visitor.expect_state("error")
    expect(visitor.find("#hint")).to_contain_text("It was unplugged")
    expect(visitor.find("#talk")).to_have_attribute("aria-pressed", "false")
    assert visitor.page.evaluate(OPEN_MICROPHONES) == 0
    visitor.picture("state-unplugged")
    visitor.find("#talk").click()
    visitor.expect_state("listening")


def test_what_cannot_be_played_is_told_and_can_be_read(visitor: Visitor) -> None:
    visitor.page.evaluate(NO_WORKLETS)
    visitor.ask(QUESTION)
    visitor.expect_answer(ANSWER)
    visitor.expect_state("idle", "error")
    assert "speaking" not in visitor.states
    visitor.page.evaluate(WORKLETS)
    visitor.ask(OTHER)
    visitor.expect_state("speaking")
    visitor.expect_answer(OTHER_ANSWER, 1)
