"""The page by hand: by keyboard alone, in another language, and with history."""

from pathlib import Path

import pytest

from tests.page.browser import ANSWER, ANSWER_TIMEOUT_MS, OTHER, OTHER_ANSWER, QUESTION, Visitor, expect, spoken
from tests.page.conftest import Open

SPANISH = Path("/usr/share/apertium/modes/eng-spa.mode")


def test_everything_is_within_reach_of_the_keyboard(visitor: Visitor) -> None:
    keyboard = visitor.page.keyboard
    keyboard.press("Tab")
    expect(visitor.find(".skip")).to_be_focused()
    keyboard.press("Enter")
    expect(visitor.find("#question")).to_be_focused()
    keyboard.type(QUESTION)
    keyboard.press("Enter")
    visitor.expect_state("speaking")
    keyboard.press("Escape")
    visitor.expect_state("interrupted")
    visitor.expect_state("idle")
    keyboard.press("Shift+Tab")
    expect(visitor.find("#talk")).to_be_focused()
    keyboard.press("Enter")
    visitor.expect_state("listening")
    keyboard.press("Enter")
    visitor.expect_state("idle")
    keyboard.press("Shift+Tab")
    expect(visitor.find(".source").last).to_be_focused()
    visitor.picture("focus")
    keyboard.press("Enter")
    expect(visitor.find("#passage")).to_be_visible()
    keyboard.press("Escape")
    expect(visitor.find("#passage")).to_be_hidden()
    expect(visitor.find(".source").last).to_be_focused()


def test_the_space_bar_is_the_button_where_nothing_is_written(visitor: Visitor) -> None:
    visitor.find("h1").click()
    visitor.page.keyboard.down("Space")
    visitor.expect_state("listening")
    visitor.page.wait_for_timeout(500)
    visitor.say(spoken(OTHER))
    visitor.page.keyboard.up("Space")
    visitor.expect_answer(OTHER_ANSWER)


def test_every_control_has_a_name_and_a_size_that_a_finger_can_hit(visitor: Visitor) -> None:
    for opener in ("#open-documents", "#open-settings"):
        visitor.find(opener).click()
        for control in visitor.find("dialog[open] :is(button, input, select):visible").all():
            assert control.evaluate("(one) => one.ariaLabel || one.labels?.[0]?.textContent || one.textContent").strip()
        visitor.page.keyboard.press("Escape")
    for button in visitor.find("body > header button:visible, body > footer button:visible").all():
        assert button.evaluate("(one) => one.ariaLabel || one.textContent").strip()
        box = button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 40
    expect(visitor.find("#state")).to_have_role("status")
    visitor.ask(QUESTION)
    visitor.expect_answer(ANSWER)
    # What is shown while it is written is replaced once it is whole.
    visitor.expect_state("idle")
    expect(visitor.find(".cite").first).to_be_visible()
    for source in visitor.find(":is(.cite, .source):visible").all():
        box = source.bounding_box()
        assert box is not None
        # What WCAG asks of what stands in a line of text.
        assert round(min(box["width"], box["height"]), 2) >= 24


def test_turns_are_items_of_a_list_in_a_log(visitor: Visitor) -> None:
    visitor.ask(QUESTION)
    visitor.expect_answer(ANSWER)
    log = visitor.page.get_by_role("log")
    expect(log.get_by_role("list").first.get_by_role("listitem")).to_have_count(2)


ANNOUNCED = """() => {
  window.announced = [];
  const look = (changes) => changes.forEach(({ addedNodes }) => announced.push(...addedNodes));
  new MutationObserver(look).observe(document.querySelector("#announcer"), { childList: true, characterData: true });
}"""
ENDS = """async () => {
  const { Announcer } = await import("/page/announcer.js");
  const { Conversation } = await import("/page/conversation.js");
  const conversation = new Conversation();
  new Announcer(conversation, { readsAloud: false });
  const begin = (response_id, id) => {
    conversation.apply({ type: "response.output_item.added", response_id, item: { id, type: "message" } });
    conversation.apply({ type: "response.output_text.delta", item_id: id, delta: `half of ${id}` });
  };
  const done = (id, status) => conversation.apply({ type: "response.done", response: { id, status } });
  begin("r1", "i1");
  done("r1", "cancelled");
  begin("r2", "i2");
  conversation.breakOff();
  begin("r3", "i3");
  done("r3", "completed");
  conversation.apply({ type: "ledge.citations", item_id: "i3", citations: [] });
}"""


