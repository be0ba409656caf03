"""The whole way: a question spoken into the browser's microphone, answered from the documents, played and heard."""

import json
from pathlib import Path

import httpx
import numpy as np

from tests.page.browser import (
    ANSWER,
    ANSWER_TIMEOUT_MS,
    AUDIBLE,
    OTHER,
    OTHER_ANSWER,
    PICTURES,
    QUESTION,
    Visitor,
    expect,
    spoken,
)
from tests.page.conftest import Open

SILENT_MS = 1500
"""Tests run beside others; the bench `voice` measures it."""
LAST_WORD = "side"
"""Of the spoken answer: "… on either side"."""


def heard_again(url: str, recording: bytes) -> str:
    """What the suite's own recogniser hears in a recording."""
    file = {"file": ("played.wav", recording)}
    response = httpx.post(f"{url}v1/audio/transcriptions", files=file, data={"model": ""}, timeout=60)
    return str(response.raise_for_status().json()["text"])


def test_a_question_asked_by_microphone_is_answered_aloud_with_its_sources(
    open_page: Open, url: str, tmp_path: Path
) -> None:
    question = tmp_path / "question.wav"
    question.write_bytes(spoken(QUESTION, before_s=1.5, after_s=60))
    # %noloop: the question is asked once; the file begins to play when the page opens the microphone.
    visitor = open_page(f"--use-file-for-fake-audio-capture={question}%noloop", own_microphone=False)
    visitor.expect_state("idle")
    visitor.find("#talk").click()
    visitor.expect_state("listening", "hearing")
    visitor.expect_state("speaking")
    visitor.picture("asked-by-microphone")
    visitor.expect_answer(ANSWER)
    expect(visitor.find(".turn.user .said").first).to_contain_text("probation period")
    visitor.expect_state("listening")
    states = visitor.states
    assert [state for state in states if state in ("hearing", "speaking")][:2] == ["hearing", "speaking"], states
    assert "error" not in states
    assert ANSWER.split()[0] in heard_again(url, visitor.recording()).lower()

    timings = visitor.answer(0).locator(".timings")
    expect(timings).to_contain_text("to the first sound")
    stages = timings.locator(".bar i").evaluate_all("(all) => all.map((share) => share.dataset.stage)")
    assert "first_sound_ms" in stages
    assert len(stages) >= 3

    visitor.answer(0).locator(".cite").first.click()
    passage = visitor.find("#passage")
    expect(passage).to_be_visible()
    expect(passage.locator("h2")).to_contain_text("staff-handbook.docx")
    expect(passage.locator("#passage-place")).to_contain_text("Probation")
    evidence = passage.locator("mark").inner_text()
    assert ANSWER in evidence
    assert evidence in passage.locator("#passage-text").inner_text()
    visitor.picture("passage")
    visitor.page.keyboard.press("Escape")
    expect(passage).to_be_hidden()

    visitor.find("#talk").click()
    visitor.expect_state("idle")


def test_speaking_into_an_answer_stops_it_and_is_answered(visitor: Visitor) -> None:
    visitor.find("#talk").click()
    visitor.expect_state("listening")
    _, asked_ms = visitor.say(spoken(QUESTION, after_s=0.2))
    visitor.expect_state("speaking")
    visitor.page.wait_for_timeout(300)
    interrupted_ms, _ = visitor.say(spoken(OTHER))
    visitor.expect_answer(OTHER_ANSWER)
    assert "interrupted" in visitor.states
    expect(visitor.answer(0)).to_have_class("turn assistant interrupted")
    expect(visitor.answer(0).locator(".note")).to_have_text("interrupted")
    visitor.picture("interrupted-by-voice")
    visitor.expect_state("listening")
    sounds_ms = visitor.sounds()
    first_ms = sounds_ms[sounds_ms > asked_ms][0]
    # The next answer begins after a pause in which the question was still being asked.
    pause = np.flatnonzero(np.diff(sounds_ms) > 500)
    last_ms = next(ms for ms in sounds_ms[pause] if ms > interrupted_ms)
    assert last_ms < sounds_ms[-1]
    told = {"end_of_speech_to_sound_ms": first_ms - asked_ms, "speech_to_silence_ms": last_ms - interrupted_ms}
    (PICTURES / "timings.json").write_text(json.dumps({name: round(ms) for name, ms in told.items()}))
    assert 0 < told["speech_to_silence_ms"] < SILENT_MS


def test_where_speaking_is_not_to_interrupt_the_answer_is_heard_whole_and_the_next_one_after_it(
    visitor: Visitor, url: str
) -> None:
    visitor.find("#open-settings").click()
    visitor.find("#barge-in").uncheck()
    visitor.page.keyboard.press("Escape")
    visitor.find("#talk").click()
    visitor.expect_state("listening")
    visitor.ask(QUESTION)
    visitor.expect_state("speaking")
    expect(visitor.find("#hint")).to_have_text("Esc or the square stops it")
    visitor.page.wait_for_timeout(300)
    visitor.say(spoken(OTHER))
    visitor.expect_answer(OTHER_ANSWER, 1)
    expect(visitor.answer(1)).to_contain_text("to the first sound", timeout=ANSWER_TIMEOUT_MS)
    visitor.expect_state("listening")
    assert "interrupted" not in visitor.states
    expect(visitor.answer(0)).to_have_class("turn assistant done")
    heard = heard_again(url, visitor.recording())
    assert ANSWER.split()[0] in heard
    assert LAST_WORD in heard
    assert heard.index(LAST_WORD) < heard.index(OTHER_ANSWER.split()[0])


