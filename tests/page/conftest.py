"""The whole suite with its default engines, and a real browser before it. Skipped where there is none."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.ledge_command import Ledge

if TYPE_CHECKING:  # which needs what may not be installed; its tests say so by themselves
    from tests.page.browser import Visitor

CHROMIUM = shutil.which("chromium")
Open = Callable[..., "Visitor"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = next((name for name in ("chromium", "flite") if not shutil.which(name)), None)
    for item in items:
        if "/page/" in item.path.as_posix():
            item.add_marker(pytest.mark.timeout(300))
            if missing and "suite" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.skip(f"there is no {missing}: as root, `make packages packages-browser`"))


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledge]:
    """Started once, with the sample documents."""
    ledge = Ledge(tmp_path_factory.mktemp("page") / "state")
    try:
        ledge.run("up")
        yield ledge
    finally:
        ledge.close()


@pytest.fixture(scope="session")
def url(suite: Ledge) -> str:
    return f"http://127.0.0.1:{suite.environment['LEDGE_GATEWAY_PORT']}/"


@pytest.fixture(scope="session")
def playwright() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        yield running


@pytest.fixture
def open_page(playwright: Any, url: str) -> Iterator[Open]:
    """Opens the page in a browser of its own: `flags` for Chromium, everything else for the browser's context."""
    from tests.page.browser import Visitor, chromium

    assert CHROMIUM is not None
    with ExitStack() as stack:
        visitors: list[Visitor] = []

        def opened(*flags: str, at: str = url, own_microphone: bool = True, **context: Any) -> "Visitor":
            browser = stack.enter_context(chromium(playwright, CHROMIUM, *flags))
            settings = {"locale": "en-GB", "viewport": {"width": 1200, "height": 820}, **context}
            visitors.append(Visitor(browser.new_context(**settings), at, own_microphone=own_microphone))
            return visitors[-1]

        yield opened
        complaints = [line for visitor in visitors for line in visitor.unexpected()]
        assert complaints == []


@pytest.fixture
def visitor(open_page: Open) -> "Visitor":
    """Somebody who has the page open, is connected, and whose microphone the test speaks into."""
    visitor = open_page()
    visitor.expect_state("idle")
    return visitor
