"""The agent's moves beyond `fast`, over real processes, with a model that decides as its script says."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ledge.rag.v1 import rag_pb2 as pb
from ledge.rag.v1 import rag_pb2_grpc

from services.kit.client import open_channel
from tests.processes import ServiceProcess, service
from tests.rag.answer_client import Answered, Suite, ask
from tests.rag.ingest_client import File, ingest

if TYPE_CHECKING:
    from ledge.rag.v1.rag_pb2_grpc import RagServiceAsyncStub as Rag

# The message that each decision is asked by has a form of its own; compose alone numbers its notes.
SCRIPT = r"""
rules:
  - when: "(?s)Last question: .*sum up"
    say: '{"route": "conversation"}'
  - when: "(?s)valve (V\\d+) stand.*</conversation>.*Last question: And in which shade"
    say: '{"question": "Which shade is valve \1 painted in?"}'
  - when: "(?s)</conversation>.*Last question: And who leads it"
    say_one_of: ['{"question": "Who leads the laboratory?"}']
  - when: "(?s)<conversation>.*\nQuestion: .*sum up"
    say: "The laboratory is led by Marta Ashby. It was founded in 1666."
  - when: "Question to take apart: .*tall.*when was it built"
    say: '{"questions": ["How tall is the pump house?", "When was the pump house built?"]}'
  - when: "Question to rewrite: .*the spoofels"
    say: '{"question": "Which gloves are worn with acid?"}'
  - when: "(?s)<notes>\n\\([^\n]*gloves.*Question: .*the spoofels"
    say: '{"answered": true}'
  - when: "(?s)<notes>\n\\(.*Question: .*the spoofels"
    say: '{"answered": false}'
  - when: "(?s)Sentence: .*as tall as a church"
    say: '{"supported": false}'
  - when: "(?s)<passage>\n\\([^\n]*Charges.*Question: .*pump house"
    say: '{"relevant": false}'
  - when: "(?s)Answer: .*beside the point"
    say: '{"useful": false}'
  - when: "(?s)<notes>\n\\[1\\].*Question: .*\\(badly\\)"
    say: "The pump house is 14.2 m tall, beside the point."
  - when: "(?s)<notes>\n\\[1\\].*Question: .*pump house"
    say: "The pump house is 14.2 m tall. [1] The pump house is as tall as a church. [1]"
  - when: "(?s)<notes>\n\\[1\\]"
    say: "{prompt}"
"""

WORKS = File(
    "works.md",
    b"""# The Works

## Pump house

The pump house is 14.2 m tall. It was built in 1874 by Josiah Crane.

## Charges

A visit to the pump house costs 3.10 pounds.

## Laboratory

The laboratory is led by Marta Ashby. Marta Ashby lives at Fell Cottage.

## Protection

