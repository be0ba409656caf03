"""An answer as it is shown and as programs get it."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledge.rag.v1 import rag_pb2 as pb
from rich.console import Console

from services.cli.answer import Answer, place, print_sources, print_timings
from services.cli.terminal import one_line, printable


def citation(text: str, start: int, end: int) -> pb.Citation:
    passage = pb.Passage(document="handbook.pdf", page=4, headings=["Alarms", "Classes"], text=text, score=0.5)
    return pb.Citation(number=1, passage=passage, start=start, end=end)


def shown(answer: Answer) -> str:
    out = io.StringIO()
    console = Console(file=out, width=100)
    print_sources(answer, console)
    print_timings(answer, console)
    return out.getvalue()


def test_a_source_shows_document_page_heading_and_passage() -> None:
    answer = Answer(text="Ten minutes. [1]", answered=True, citations=[citation("Class 2: ten minutes.", 9, 20)])
    answer.done = pb.Done(steps=[pb.Step(name="retrieve", elapsed_ms=12.4)], elapsed_ms=30, first_token_ms=25)
    told = shown(answer)
    assert "[1] handbook.pdf, page 4, Alarms › Classes" in told
    assert "Class 2: ten minutes." in told
    assert "retrieve 12 ms · first words 25 ms · total 30 ms" in told


def test_what_was_done_without_is_told() -> None:
    assert "done without: reranking" in shown(Answer(done=pb.Done(degraded=["reranking"])))
    assert "best answer so far" in shown(Answer(done=pb.Done(budget_exhausted=True)))


def test_a_long_passage_is_cut_around_its_evidence() -> None:
    text = "before " * 200 + "THE EVIDENCE" + " after" * 200
    told = shown(Answer(citations=[citation(text, 1400, 1412)]))
    assert "THE EVIDENCE" in told
    assert len(told) < 1000


def test_the_json_form_has_what_programs_rely_on() -> None:
    answer = Answer(text="Ten minutes. [1]", answered=True, citations=[citation("Class 2: ten minutes.", 9, 20)])
    steps = [pb.Step(name="search", elapsed_ms=1.5), pb.Step(name="search", elapsed_ms=2.5)]
    answer.done = pb.Done(steps=steps, elapsed_ms=30, first_token_ms=25, degraded=["llm"])
    told = answer.to_json()
    assert told["answer"] == "Ten minutes. [1]"
    assert told["answered"] is True
    source = told["citations"][0]
    assert (source["document"], source["page"], source["heading"]) == ("handbook.pdf", 4, "Alarms › Classes")
    assert source["text"] == "Class 2: ten minutes."
    assert source["evidence"] == "ten minutes"
    assert source["score"] == 0.5
    assert told["timings_ms"] == {"search": 4.0, "first_token": 25.0, "total": 30.0}
    assert len(told["steps"]) == 2
    assert told["degraded"] == ["llm"]


def test_a_format_without_pages_has_none() -> None:
    passage = pb.Passage(document="notes.md", text="x")
    assert place(passage) == "notes.md"
    assert Answer(citations=[pb.Citation(passage=passage)]).to_json()["citations"][0]["page"] is None


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\x07", "\u202e", "\x9b31m", "\r"])
def test_a_document_cannot_command_the_terminal(hostile: str) -> None:
    answer = Answer(citations=[citation(f"a{hostile}b", 0, 3)])
    answer.citations[0].passage.document = f"x{hostile}.md"
    assert hostile not in shown(answer)
    assert printable(f"a{hostile}b")[0] == "a"


@given(st.text(), st.integers(1, 50))
def test_one_line_is_one_line(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert "\n" not in line
    assert len(line) <= limit
