"""Asking the model how long its answer will be: what is read of it, and what is made of no answer."""

from pathlib import Path

import grpc
import pytest
from ledge.llm.v1 import llm_pb2_grpc as rpc

from services.cli.bench.length_asked import WAYS, Asked, ask, number_of, row
from tests.processes import service

SCRIPT = """
rules:
  - when: "^a poem"
    say: "About 1,200 tokens.\\nRoses are 7 colours"
  - when: "^a word"
    say: "3"
  - when: ".*"
    say: "I would rather not."
"""


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("42", 42),
        (" about 1,024 tokens\n7", 1024),
        ("\n\n12\nwords", 12),
        ("none", None),
        ("", None),
        ("soon\n9", None),
    ],
)
def test_the_number_is_the_first_of_the_first_line(text: str, number: int | None) -> None:
    assert number_of(text) == number


async def test_a_service_is_asked_and_read(tmp_path: Path) -> None:
    script = tmp_path / "script.yaml"
    script.write_text(SCRIPT)
    with service("llm", LEDGE_ENGINE="scripted", LEDGE_SCRIPT_FILE=str(script)) as llm:
        async with grpc.aio.insecure_channel(llm.address) as channel:
            asked = await ask(rpc.LlmServiceStub(channel), WAYS[0], ["a poem", "a word", "a riddle"])
    assert asked.guesses == [1200, 3, None]
    assert asked.mean_ms > 0


def test_a_guess_in_order_correlates_and_none_says_nothing() -> None:
    lengths = [10, 20, 30, 40]
    assert row("x", Asked(WAYS[0], [1, 2, 3, 4], 1.0), lengths, 0.5).value == pytest.approx(1.0)
    assert row("x", Asked(WAYS[0], [4, 3, 2, 1], 1.0), lengths, 0.5).value == pytest.approx(-1.0)
    silent = row("x", Asked(WAYS[0], [None] * 4, 1.0), lengths, 0.5)
    assert silent.value == 0
    assert "0% told a number" in silent.note