Heavy gloves of black rubber are worn when acid is handled.
""",
)

COTTAGES = File("cottages.md", b"# Cottages\n\nFell Cottage has a green door and a slate roof.\n")


@pytest.fixture(scope="module")
def deciding(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    script: Path = tmp_path_factory.mktemp("agent") / "script.yaml"
    script.write_text(SCRIPT)
    with (
        service("llm", LEDGE_ENGINE="scripted", LEDGE_SCRIPT_FILE=str(script)) as llm,
        service("rag", **{**suite.settings, "LEDGE_LLM_ADDRESS": llm.address}) as rag,
    ):
        asyncio.run(_store(rag.address))
        yield rag


async def _store(address: str) -> None:
    async with open_channel(address) as channel:
        await ingest(rag_pb2_grpc.RagServiceStub(channel), [WORKS, COTTAGES], "works")


@pytest.fixture
async def rag(deciding: ServiceProcess) -> AsyncIterator["Rag"]:
    async with open_channel(deciding.address) as channel:
        yield rag_pb2_grpc.RagServiceStub(channel)


def names(answered: Answered) -> list[str]:
    return [step.name for step in answered.of("step")]


def verdicts(answered: Answered, kind: "pb.Verdict.Kind") -> list[pb.Verdict]:
    return [verdict for verdict in answered.of("verdict") if verdict.kind == kind]


async def test_a_greeting_is_answered_without_a_search(rag: "Rag") -> None:
    answered = await ask(rag, "Hello there!", "works", effort=pb.BALANCED)
    assert answered.done.route == pb.NEITHER
    assert not answered.done.answered
    assert "retrieve" not in names(answered)
    assert "documents" in answered.text


async def test_a_question_about_the_conversation_is_answered_from_it(rag: "Rag") -> None:
    history = [
        pb.Turn(role=pb.Turn.USER, text="Who leads the laboratory?"),
        pb.Turn(role=pb.Turn.ASSISTANT, text="The laboratory is led by Marta Ashby."),
    ]
    answered = await ask(rag, "Please sum up what we said", "works", effort=pb.BALANCED, history=history)
    assert answered.done.route == pb.CONVERSATION
    assert answered.text == "The laboratory is led by Marta Ashby.", "a sentence with an invented year is left out"
    assert not answered.of("citation")
    assert "retrieve" not in names(answered)


async def test_a_follow_up_is_condensed_by_the_judge(rag: "Rag") -> None:
    history = [pb.Turn(role=pb.Turn.USER, text="Is there a laboratory?")]
    answered = await ask(
        rag, "And who leads it?", "works", effort=pb.BALANCED, history=history, policy=pb.QUOTE, judge=pb.MODEL
    )
    condensed = next(step for step in answered.of("step") if step.name == "condense")
    assert condensed.detail == "Who leads the laboratory?"
    assert "Marta Ashby" in answered.text


async def test_a_hop_brings_the_second_document_of_a_question(rag: "Rag") -> None:
    question = "What colour is the door of the house in which Marta Ashby lives?"
    fast = await ask(rag, question, "works", policy=pb.QUOTE)
    balanced = await ask(rag, question, "works", policy=pb.QUOTE, effort=pb.BALANCED, judge=pb.CALIBRATED)
    assert "hop" in names(balanced)
    assert "hop" not in names(fast)
    assert "green door" in balanced.text


async def test_a_rewrite_reaches_the_retriever(rag: "Rag") -> None:
    question = "Who leads with the spoofels?"
    settings = {"effort": pb.BALANCED, "policy": pb.QUOTE, "judge": pb.MODEL, "candidates": 1}
    without = await ask(rag, question, "works", **settings, without=["hop", "rewrite"])
    assert not without.done.answered
    answered = await ask(rag, question, "works", **settings, without=["hop"])
    steps = answered.of("step")
    rewritten = [step.name for step in steps].index("rewrite")
    assert steps[rewritten].detail == "Which gloves are worn with acid?"
    assert [(step.name, step.detail) for step in steps[rewritten + 1 : rewritten + 3]] == [
        ("encode", "Which gloves are worn with acid?"),
        ("retrieve", "1 passages"),
    ]
    found = [passage.headings[-1] for passage in answered.of("retrieval")[0].passages]
    assert "Protection" in found, "what only the rewritten question found"


async def test_a_claim_without_support_is_marked_in_the_stream(rag: "Rag") -> None:
    answered = await ask(rag, "How tall is the pump house?", "works", effort=pb.BALANCED, policy=pb.COMPOSE)
    marked = verdicts(answered, pb.Verdict.UNSUPPORTED_CLAIM)
    assert [answered.text[it.start : it.end] for it in marked] == ["The pump house is as tall as a church. [1]"]
    assert list(answered.done.verdicts) == answered.of("verdict")
    place = answered.events.index(pb.AnswerResponse(verdict=marked[0]))
    assert any(event.HasField("token") and "church" in event.token.text for event in answered.events[:place])
    assert answered.events[-1].HasField("done")


async def test_a_question_in_parts_is_looked_up_part_by_part(rag: "Rag") -> None:
    question = "How tall is the pump house, and when was it built?"
    answered = await ask(rag, question, "works", effort=pb.THOROUGH, policy=pb.QUOTE, judge=pb.MODEL)
    parts = next(step for step in answered.of("step") if step.name == "decompose")
    assert parts.detail == "2 parts, 2 found"
    assert "14.2 m" in answered.text
    assert "1874" in answered.text


async def test_a_passage_that_does_not_help_is_left_out(rag: "Rag") -> None:
    question = "What does the pump house cost?"
    fast = await ask(rag, question, "works", policy=pb.QUOTE)
    graded = await ask(
        rag, question, "works", effort=pb.THOROUGH, policy=pb.QUOTE, judge=pb.MODEL, without=["hop", "decompose"]
    )
    heads = [passage.headings[-1] for passage in fast.of("retrieval")[0].passages]
    assert "Charges" in heads
    assert "Charges" not in [passage.headings[-1] for passage in graded.of("retrieval")[0].passages]


async def test_an_answer_beside_the_point_is_marked(rag: "Rag") -> None:
    answered = await ask(
        rag, "How tall is the pump house? Thanks (badly)", "works",
        effort=pb.THOROUGH, policy=pb.COMPOSE, without=["rewrite"],
    )  # fmt: skip
    marked = verdicts(answered, pb.Verdict.NOT_USEFUL)
    assert [answered.text[it.start : it.end] for it in marked] == [answered.text]


async def test_moves_can_be_left_out(rag: "Rag") -> None:
    answered = await ask(
        rag,
        "How tall is the pump house?",
        "works",
        effort=pb.THOROUGH,
        policy=pb.QUOTE,
        without=["route", "hop", "grade", "rewrite", "verify", "decompose", "ground", "condense"],
    )
    assert names(answered) == ["encode", "retrieve", "rerank", "evidence", "quote"]


async def test_without_a_model_the_decisions_are_calibrated(suite: Suite, deciding: ServiceProcess) -> None:
    gone = {**suite.settings, "LEDGE_LLM_ADDRESS": "127.0.0.1:1", "LEDGE_JUDGE": "model"}
    with service("rag", **gone) as process:
        async with open_channel(process.address) as channel:
            rag = rag_pb2_grpc.RagServiceStub(channel)
            answered = await ask(rag, "How tall is the pump house?", "works", effort=pb.BALANCED)
    assert "14.2 m" in answered.text
    assert "decisions" in answered.done.degraded
    assert "llm" in answered.done.degraded


async def test_sixty_four_conversations_at_once_never_mix(rag: "Rag") -> None:
    """Each points back to a turn of its own, and is condensed, searched and answered by it."""
    facts = "\n\n".join(
        f"Valve V{number} is painted in shade S{number} and stands in hall H{number}." for number in range(64)
    )
    await ingest(rag, [File("valves.md", f"# Valves\n\n{facts}\n".encode())], "valves")

    async def converse(number: int) -> None:
        history = [
            pb.Turn(role=pb.Turn.USER, text=f"In which hall does valve V{number} stand?"),
            pb.Turn(role=pb.Turn.ASSISTANT, text=f"In hall H{number}."),
        ]
        answered = await ask(
            rag, "And in which shade is it painted?", "valves", effort=pb.BALANCED, policy=pb.QUOTE,
            judge=pb.MODEL, history=history, without=["hop"],
        )  # fmt: skip
        condensed = next(step.detail for step in answered.of("step") if step.name == "condense")
        assert condensed == f"Which shade is valve V{number} painted in?"
        assert f"shade S{number} " in answered.text
        others = [other for other in range(64) if other != number and f"shade S{other} " in answered.text]
        assert len(others) <= 1, "at most two sentences are quoted"
        assert (
            answered.of("citation")[0].passage.text[answered.of("citation")[0].start :].startswith(f"Valve V{number} ")
        )

    await asyncio.gather(*map(converse, range(64)))
