"""`/translate`, `/detect`, `/languages`: in the shapes that LibreTranslate's clients read."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.gateway.suite import KEY, Suite

TEXT = {"q": "open the window", "source": "en", "target": "es"}


@pytest.fixture
async def door(suite: Suite) -> AsyncIterator[httpx.AsyncClient]:
    """Shows no key in a header."""
    async with httpx.AsyncClient(base_url=suite.url, timeout=30) as client:
        yield client


async def test_a_text_comes_as_json_as_a_form_or_in_the_address(door: httpx.AsyncClient) -> None:
    fields = {**TEXT, "api_key": KEY}
    answers = [
        await door.post("/translate", json=fields),
        await door.post("/translate", data=fields),
        await door.post("/translate", files={name: (None, value) for name, value in fields.items()}),
        await door.post("/translate", params=fields),
    ]
    assert [answer.json() for answer in answers] == [{"translatedText": "abre la ventana"}] * 4


async def test_the_key_may_come_in_the_header(door: httpx.AsyncClient) -> None:
    answer = await door.post("/translate", json=TEXT, headers={"authorization": f"Bearer {KEY}"})
    assert answer.json() == {"translatedText": "abre la ventana"}


async def test_several_texts_have_several_answers(door: httpx.AsyncClient) -> None:
    fields = {**TEXT, "q": ["one", "", "two three"], "alternatives": 2, "api_key": KEY}
    answer = (await door.post("/translate", json=fields)).json()
    assert answer == {"translatedText": ["uno", "", "dos tres"], "alternatives": [[], [], []]}


async def test_the_language_is_detected(door: httpx.AsyncClient) -> None:
    fields = {"q": "Please open the window.", "source": "auto", "target": "es", "api_key": KEY}
    answer = (await door.post("/translate", json=fields)).json()
    assert answer["translatedText"] == "Please abre la ventana."
    assert answer["detectedLanguage"]["language"] == "en"
    assert 50 < answer["detectedLanguage"]["confidence"] <= 100
    several = (await door.post("/translate", json={**fields, "q": [fields["q"], "12"]})).json()
    assert several["detectedLanguage"] == [answer["detectedLanguage"], {"confidence": 0.0, "language": ""}]


async def test_html_stays_html(door: httpx.AsyncClient) -> None:
    text = '<p title="one &quot;two&quot;">open the &#119;indow &amp; <b>one</b> &lt; two</p>'
    answer = await door.post("/translate", json={**TEXT, "q": text, "format": "html", "api_key": KEY})
    expected = '<p title="one &quot;two&quot;">abre la ventana &amp; <b>uno</b> &lt; dos</p>'
    assert answer.json()["translatedText"] == expected


async def test_detection_and_languages(door: httpx.AsyncClient) -> None:
    detected = (await door.post("/detect", json={"q": "¿Dónde está la estación?", "api_key": KEY})).json()
    assert detected[0]["language"] == "es"
    assert (await door.post("/detect", json={"q": "12", "api_key": KEY})).json() == []
    assert (await door.get("/languages", params={"api_key": KEY})).json() == [
        {"code": "en", "name": "English", "targets": ["es"]},
        {"code": "es", "name": "Spanish", "targets": ["en"]},
    ]


async def test_pages_are_told_what_they_ask_first(door: httpx.AsyncClient) -> None:
    settings = (await door.get("/frontend/settings")).json()
    assert settings["keyRequired"] is True
    assert settings["language"]["target"] == {"code": "es", "name": "Spanish"}


@pytest.mark.parametrize(
    ("fields", "status", "says"),
    [
        ({"source": "en", "target": "es", "api_key": KEY}, 400, "missing q parameter"),
        ({"q": "a", "target": "es", "api_key": KEY}, 400, "missing source parameter"),
        ({**TEXT, "target": "tlh", "api_key": KEY}, 400, "no model has en-tlh"),
        ({**TEXT, "q": {"a": 1}, "api_key": KEY}, 400, "q: "),
        ({**TEXT, "q": "a" * 20_001, "api_key": KEY}, 400, "20001 characters"),
        ({**TEXT, "q": ["a"] * 257, "api_key": KEY}, 400, "q: "),
        ({**TEXT, "format": "pdf", "api_key": KEY}, 400, "format: "),
        (TEXT, 403, "api_key"),
        ({**TEXT, "api_key": "wrong"}, 403, "api_key"),
        ({**TEXT, "api_key": [KEY]}, 403, "api_key"),
    ],
)
async def test_what_cannot_be_done_is_one_sentence(
    door: httpx.AsyncClient, fields: dict[str, Any], status: int, says: str
) -> None:
    answer = await door.post("/translate", json=fields)
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"]
    assert says in answer.json()["error"]


@pytest.mark.parametrize("body", [b"[1]", b"{", b'"q"', b"[" * 100_000])
async def test_a_body_that_is_no_object_is_refused(door: httpx.AsyncClient, body: bytes) -> None:
    answer = await door.post("/translate", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]


async def test_a_page_of_another_origin_cannot_send_a_form(door: httpx.AsyncClient) -> None:
    headers = {"origin": "https://elsewhere.example"}
    answer = await door.post("/translate", data={**TEXT, "api_key": KEY}, headers=headers)
    assert answer.status_code == 403


async def test_a_suite_without_translation_says_so(strict: Suite) -> None:
    async with strict.http() as client:
        answer = await client.post("/translate", json=TEXT)
    assert answer.status_code == 404
    assert "LEDGE_TRANSLATION_ADDRESS" in answer.json()["error"]
