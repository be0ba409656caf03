"""Personal data and blocked topics, in what is asked and in what is answered; settings of single collections."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st
from ledge.rag.v1 import rag_pb2 as pb
from ledge.rag.v1 import rag_pb2_grpc

from services.kit.client import open_channel
from services.rag.chunk_record import StoredChunk
from services.rag.evidence.found import Found
from services.rag.guards.personal_data import PersonalData
from tests.processes import ServiceProcess, service
from tests.rag.answer_client import Suite, ask
from tests.rag.ingest_client import File, ingest

if TYPE_CHECKING:
    from ledge.rag.v1.rag_pb2_grpc import RagServiceAsyncStub as Rag

FINDER = PersonalData("GB")

TOPICS = """
topics:
  - name: salaries
    description: What a person earns.
    examples:
      - How much does the director earn?
      - Ada Brandt earns 52,000 pounds a year.
      - What is somebody's salary?
    similarity: 0.55
    saying: I do not talk about salaries.
  - name: pirates
    description: Piracy at sea.
"""

SETTINGS = """
collections:
  personnel: { effort: balanced, candidates: 7, guards: [personal-data, topics] }
"""

SCRIPT = r"""
rules:
  - when: "(?s)Topics:.*Text: .*buccaneer"
    say: '{"topic": "pirates"}'
  - when: "(?s)Topics:"
    say: '{"topic": "none of them"}'
  - when: "(?s)</conversation>.*Last question: When is it open"
    say: '{"question": "When is the garden of the works open?"}'
  - when: "Sentence: .*write to"
    say: '{"supported": false}'
  - when: "(?s)<notes>\n\\[1\\]"
    say: "The garden of the works is open on Sundays. The garden is open: write to ada.brandt@works.example."
"""

PERSONNEL = File(
    "personnel.md",
    b"""# Personnel

## Control room (desk@works.example)

Ada Brandt leads the control room; write to ada.brandt@works.example or call 01632 960 862.

Ada Brandt, who leads the control room, earns 52,000 pounds a year.

## Garden

