"""What the page shows before gateways that want a key, have no voice, or cannot reach it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from services.cli.local.config import LocalRunConfig
from tests.ledge_command import Ledge
from tests.page.browser import ANSWER, QUESTION, expect
from tests.page.conftest import Open
from tests.processes import service

KEY = "sk/ada+1="
"""With characters that no header of a WebSocket may hold."""


@contextmanager
def gateway(suite: Ledge, **settings: str) -> Iterator[str]:
    """Another gateway before the same services; its address."""
    run = LocalRunConfig(port_base=int(suite.environment["LEDGE_PORT_BASE"]))
    names = ("llm", "embedding", "reranking", "rag", "asr", "tts", "translation", "voice")
    addresses = {f"LEDGE_{name.upper()}_ADDRESS": run.address(name) for name in names}
    with service("gateway", **{**addresses, **settings}) as process:
        yield f"http://{process.address}/"


def test_a_key_is_asked_for_and_kept_for_the_tab(suite: Ledge, open_page: Open) -> None:
    with gateway(suite, LEDGE_API_KEYS=f"ada={KEY}") as address:
        visitor = open_page(at=address)
        visitor.expected = ("401",)
        prompt = visitor.find("#key")
        expect(prompt).to_be_visible()
        visitor.picture("key")
        prompt.get_by_label("API key").fill("sk-wrong")
        prompt.get_by_label("API key").press("Enter")
        expect(prompt.get_by_role("alert")).to_have_text("That key is not known here.")
        prompt.get_by_label("API key").fill(KEY)
        with visitor.page.expect_request("**/v1/realtime/client_secrets") as exchange:
            prompt.get_by_label("API key").press("Enter")
        assert json.loads(exchange.value.post_data or "{}")["expires_after"] == {"anchor": "created_at", "seconds": 60}
        visitor.expect_state("idle")
        visitor.ask(QUESTION)
        visitor.expect_answer(ANSWER)
        visitor.page.reload()
        visitor.expect_state("idle")
        expect(prompt).to_be_hidden()
        assert KEY not in visitor.page.content()
        assert visitor.page.evaluate("Object.keys(localStorage).every((name) => !localStorage[name].includes('ada'))")


@pytest.mark.parametrize(
    ("voice", "words"), [("", "This suite has no voice service"), ("127.0.0.1:1", "The connection was lost")]
)
def test_a_voice_that_is_not_there_is_told(suite: Ledge, open_page: Open, voice: str, words: str) -> None:
    with gateway(suite, LEDGE_VOICE_ADDRESS=voice) as address:
        visitor = open_page(at=address)
        visitor.expected = ("WebSocket connection", "503", "404")
        visitor.expect_state("disconnected")
        expect(visitor.find("#hint")).to_contain_text(words)
        expect(visitor.find("#try-now")).to_be_visible()
        visitor.find("#open-documents").click()
        expect(visitor.find("#document-list li")).not_to_have_count(0)
        visitor.picture(f"no-voice-{'set' if voice else 'unset'}")
