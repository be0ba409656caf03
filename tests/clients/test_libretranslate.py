"""LibreTranslate's clients, unchanged, in a process of their own, against apertium as it is."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.gateway.suite import Suite, gateway_and_translation
from tests.translation.conftest import need_apertium


@pytest.fixture(scope="module")
def translating(clients_python: str) -> Iterator[Suite]:
    need_apertium()
    with gateway_and_translation() as running:
        yield running


def test_what_is_asked_is_translated(translating: Suite, run: Callable[[Suite, str], Any]) -> None:
    told = run(translating, "libretranslate_clients.py")
    assert told["translated"].startswith("Buenos días, {name}. ")
    assert told["translated"].endswith(" https://example.org/a?b=c")
    assert told["back"] == "Good morning"
    assert told["detected"][0]["language"] == "en"
    assert 50 < told["detected"][0]["confidence"] <= 100
    assert {"code": "es", "name": "Spanish", "targets": ["en", "en-US"]} in told["languages"]
    assert told["deep"] == "Buenos días"
    assert told["several"] == ["Buenos días", "La casa"]
    assert [status for status, _ in told["errors"]] == [400, 403, 403]
    assert all(list(body) == ["error"] and body["error"] for _, body in told["errors"])
