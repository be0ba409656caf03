"""Pictures of the page in every state, light, dark and as wide as a phone, for people to look at: build/page/*.png."""

from typing import Any

import pytest

from tests.page.browser import ANSWER, ANSWER_TIMEOUT_MS, OTHER, OTHER_ANSWER, QUESTION, expect, spoken
from tests.page.conftest import Open

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 780}, "device_scale_factor": 2},
    "phone-dark": {"color_scheme": "dark", "viewport": {"width": 360, "height": 640}, "device_scale_factor": 2},
    "still": {"reduced_motion": "reduce", "forced_colors": "active"},
}


@pytest.mark.parametrize("look", LOOKS)
def test_every_state_looks_as_it_should(open_page: Open, look: str) -> None:
    visitor = open_page(**LOOKS[look])
    visitor.expected = ("ERR_INTERNET_DISCONNECTED", "WebSocket connection")
    visitor.expect_state("idle")
    visitor.picture(f"{look}-1-idle")
    visitor.find("#talk").click()
    visitor.expect_state("listening")
    visitor.picture(f"{look}-2-listening")
    visitor.begin_saying(spoken(QUESTION))
    visitor.expect_state("hearing")
    expect(visitor.find(".turn.user .said")).to_contain_text("probation", timeout=ANSWER_TIMEOUT_MS)
    assert visitor.page.evaluate("instruments.loudest") > 20
    visitor.picture(f"{look}-3-hearing")
    visitor.expect_state("speaking")
    visitor.expect_answer(ANSWER)
    visitor.picture(f"{look}-4-speaking")
    visitor.ask(OTHER)
    visitor.expect_answer(OTHER_ANSWER, 1)
    visitor.expect_state("speaking")
    visitor.page.keyboard.press("Escape")
    visitor.expect_state("interrupted")
    visitor.picture(f"{look}-5-interrupted")
    visitor.expect_state("listening")
    visitor.find(".cite").first.click()
    visitor.picture(f"{look}-6-passage")
    visitor.page.keyboard.press("Escape")
    visitor.find("#open-documents").click()
    expect(visitor.find("#document-list li")).to_have_count(14)
    visitor.picture(f"{look}-7-documents")
    visitor.page.keyboard.press("Escape")
    visitor.find("#open-settings").click()
    visitor.picture(f"{look}-8-settings")
    visitor.page.keyboard.press("Escape")
    visitor.page.context.set_offline(True)
    visitor.expect_state("disconnected")
    visitor.picture(f"{look}-9-disconnected")
    width = visitor.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0, "something is wider than the page"