def test_every_answer_that_is_not_read_aloud_is_announced_once_though_its_words_be_those_of_the_last(
    visitor: Visitor,
) -> None:
    visitor.find("#open-settings").click()
    visitor.find("#read-aloud").uncheck()
    visitor.page.keyboard.press("Escape")
    visitor.page.evaluate(ANNOUNCED)
    for number in range(2):
        visitor.ask("Who painted the ceiling of the Sistine Chapel?")
        expect(visitor.answer(number)).to_have_class("turn assistant done", timeout=ANSWER_TIMEOUT_MS)
    expect(visitor.find("#announcer p")).to_have_count(1)
    first, second = visitor.page.evaluate("announced.map((one) => one.textContent)")
    assert first
    assert first == second


def test_answers_that_were_cut_short_are_announced_as_such(visitor: Visitor) -> None:
    visitor.page.evaluate(ANNOUNCED)
    visitor.page.evaluate(ENDS)
    assert visitor.page.evaluate("announced.map((one) => one.textContent)") == [
        "half of i1 interrupted",
        "half of i2 The connection broke off here.",
        "half of i3",
    ]


def test_on_the_narrowest_phone_nothing_is_beside_the_screen(open_page: Open) -> None:
    """320 px: what WCAG asks of reflow."""
    visitor = open_page(viewport={"width": 320, "height": 640})
    visitor.expect_state("idle")
    visitor.ask(QUESTION)
    visitor.expect_answer(ANSWER)
    assert visitor.page.evaluate("document.documentElement.scrollWidth") == 320


def test_a_follow_up_is_understood_and_a_new_conversation_knows_nothing(visitor: Visitor, tmp_path: Path) -> None:
    for button in ("#new", "#download"):
        expect(visitor.find(button)).to_be_hidden()
    visitor.ask(QUESTION)
    visitor.expect_answer(ANSWER, 0)
    visitor.ask("And for controllers?")
    visitor.expect_answer("nine months", 1)
    with visitor.page.expect_download() as download:
        visitor.find("#download").click()
    text = Path(download.value.path()).read_text()
    assert text.startswith(f"You: {QUESTION}")
    assert "[1] staff-handbook.docx" in text
    visitor.find("#new").click()
    expect(visitor.find(".turn")).to_have_count(0)
    expect(visitor.find("#welcome")).to_be_visible()
    visitor.expect_state("idle")
    visitor.ask(OTHER)
    visitor.expect_answer(OTHER_ANSWER, 0)


def test_the_page_speaks_the_language_of_the_browser(open_page: Open) -> None:
    visitor = open_page(locale="es-ES")
    visitor.expect_state("idle")
    expect(visitor.find("html")).to_have_attribute("lang", "es")
    expect(visitor.find("#state-name")).to_have_text("Listo")
    visitor.picture("spanish")


def test_a_voice_that_is_there_no_more_is_not_asked_for(open_page: Open) -> None:
    visitor = open_page()
    visitor.expect_state("idle")
    visitor.page.evaluate("localStorage['ledge-settings'] = JSON.stringify({ voice: 'gone', language: 'xx' })")
    visitor.page.reload()
    visitor.expect_state("idle")
    visitor.expect_that("document.querySelectorAll('#voice option').length > 1")
    visitor.ask(QUESTION)
    visitor.expect_state("speaking")


@pytest.mark.skipif(not SPANISH.is_file(), reason="apertium-eng-spa is not installed: as root, `make packages`")
def test_a_question_in_another_language_is_answered_in_it(visitor: Visitor) -> None:
    visitor.find("#open-settings").click()
    visitor.find("#language").select_option("es", timeout=ANSWER_TIMEOUT_MS)
    visitor.picture("settings")
    visitor.page.keyboard.press("Escape")
    visitor.ask("¿Cuánto tiempo dura el periodo de prueba?")
    visitor.expect_answer("seis meses")
    expect(visitor.answer()).to_contain_text("translated from English", timeout=ANSWER_TIMEOUT_MS)
    expect(visitor.answer()).to_contain_text("there is no voice of this language")
    visitor.picture("answered-in-spanish")


@pytest.mark.parametrize("text", ["<img src=x onerror=alert(1)>", "[1] 🙂 \u202eabc", "a" * 4000])
def test_what_is_written_stays_text(visitor: Visitor, text: str) -> None:
    visitor.ask(text)
    expect(visitor.find(".turn.user .said")).to_contain_text(text)
    assert visitor.find("#turns img").count() == 0