def test_a_word_of_assent_stops_nothing_for_good(visitor: Visitor, url: str) -> None:
    visitor.find("#talk").click()
    visitor.expect_state("listening")
    visitor.ask(QUESTION)
    visitor.expect_state("speaking")
    visitor.page.wait_for_timeout(1500)
    visitor.say(spoken("okay", before_s=0))
    visitor.expect_that("instruments.controls[0] === 'duck' && instruments.controls.at(-1) === 'resume'")
    expect(visitor.answer(0)).to_have_class("turn assistant done", timeout=ANSWER_TIMEOUT_MS)
    visitor.expect_state("listening")
    expect(visitor.find(".turn.user")).to_have_count(1)
    heard = heard_again(url, visitor.recording())
    assert ANSWER.split()[0] in heard
    assert LAST_WORD in heard


def test_the_interrupt_button_makes_silence_at_once(visitor: Visitor) -> None:
    visitor.ask(QUESTION)
    visitor.expect_state("speaking")
    visitor.page.wait_for_timeout(800)
    visitor.find("#interrupt").click()
    visitor.expect_state("interrupted")
    visitor.picture("state-interrupted")
    before = len(visitor.loudness())
    visitor.page.wait_for_timeout(600)
    after = visitor.loudness()
    assert len(after) > before + 10
    assert after[before + 5 :].max() < AUDIBLE
    assert after.max() > 0.05
    # What was heard of the answer stands apart from what was not.
    unheard = visitor.answer().locator(".unheard")
    expect(unheard).to_contain_text(LAST_WORD)
    whole = visitor.answer().locator(".said").inner_text()
    assert 0 < len(unheard.inner_text()) < len(whole)
    visitor.expect_state("idle")
    visitor.ask(OTHER)
    visitor.expect_answer(OTHER_ANSWER)


def test_an_answer_that_was_stopped_is_not_told_to_have_been_heard_to_its_end(visitor: Visitor) -> None:
    sent: list[str] = []
    visitor.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(str(frame))))
    visitor.page.reload()
    visitor.expect_state("idle")
    for ends_by_itself in (False, True):
        sent.clear()
        visitor.ask(QUESTION)
        visitor.expect_state("speaking")
        if not ends_by_itself:
            visitor.find("#interrupt").click()
            visitor.expect_state("interrupted")
        visitor.expect_state("idle")
        told = [event for event in map(json.loads, sent) if event["type"] == "ledge.playback"]
        assert told
        assert any(event["ended"] for event in told) == ends_by_itself


def test_holding_the_button_is_a_turn(visitor: Visitor) -> None:
    button = visitor.find("#talk")
    button.hover()
    visitor.page.mouse.down()
    visitor.page.wait_for_timeout(500)
    visitor.expect_state("listening")
    visitor.say(spoken(OTHER))
    visitor.picture("state-held")
    visitor.page.mouse.up()
    visitor.expect_answer(OTHER_ANSWER)
    expect(button).to_have_attribute("aria-pressed", "false")


def test_a_turn_that_is_held_does_not_end_in_a_pause_and_listening_goes_on_after_it(visitor: Visitor) -> None:
    button = visitor.find("#talk")
    button.click()
    visitor.expect_state("listening")
    button.hover()
    visitor.page.mouse.down()
    expect(visitor.find("#hint")).to_have_text("Let go when you are done")
    visitor.say(spoken("How long must the control room", after_s=2))
    visitor.say(spoken("keep its log books?", before_s=0))
    expect(visitor.find(".turn.assistant")).to_have_count(0)
    visitor.page.mouse.up()
    visitor.expect_answer(OTHER_ANSWER)
    visitor.expect_state("listening")
    visitor.say(spoken(QUESTION, after_s=0.2))
    visitor.expect_answer(ANSWER)


def test_a_muted_microphone_asks_nothing(visitor: Visitor) -> None:
    visitor.find("#talk").click()
    visitor.expect_state("listening")
    visitor.find("#mute").click()
    expect(visitor.find("#hint")).to_contain_text("muted")
    visitor.say(spoken(QUESTION, after_s=1.5))
    expect(visitor.find(".turn")).to_have_count(0)
    visitor.find("#mute").click()
    visitor.say(spoken(OTHER))
    visitor.expect_answer(OTHER_ANSWER)


def test_nothing_is_played_where_answers_are_not_read_aloud(visitor: Visitor) -> None:
    visitor.find("#open-settings").click()
    visitor.find("#read-aloud").uncheck()
    visitor.page.keyboard.press("Escape")
    visitor.ask(QUESTION)
    visitor.expect_answer(ANSWER)
    expect(visitor.answer().locator(".timings")).to_contain_text("to the first words")
    expect(visitor.find("#announcer")).to_contain_text(ANSWER)
    assert np.sum(visitor.loudness()) == 0
