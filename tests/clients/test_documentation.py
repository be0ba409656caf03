"""Every snippet of docs/clients.md, run as it stands but for the address and the key."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import TIMEOUT_S
from tests.gateway.suite import KEY, Suite

PAGE = (Path(__file__).parent.parent.parent / "docs" / "clients.md").read_text()
SNIPPETS = re.findall(r"^```(python|sh)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SAID = [
    ("client.chat.completions.create", "1 handbook.md The pump house is 12 metres tall."),
    ("response_format=Place", "a place: name="),
    ("client.responses.stream", "12 metres tall. [1]\nhandbook.md"),
    ("client.completions.create", "numbers: 64"),
    ("client.audio.speech", "heard: please open the window"),
    ("client.realtime.connect", "[1] is from handbook.md\nThe pump house is 12 metres tall. [1]"),
    ("ChatNVIDIA(", "Three pumps stand there."),
    ("NVIDIARAGRetriever(", "handbook.md The pump house is 12 metres tall."),
    ("cohere.ClientV2(", "Three pumps stand there.\n0 0.0 The gate opens in spring."),
    ("/rerank -H", '"text":"Three pumps stand there."'),
    ("server/generate", '"successful":["mills"]'),
    ("streamable_http_client(", "12 metres tall. [1]"),
]
"""A part of each snippet, in the page's order, and what it prints."""
SERVERS = {
    "NVIDIARAGRetriever(": "open_suite",
    "client.audio.speech": "speech_suite",
    "client.realtime.connect": "talking",
}
"""Those that need another suite."""


def test_every_snippet_is_known() -> None:
    assert len(SNIPPETS) == len(SAID)
    for (_, code), (part, _) in zip(SNIPPETS, SAID, strict=True):
        assert part in code


@pytest.mark.parametrize("number", range(len(SAID)), ids=[part for part, _ in SAID])
def test_a_snippet_runs_as_it_stands(clients_python: str, request: pytest.FixtureRequest, number: int) -> None:
    language, code = SNIPPETS[number]
    part, said = SAID[number]
    server: Suite = request.getfixturevalue(SERVERS.get(part, "suite"))
    code = code.replace("http://127.0.0.1:8000", server.url)
    code = code.replace('api_key="none"', f'api_key="{KEY}"').replace('"api_key": "none"', f'"api_key": "{KEY}"')
    code = code.replace("Bearer none", f"Bearer {KEY}")
    command = [clients_python, "-I", "-c", code] if language == "python" else ["bash", "-euc", code]
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
