"""Where a second search goes: names that a sentence brings up and the question does not say."""

import pytest

from services.rag.evidence.hop import MAX_HOP_CHARACTERS, hop_text, leads
from services.rag.words import Words

WORDS = Words("en")


@pytest.mark.parametrize(
    ("question", "sentence", "names"),
    [
        ("Who signs?", "The loan is signed by Martin Ashdown.", ["Martin Ashdown"]),
        ("Which part?", "A failed starter is replaced by part EL-2204.", ["EL-2204"]),
        ("Who is her great-niece?", "Beatrice Lund, now Head of Personnel, is her great-niece.",
         ["Beatrice Lund", "Head", "Personnel"]),
        ("Where does PS-1252 go?", "Code: PS-1252; Article: Mechanical seal 40 mm; Fits: HB-125", ["HB-125"]),
        ("How tall is the Kestrel Tower?", "The Kestrel Tower is 37 m tall.", []),
        ("Who looks after it?", "Keepers look after it.", []),
    ],
)  # fmt: skip
def test_a_hop_follows_names_that_the_question_does_not_say(question: str, sentence: str, names: list[str]) -> None:
    assert leads(question, sentence, WORDS) == names


def test_a_hop_searches_by_the_question_and_the_names() -> None:
    assert hop_text("Which part?", ["EL-2204"]) == "Which part? EL-2204"
    assert len(hop_text("x" * 5000, ["EL-2204"])) == MAX_HOP_CHARACTERS
