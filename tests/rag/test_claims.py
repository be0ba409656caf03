"""The check of composed sentences: no number, name or date that the evidence does not hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rag.answer.claims import claims, holds_up
from services.rag.words import Words

WORDS = Words("en")
NOTE = "The pump house at Weir Street is 14.2 m tall and was built on 9 May 1874 by Josiah Crane for £1,800."
QUESTION = "How tall is the pump house?"


@pytest.mark.parametrize(
    "sentence",
    [
        "The pump house is 14.2 m tall.",
        "It was built on 9 May 1874.",
        "Josiah Crane built the pump house for £1800.",
        "The house is 14.20 m tall.",
        "Pump houses at Weir Street were built by Crane.",
    ],
)
def test_what_the_evidence_says_holds_up(sentence: str) -> None:
    assert holds_up(sentence, [NOTE], QUESTION, WORDS)


@pytest.mark.parametrize(
    "sentence",
    [
        "The pump house is 14.3 m tall.",
        "The pump house is 142 m tall.",
        "The pump house was built on 8 May 1874.",
        "The pump house was built in June 1874.",
        "The pump house was built by Isaiah Crane.",
        "The pump house cost £18,000.",
        "Napoleon built the pump house.",
        "The pump house stands in Mill Lane.",
        "The pump house is two storeys tall.",
        "It is beautiful and admired by everybody.",
        "",
    ],
)
def test_what_it_does_not_say_falls(sentence: str) -> None:
    assert not holds_up(sentence, [NOTE], QUESTION, WORDS)


def test_a_number_is_the_same_in_words_and_digits() -> None:
    note = "A controller may be relieved after twelve hours and 2 breaks."
    assert holds_up("A controller is relieved after 12 hours.", [note], "", WORDS)
    assert holds_up("There are two breaks for a controller.", [note], "", WORDS)


def test_facts_may_come_from_several_notes_together() -> None:
    notes = ["Zone B is the south.", "The south has 31,200 people."]
    assert holds_up("Zone B has 31,200 people in the south.", notes, "", WORDS)
    assert not holds_up("Zone B has 31,200 people in the south.", notes[:1], "", WORDS)


NAMES = st.sampled_from(["Ada Brandt", "Lammas", "Corder's Ford", "Wendvale", "Kestrel Tower"])
NUMBERS = st.one_of(
    st.integers(0, 10**7).map(str),
    st.integers(1000, 10**7).map(lambda number: f"{number:,}"),
    st.decimals(0, 1000, places=2).map(str),
    st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda time: f"{time[0]:02}:{time[1]:02}"),
)
MONTHS = st.sampled_from(["January", "April", "June", "October"])


@given(name=NAMES, number=NUMBERS, month=MONTHS)
def test_a_repeated_sentence_always_holds_up(name: str, number: str, month: str) -> None:
    note = f"In {month} the tank at {name} held {number} litres of water."
    assert holds_up(note, [note], "", WORDS)
    assert holds_up(f"The tank at {name} held {number} litres in {month}.", [note], "", WORDS)


@given(name=NAMES, number=NUMBERS, other=NUMBERS, month=MONTHS)
def test_another_number_never_holds_up(name: str, number: str, other: str, month: str) -> None:
    note = f"In {month} the tank at {name} held {number} litres of water."
    changed = f"In {month} the tank at {name} held {other} litres of water."
    same = claims(note, WORDS).facts == claims(changed, WORDS).facts
    assert holds_up(changed, [note], "", WORDS) == same


@given(name=NAMES, other=NAMES, number=NUMBERS)
def test_another_name_never_holds_up(name: str, other: str, number: str) -> None:
    note = f"The tank at {name} held {number} litres of water."
    assert holds_up(f"The tank at {other} held {number} litres of water.", [note], "", WORDS) == (name == other)


@given(sentence=st.text(max_size=200), note=st.text(max_size=200))
def test_any_text_can_be_checked(sentence: str, note: str) -> None:
    if holds_up(sentence, [note], "", WORDS):
        assert claims(sentence, WORDS).words | claims(sentence, WORDS).facts