The garden of the works is open on Sundays.
""",
)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Write to ada.brandt@works.example.", "Write to ‹e-mail address›."),
        ("Call 01632 960 862 now", "Call ‹telephone number› now"),
        ("Call +49 30 901820 now", "Call ‹telephone number› now"),
        ("Pay to GB82 WEST 1234 5698 7654 32 today", "Pay to ‹bank account› today"),
        ("Card 4111 1111 1111 1111, please", "Card ‹card number›, please"),
        ("from 192.168.10.7", "from ‹network address›"),
        ("from 2001:db8::7 on", "from ‹network address› on"),
        ("gb82 west 1234 5698 7654 32", "‹bank account›"),
        ("GB82 WEST 1234 5698 7654 32 BIC WESTGB2L", "‹bank account› BIC WESTGB2L"),
        ("Card 4111 1111 1111 1111 12/25", "Card ‹card number› 12/25"),
        ("Card 2 4111.1111.1111.1111 123", "Card 2 ‹card number› 123"),
        ("an o'neill@wörks.example", "an ‹e-mail address›"),
    ],
)
def test_personal_data_is_known_by_its_form(text: str, redacted: str) -> None:
    assert FINDER.redact(text)[0] == redacted


@pytest.mark.parametrize(
    "text",
    [
        "The pump HB-250 moves 1,800 l/s at 14.2 m.",
        "Card 4111 1111 1111 1112",
        "GB82 WEST 1234 5698 7654 33",
        "It was built in 1874; code E42, version 10.1.2.",
        "1874 1902 1913 1938 1944 1951 1976 2003 2011 2019",
        "At 10:20:30 std::swap; 5:1",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert FINDER.redact(text) == (text, [])


@given(st.text(st.sampled_from("a1 @.-+0369GBx:/\n"), max_size=60))
def test_a_mask_keeps_every_place(text: str) -> None:
    masked = FINDER.mask(text)
    assert len(masked) == len(text)
    assert not FINDER.find(text) or masked != text


@pytest.fixture(scope="module")
def guarded(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    folder: Path = tmp_path_factory.mktemp("guards")
    for name, content in (("topics", TOPICS), ("settings", SETTINGS), ("script", SCRIPT)):
        (folder / f"{name}.yaml").write_text(content)
    with (
        service("llm", LEDGE_ENGINE="scripted", LEDGE_SCRIPT_FILE=str(folder / "script.yaml")) as llm,
        service(
            "rag",
            **{**suite.settings, "LEDGE_LLM_ADDRESS": llm.address},
            LEDGE_ANSWER_POLICY="quote",
            LEDGE_BLOCKED_TOPICS_FILE=str(folder / "topics.yaml"),
            LEDGE_COLLECTION_SETTINGS_FILE=str(folder / "settings.yaml"),
        ) as rag,
    ):
        asyncio.run(_store(rag.address))
        yield rag


async def _store(address: str) -> None:
    async with open_channel(address) as channel:
        for collection in ("personnel", "public"):
            await ingest(rag_pb2_grpc.RagServiceStub(channel), [PERSONNEL], collection)


@pytest.fixture
async def rag(guarded: ServiceProcess) -> AsyncIterator["Rag"]:
    async with open_channel(guarded.address) as channel:
        yield rag_pb2_grpc.RagServiceStub(channel)


def kinds(answered: object) -> list["pb.Verdict.Kind"]:
    return [verdict.kind for verdict in answered.of("verdict")]  # type: ignore[attr-defined]


async def test_personal_data_leaves_the_answer_and_the_passages(rag: "Rag") -> None:
    answered = await ask(rag, "How do I write to the one who leads the control room?", "personnel")
    assert answered.done.answered
    assert "‹e-mail address›" in answered.text
    assert "‹telephone number›" in answered.text
    assert pb.Verdict.REDACTED in kinds(answered)
    everything = str(answered.events)
    assert "ada.brandt@" not in everything
    assert "960 862" not in everything
    citation = answered.done.citations[0]
    assert citation.passage.text[citation.start : citation.end].startswith("Ada Brandt leads the control room")


async def test_personal_data_leaves_the_question(rag: "Rag") -> None:
    answered = await ask(rag, "I am joe@home.example: when is the garden open?", "personnel")
    assert "Sundays" in answered.text
    assert kinds(answered)[0] == pb.Verdict.REDACTED
    assert "joe@" not in str(answered.events)


async def test_a_search_shows_no_personal_data_either(rag: "Rag") -> None:
    response = await rag.Search(pb.SearchRequest(query="who leads the control room", collections=["personnel"]))
    assert "Ada Brandt" in str(response)
    assert "ada.brandt@" not in str(response)


async def test_headings_and_metadata_show_no_personal_data(rag: "Rag") -> None:
    response = await rag.Search(pb.SearchRequest(query="who leads the control room", collections=["personnel"]))
    assert any("Control room (" in heading for heading in response.passages[0].headings)
    assert "desk@" not in str(response)


def test_metadata_is_masked_however_deep() -> None:
    metadata = Struct()
    metadata.update({"owner": "joe@home.example", "all": [{"of": ["+49 30 901820", 7, True]}]})
    chunk = StoredChunk("id", "a.md", (), None, "Text.", 0, metadata)
    told = Found("default", chunk, 1.0, 0.5).passage(FINDER.mask)
    assert dict(told.metadata) == {"owner": "•" * 16, "all": [{"of": ["•" * 13, 7, True]}]}
    assert metadata["owner"] == "joe@home.example", "the stored one stays"


async def test_turns_before_the_question_lose_their_personal_data(rag: "Rag") -> None:
    history = [pb.Turn(role=pb.Turn.USER, text="I am joe@home.example. Is there a garden?")]
    answered = await ask(rag, "When is it open?", "personnel", judge=pb.MODEL, history=history)
    assert "condense" in [step.name for step in answered.of("step")]
    plain = await ask(rag, "And when is it open?", "personnel", history=history, judge=pb.CALIBRATED)
    condensed = next(step.detail for step in plain.of("step") if step.name == "condense")
    assert "Is there a garden?" in condensed
    assert "‹e-mail address›" in condensed, "taken out before it was searched by, not masked when it was shown"


async def test_a_topic_cannot_be_reached_by_a_follow_up(rag: "Rag") -> None:
    history = [pb.Turn(role=pb.Turn.USER, text="How much does the director earn?")]
    answered = await ask(rag, "And Ada Brandt?", "personnel", history=history)
    assert [(it.kind, it.reason) for it in answered.of("verdict")] == [(pb.Verdict.BLOCKED, "salaries")]
    assert "retrieve" not in [step.name for step in answered.of("step")]


async def test_what_wall_time_leaves_unchecked_is_not_sent(rag: "Rag") -> None:
    answered = await ask(rag, "When is the garden open?", "personnel", budget=pb.Budget(wall_time_ms=1))
    assert answered.done.budget_exhausted
    assert not answered.done.answered
    assert answered.text.startswith("I don't know")
    assert next(step.detail for step in answered.of("step")).startswith("not checked: no ")


async def test_a_blocked_topic_is_not_searched_for(rag: "Rag") -> None:
    answered = await ask(rag, "What does the director earn?", "personnel")
    assert answered.text == "I do not talk about salaries."
    assert not answered.done.answered
    assert [step.name for step in answered.of("step")] == ["guard"]
    assert [(it.kind, it.reason) for it in answered.of("verdict")] == [(pb.Verdict.BLOCKED, "salaries")]


async def test_the_models_classification_blocks_too(rag: "Rag") -> None:
    answered = await ask(rag, "Was there ever a buccaneer here?", "personnel", judge=pb.MODEL)
    assert [(it.kind, it.reason) for it in answered.of("verdict")] == [(pb.Verdict.BLOCKED, "pirates")]
    passed = await ask(rag, "When is the garden open?", "personnel", judge=pb.MODEL)
    assert passed.done.answered


async def test_a_sentence_on_a_blocked_topic_is_not_sent(rag: "Rag") -> None:
    answered = await ask(rag, "Who leads the control room?", "personnel", effort=pb.FAST)
    assert answered.text.startswith("Ada Brandt leads the control room")
    assert [step.detail for step in answered.of("step") if step.name == "guard"][-1] == "blocked"
    assert "52,000" not in answered.text
    assert pb.Verdict.BLOCKED in kinds(answered)
    assert answered.text.endswith("I do not talk about salaries.")


async def test_guards_grounding_citations_conversation_and_streaming_work_together(rag: "Rag") -> None:
    history = [pb.Turn(role=pb.Turn.USER, text="Is there a garden?")]
    answered = await ask(
        rag, "When is it open, I am joe@home.example?", "personnel",
        effort=pb.THOROUGH, policy=pb.COMPOSE, judge=pb.MODEL, history=history,
    )  # fmt: skip
    steps = [step.name for step in answered.of("step")]
    for name in ("guard", "route", "condense", "encode", "retrieve", "rerank", "grade", "ground", "generate", "verify"):
        assert name in steps, name
    assert answered.text.startswith("The garden of the works is open on Sundays. [1]")
    assert "‹e-mail address›" in answered.text
    assert "@" not in str(answered.events)
    told = kinds(answered)
    assert told[0] == pb.Verdict.REDACTED, "of the question"
    assert told.count(pb.Verdict.REDACTED) == 2
    assert pb.Verdict.UNSUPPORTED_CLAIM in told
    arrived = [event.WhichOneof("event") for event in answered.events]
    assert arrived.index("citation") < arrived.index("token") < len(arrived) - 1 - arrived[::-1].index("step")


async def test_settings_hold_for_their_collection_alone(rag: "Rag") -> None:
    guarded = await ask(rag, "When is the garden open?", "personnel")
    assert "route" in [step.name for step in guarded.of("step")], "balanced by its settings"
    public = await ask(rag, "How do I write to the one who leads the control room?", "public")
    assert "ada.brandt@works.example" in public.text
    assert "guard" not in [step.name for step in public.of("step")]


async def test_guards_of_all_collections_are_at_work(rag: "Rag") -> None:
    events = [
        event
        async for event in rag.Answer(
            pb.AnswerRequest(question="What does the director earn?", collections=["public", "personnel"])
        )
    ]
    assert events[-1].done.answer == "I do not talk about salaries."


@pytest.mark.parametrize(
    ("variable", "content", "complaint"),
    [
        ("LEDGE_BLOCKED_TOPICS_FILE", "topics: []", "topics"),
        ("LEDGE_COLLECTION_SETTINGS_FILE", "collections: {a: {effort: heroic}}", "effort"),
        ("LEDGE_COLLECTION_SETTINGS_FILE", "collections: {a: {guards: [topics]}}", "LEDGE_BLOCKED_TOPICS_FILE"),
    ],
)
def test_a_wrong_file_is_told_at_the_start(tmp_path: Path, variable: str, content: str, complaint: str) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(content)
    with pytest.raises(AssertionError, match=complaint), service("rag", **{variable: str(file)}):
        pass
