"""The planner's page in a browser: no model behind it, only the gateway."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.gateway.suite import GATEWAY, NO_PEERS
from tests.page.browser import PICTURES, chromium
from tests.processes import service

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")


@pytest.fixture(scope="module")
def page(playwright: Any) -> Iterator[Any]:
    settings: dict[str, Any] = {key: value for key, value in {**GATEWAY, **NO_PEERS}.items() if "KEY" not in key}
    assert CHROMIUM is not None
    with service("gateway", **settings) as gateway, chromium(playwright, CHROMIUM) as browser:
        opened = browser.new_page(viewport={"width": 1000, "height": 1200})
        complaints: list[str] = []
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.goto(f"http://{gateway.address}/plan")
        opened.wait_for_selector("#found:not([hidden])")
        yield opened
        assert complaints == []


def test_the_curve_rises_to_the_right_and_what_was_asked_stands_out(page: Any) -> None:
    placed = "all => all.map(one => [+one.getAttribute('cx'), +one.getAttribute('cy')])"
    places = page.eval_on_selector_all("circle.point", placed)
    assert len(places) > 10
    assert [x for x, _ in places] == sorted(x for x, _ in places)
    assert [y for _, y in places] == sorted((y for _, y in places), reverse=True)
    assert page.locator("circle.asked").count() == 1
    assert page.locator("tr.asked td").first.inner_text() == "200"
    assert "Up to 213 users" in page.locator("#verdict").inner_text()
    assert "LEDGE_SLOTS: '213'" in page.locator("#values").inner_text()
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / "plan.png", full_page=True)


def test_another_machine_draws_another_curve_and_the_address_keeps_what_was_asked(page: Any) -> None:
    page.select_option("[name=platform]", "n150")
    page.wait_for_selector("#memory:has-text('0.48')")
    assert "binds" in page.locator("#verdict").inner_text()
    assert "platform=n150" in page.url
    page.reload()
    page.wait_for_selector("#memory:has-text('0.48')")
    assert page.input_value("[name=platform]") == "n150"


def test_what_cannot_be_planned_is_said_on_the_page(page: Any) -> None:
    page.select_option("[name=model]", "llama-3.1-405b")
    page.wait_for_selector("#trouble:not([hidden])")
    assert "fewer bits" in page.locator("#trouble").inner_text()
    page.select_option("[name=model]", "llama-3.2-1b")
    page.wait_for_selector("#found:not([hidden])")
    assert not page.locator("#trouble").is_visible()
