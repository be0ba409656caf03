"""What the gateway serves as its page: files that need nothing from elsewhere, under rules that hold it to that."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services.gateway.routes.page import FILES
from tests.gateway.suite import GATEWAY, NO_PEERS, closing_all, start

NAMES = sorted(path.name for path in FILES.iterdir())
TEXTS = {path.name: path.read_text() for path in FILES.iterdir()}


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    """A gateway that wants keys, and somebody who has none."""
    gateway = start("gateway", **{**GATEWAY, **NO_PEERS})
    with closing_all(gateway):
        address = gateway.wait_ready().address
        with httpx.Client(base_url=f"http://{address}", timeout=20) as client:
            yield client


def test_the_page_is_served_to_whoever_asks_and_its_data_is_not(http: httpx.Client) -> None:
    page = http.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert '<button id="talk"' in page.text
    assert http.head("/").status_code == 200
    assert http.get("/v1/collections").status_code == 401


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_served_under_the_page_rules(http: httpx.Client, name: str) -> None:
    response = http.get(f"/page/{name}")
    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    kind = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
    assert response.headers["content-type"].partition(";")[0] == kind[Path(name).suffix]


def test_what_has_not_changed_is_not_sent_again(http: httpx.Client) -> None:
    first = http.get("/page/main.js")
    assert first.headers["cache-control"] == "no-cache"
    again = http.get("/page/main.js", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", "%2e%2e/config.py", "/etc/passwd", ".", "nothing.js"])
def test_nothing_else_is_served(http: httpx.Client, name: str) -> None:
    assert http.get(f"/page/{name}").status_code in (401, 404)


@pytest.mark.parametrize("name", NAMES)
def test_no_file_names_another_host(name: str) -> None:
    without_namespaces = TEXTS[name].replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"(https?|wss?):?//\w|@import|url\(", without_namespaces)


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith((".js", ".html"))])
def test_no_text_becomes_markup(name: str) -> None:
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function| style=", TEXTS[name]
    )


def test_every_import_is_of_a_file_that_is_there() -> None:
    for text in TEXTS.values():
        for name in re.findall(r'(?:from|import\() ?"\./([\w.]+)"', text):
            assert name in NAMES


def words(language: str) -> dict[str, str]:
    return dict(re.findall(r'^  "([\w-]+)": "(.*)",$', TEXTS[f"words.{language}.js"], re.MULTILINE))


def test_every_word_is_there_in_every_language() -> None:
    english = words("en")
    for name in NAMES:
        if language := re.fullmatch(r"words\.(\w+)\.js", name):
            other = words(language[1])
            assert list(other) == list(english), f"{name} has other words"
            for key, sentence in other.items():
                assert set(re.findall(r"{\w+}", sentence)) == set(re.findall(r"{\w+}", english[key])), f"{name}: {key}"


def test_every_word_that_the_page_says_is_in_the_list() -> None:
    asked = set(re.findall(r'data-(?:text|label|placeholder)="([\w-]+)"', TEXTS["index.html"]))
    for text in TEXTS.values():
        asked |= set(re.findall(r'translated\("([\w-]+)"', text))
    assert asked - set(words("en")) == set()


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".js")])
def test_a_file_begins_with_what_it_promises_and_stays_small(name: str) -> None:
    lines = TEXTS[name].splitlines()
    assert len(lines) < 320
    assert lines[0].startswith("// ") or name.startswith("words.")
    assert max(map(len, lines)) <= 120 or name.startswith("words.")


def luminance(colour: str) -> float:
    """As WCAG 2 defines it."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_word_can_be_read(scheme: int) -> None:
    pairs = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", TEXTS["paper.css"] + TEXTS["style.css"])
    colours = {name: both[scheme] for name, *both in pairs}
    states = ("idle", "listening", "thinking", "speaking", "interrupted", "away", "danger")
    for name in ("ink", "quiet", *states):
        for ground in ("paper", "card", "tint"):
            if (name, ground) != ("away", "tint"):  # which are never together
                assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
    for name in states:
        assert contrast(colours["on-accent"], colours[name]) >= 4.5, name
    assert contrast(colours["ink"], colours["marked"]) >= 4.5
