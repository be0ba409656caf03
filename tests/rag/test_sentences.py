"""Sentences end where a reader says so: not after "No.", "p.", initials or decimals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rag.sentences import MAX_SENTENCE_CHARACTERS, sentences


def cut(text: str, language: str = "en") -> list[str]:
    return [text[start:end] for start, end in sentences(text, language)]


@pytest.mark.parametrize(
    "expected",
    [
        ["A visit costs £10.80 in the season.", "Children under five go free."],
        ["See No. 3 in the table of pumps.", "Pump No. 4 is older than it."],
        ["See p. 4 for the details of it.", "The rest is on pp. 5–7."],
        ["Dr. A. B. Brandt signed the letter.", "Mr. J. R. Holm did not."],
        ["It opens at 9 a.m. on Monday.", "It closes at 5 p.m. on Fridays."],
        ["Use approx. 3.2 mg/l of chlorine, e.g. in autumn.", "Stop it at 5.0 mg/l."],
        ["The firm is Brandt & Co. Ltd. of Leeds.", "It was founded in 1931."],
        ["The pump (see fig. 2.1) runs at 3.5 bar.", "It is quite new."],
        ["Version 2.10.1 was released on 3 Jan. 2026.", "It works quite well."],
        ["He lives at St. Mary's Rd. in the town.", "He left it yesterday."],
        ["Hold the pH at 6.7 ± 0.2.", "See Table 4 for limits.", "Report to ext. 214."],
        ["Write to ada@works.example or see www.works.example.", "We reply in two days."],
        ["The first stage ended...", "The second one began."],
        ["Demand was 41.6 Ml/d in all.", "The peak was 52.3 Ml/d.", "The rest is lost."],
        ["It overflows at 224.0 m.", "Upper Lammas is drawn down first.", "It holds 12 kg."],
    ],
)
def test_english_sentences(expected: list[str]) -> None:
    assert cut(" ".join(expected)) == expected


def test_other_languages_are_cut_by_their_own_rules() -> None:
    assert cut("Die Pumpe läuft z. B. nachts durch. Sie wurde 1998 gebaut.", "de") == [
        "Die Pumpe läuft z. B. nachts durch.",
        "Sie wurde 1998 gebaut.",
    ]
    assert cut("水泵高14.2米。它建于1931年。", "zh") == ["水泵高14.2米。", "它建于1931年。"]


def test_a_fragment_goes_with_what_follows() -> None:
    assert cut("Yes. You may drink it. Certainly.") == ["Yes. You may drink it.", "Certainly."]


def test_a_long_sentence_is_cut_at_a_clause() -> None:
    text = "; ".join(f"clause number {number} says something about the pump" for number in range(40)) + "."
    parts = cut(text)
    assert all(len(part) <= MAX_SENTENCE_CHARACTERS for part in parts)
    assert all(part.endswith((";", ".")) for part in parts)
    assert " ".join(parts) == text


@given(st.text(max_size=2000))
def test_sentences_are_in_order_and_leave_out_nothing_but_white_space(text: str) -> None:
    place = 0
    for start, end in sentences(text):
        assert not text[place:start].strip()
        assert start < end
        assert end - start <= MAX_SENTENCE_CHARACTERS
        assert text[start:end] == text[start:end].strip()
        place = end
    assert not text[place:].strip()
