"""Where a second search goes, and when what it finds is worth quoting: pure, over a passage made by hand."""

import pytest

from services.rag.evidence.hop import hop_text
from services.rag.evidence.question import Question
from services.rag.words import Words
from tests.rag.test_prompts import candidate

WORDS = Words("en")


@pytest.mark.parametrize(
    ("question", "sentence", "new"),
    [
        ("Who signs?", "The loan is signed by Martin Ashdown.", "Martin Ashdown"),
        ("Which part?", "A failed starter is replaced by part EL-2204.", "EL-2204"),
        ("Who is her great-niece?", "Beatrice Lund, now Head of Personnel, is her great-niece.", "Beatrice Lund"),
    ],
)
def test_a_hop_searches_by_what_the_best_sentence_names(question: str, sentence: str, new: str) -> None:
    text = hop_text(_asked(question), candidate(sentence), WORDS)
    assert text.startswith(question)
    assert new in text


def test_names_that_the_question_says_lead_nowhere() -> None:
    assert hop_text(_asked("How tall is the Kestrel Tower?"), candidate("The Kestrel Tower is tall."), WORDS) == ""


def test_a_capital_that_only_begins_a_sentence_is_no_name() -> None:
    assert hop_text(_asked("Who looks after it?"), candidate("Keepers look after it."), WORDS) == ""


def _asked(text: str) -> Question:
    return Question(text, (), (), (), 1.0)
