"""Text is cut where a speaker would pause, early at first, and never differently for how it arrived."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tts.clauses import MAX_CHARACTERS, Clauses


def cut(text: str, language: str = "en") -> list[str]:
    clauses = Clauses(language)
    return [*clauses.feed(text), *clauses.finish()]


def test_the_first_piece_ends_at_the_first_pause() -> None:
    assert Clauses("en").feed("Good morning, the pump") == ["Good morning,"]
    assert Clauses("en").feed("Without any pause mark a model may write on and on and on") != []


def test_abbreviations_numbers_and_dates_are_not_cut() -> None:
    text = "Dr. Smith paid $1,200.50 on May 5, 2026 at 3.5 percent. He left."
    assert cut(text) == ["Dr. Smith paid $1,200.50 on May 5, 2026 at 3.5 percent.", "He left."] or all(
        part in " ".join(cut(text)) for part in ("Dr. Smith", "$1,200.50", "May 5, 2026", "3.5")
    )
    assert not any(clause.endswith(("Dr.", "$1,", "5,", "3.")) for clause in cut(text))


@pytest.mark.parametrize("abbreviation", ["Dr. Smith", "Mrs. Jones", "Prof. Lee", "e.g. ours"])
def test_the_first_piece_does_not_end_behind_an_abbreviation(abbreviation: str) -> None:
    assert cut(f"The house of {abbreviation} is old.") == [f"The house of {abbreviation} is old."]


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("The works opened on Nov. 23, 2026 and closed later.", "Nov. 23"),
        ("It uses approx. 5 litres a day. Fine.", "approx. 5"),
        ("Mr. and Mrs. Jones live in St. Paul near Prof. Lee.", "St. Paul"),
        ("Sizes vary, see sec. 4.2 and ch. 5 of the book.", "ch. 5"),
        ("The pump (max. 5 bar) and the valve (min. 3 bar) are old.", "min. 3"),
    ],
)
def test_a_number_stays_with_what_it_counts(text: str, whole: str) -> None:
    for early in (True, False):
        clauses = Clauses("en", early=early)
        assert whole in "|".join([*clauses.feed(text), *clauses.finish()])


def test_a_german_date_is_no_end_of_a_sentence() -> None:
    assert cut("Es öffnet am 23. November 2026.", "de") == ["Es öffnet am 23. November 2026."]
    assert cut("Das gilt für ca. 3 Pumpen.", "de") == ["Das gilt für ca. 3 Pumpen."]


def test_no_is_also_an_answer() -> None:
    assert cut("The man in the hall said no. That was all.") == ["The man in the hall said no.", "That was all."]


def test_links_and_inline_code_stay_whole() -> None:
    assert "See [the, old report](https://x.y/a,b) now." in cut(
        "Good day to you. See [the, old report](https://x.y/a,b) now."
    )


def test_code_blocks_never_leave_however_they_arrive() -> None:
    text = "Do this:\n\n```python\nprint('secret')\n```\n\nThen that.\n~~~~\n```\nsecret\n~~~\n~~~~\nEnd."
    assert "secret" not in "".join(cut(text))
    assert cut(text)[-1] == "End."
    for size in (1, 2, 3, 5):
        clauses = Clauses("en")
        given = [c for start in range(0, len(text), size) for c in clauses.feed(text[start : start + size])]
        assert [*given, *clauses.finish()] == cut(text)
    assert "secret" not in "".join(cut("```\nsecret without an end " * 50))


def test_a_language_without_spaces_is_cut_too() -> None:
    assert len(cut("今日は元気ですか。" * 100, "ja")) > 3


@given(st.text(alphabet="ab .,!?\n`[]()-*1é", max_size=600))
def test_no_word_is_lost_and_no_piece_is_too_long(text: str) -> None:
    text = text.replace("```", "")
    pieces = cut(text)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(0 < len(piece) <= MAX_CHARACTERS for piece in pieces)


def test_a_long_text_is_cut_in_time_that_grows_with_its_length() -> None:
    for hostile in ("word " * 4000, "[(" * 10_000, "x" * 20_000, "`" * 20_000, ". " * 10_000, "a, " * 6_600):
        started_s = time.process_time()
        cut(hostile)
        assert time.process_time() - started_s < 2.0, hostile[:4]
