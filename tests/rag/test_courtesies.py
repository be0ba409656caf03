"""What belongs to asking is left out of a question; what is asked about never is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rag.evidence.courtesies import bare


@pytest.mark.parametrize(
    ("question", "searched"),
    [
        ("Hi there, quick one: how tall is the tower? Thanks a lot!", "how tall is the tower?"),
        ("Good morning! Could you please tell me how tall the tower is?", "how tall the tower is?"),
        ("Sorry to bother you, but does anyone know when Lammas opens?", "when Lammas opens?"),
        ("I was just wondering, since my colleague asked me: how tall is it?", "how tall is it?"),
        ("I'd like to know what PS-03 costs.", "what PS-03 costs."),
        ("Please tell me the price of a permit", "the price of a permit"),
        ("What does E42 mean? I need it for a report. Best wishes", "What does E42 mean?"),
        ("So, what does E42 mean?", "what does E42 mean?"),
    ],
)
def test_courtesies_are_left_out(question: str, searched: str) -> None:
    assert bare(question) == searched


@pytest.mark.parametrize(
    "question",
    [
        "How tall is the tower?",
        "Telemetry shows E42 at Hollins. What is the stores code of the part?",
        "I live in Marl End: how hard is my water?",
        "Tell me about Ada Brandt",
        "What is to be done? The alarm of the drive room sounds.",
        "Which key? It is for PS-03.",
        "What does the hello page say?",
        "Who wrote the thank-you letter?",
        "Hello",
        "Thanks!",
        "I have 3 pumps: which one is older?",
    ],
)
def test_what_is_asked_about_stays(question: str) -> None:
    assert bare(question) == question


@given(st.text("hi HIoktelm,:.!? E4\n", max_size=80))
def test_no_question_loses_everything(question: str) -> None:
    assert len(bare(question).split()) >= min(2, len(question.split()))
