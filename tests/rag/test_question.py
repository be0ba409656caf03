"""What is read out of a question: names, weights, the kind of answer; and whether it points back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rag.answer.follow_up import condense, stands_alone
from services.rag.evidence.answer_kind import holds, wanted
from services.rag.evidence.question import token_weights, understand
from services.rag.words import Words

WORDS = Words("en")
STOP_WORDS = frozenset("what is the of at in a how do i for does are there was who".split())


def read(text: str, points: int = 100, **counts: int) -> "tuple[tuple[str, ...], ...]":
    known = {word.text: counts.get(word.text, 5) for word in WORDS.of(text) if word.text.lower() not in STOP_WORDS}
    return tuple(name.stems for name in understand(text, WORDS, known, points).names)


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("What is the yield of borehole 5 at Chalkpit Lane?", (("borehol", "5"), ("chalkpit", "lane"))),
        ("How hard is the water in Zone E?", (("zone", "e"),)),
        ("How hard is the water in zone A?", (("zone", "a"),)),
        ("A pump has stopped. What now?", ()),
        ("price MT-2005", (("mt", "2005"),)),
        ("What is the charge in 2019/20?", (("2019", "20"),)),
        ("E42 has come up. What does it mean?", (("e42",),)),
        ("How tall is the pump house?", ()),
        ("How long is the main of 225 mm?", ()),
        ("What does a garden of 40 m² cost?", ()),
        ("What is the standby pay for a Saturday?", ()),
    ],
)
def test_what_names_one_thing_stays_together(question: str, names: tuple[tuple[str, ...], ...]) -> None:
    assert read(question) == names


def test_a_name_weighs_what_its_rarest_word_does() -> None:
    counts = {"Weir": 40, "Street": 50, "HB": 1, "200": 2, "pump": 9}
    question = understand("Which pump at Weir Street is an HB-200?", WORDS, counts, 100)
    common, rare = question.names
    assert (common.stems, rare.stems) == (("weir", "street"), ("hb", "200"))
    assert rare.weight > common.weight > 0


def test_the_last_turn_says_what_kind_of_answer_is_wanted() -> None:
    turns = "What does the standpipe cost? And how long may I keep it?"
    assert understand(turns, WORDS, {}, 100, "And how long may I keep it?").kinds == wanted("How long may I keep it?")
    assert understand("What does it cost? And the next?", WORDS, {}, 100, "And the next?").kinds == ("money",)


def test_a_year_is_no_telephone_number_and_who_asks_for_a_person_first() -> None:
    kinds = wanted("What is the extension of the laboratory?")
    assert holds("Marta Ashby, extension 350.", kinds, "")
    assert not holds("She has led it since 1948.", kinds, "")
    assert wanted("Who was in charge of it?") == ("person",)


def test_a_year_and_a_code_are_no_amounts() -> None:
    kinds = wanted("How many pumps are there?")
    assert holds("There are 14 pumps.", kinds, "")
    assert not holds("The pumps date from 1936.", kinds, "")
    assert not holds("Pumps are of the PS-12 kind.", kinds, "")


def test_rare_words_weigh_more_and_words_of_asking_less() -> None:
    counts = {"pump": 50, "chimney": 1, "cost": 1}
    question = understand("What does the pump chimney cost?", WORDS, counts, 100)
    weights = {entry.word.text: entry.weight for entry in question.words}
    assert weights["chimney"] > weights["pump"] > 0
    assert weights["chimney"] > weights["cost"]
    assert question.heaviest >= max(weights.values())


def test_every_token_gets_a_weight_and_those_of_stop_words_a_small_one() -> None:
    text = "the chimney"
    question = understand(text, WORDS, {"chimney": 1}, 100)
    the, chim, ney = token_weights(question, [0, 3, 4, 8, 8, 11])
    assert chim == ney == question.words[0].weight
    assert 0 < the < chim


@given(st.text(max_size=300))
def test_any_text_is_a_question(text: str) -> None:
    words = WORDS.of(text)
    question = understand(text, WORDS, {word.text: 1 for word in words}, 10)
    assert len(question.words) == len(words)
    assert all(weight > 0 for weight in token_weights(question, [0, 1]))
    assert condense(text, [text]).endswith(text)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("How tall is it?", "It is 14.2 m tall."),
        ("Who looks after it?", "The keeper is Ada Brandt."),
        ("What does it cost?", "A ticket costs £10.80."),
        ("When was it built?", "It was set to work on 9 May 1874."),
        ("What colour is it?", "The door is red."),
        ("How often is it tested?", "It is tested every six months."),
        ("How long does it take?", "It takes three days."),
        ("What is the extension of the laboratory?", "Marta Ashby, extension 350."),
        ("How heavy is it?", "The element weighs 1,150 kg."),
        ("How much water does it hold?", "It holds 3,420 Ml."),
    ],
)
def test_the_kind_of_answer_is_known_and_recognised(question: str, text: str) -> None:
    kinds = wanted(question)
    assert kinds
    assert holds(text, kinds, question)
    assert not holds("Nothing of the sort is said here.", kinds, question)


def test_what_the_question_says_itself_is_no_answer() -> None:
    kinds = wanted("How many people work in the 12 stations?")
    assert not holds("There are 12 stations.", kinds, "How many people work in the 12 stations?")


@pytest.mark.parametrize(
    "question",
    ["And in Zone C?", "When does it close?", "What share of the bill is that?", "Up to how much?", "How many?"],
)
def test_a_question_that_points_back_takes_the_turns_before_it_along(question: str) -> None:
    assert not stands_alone(question)
    assert condense(question, ["first", "second", "third"]) == f"second third {question}"


@pytest.mark.parametrize(
    "question",
    [
        "What is the capital of Mongolia?",
        "E42 has come up on an outstation. What does it mean?",
        "What is the extension of the person who signs the loan?",
        "price MT-2005",
    ],
)
def test_a_question_that_stands_alone_is_left_as_it_is(question: str) -> None:
    assert condense(question, ["How hard is the water?"]) == question


def test_a_long_conversation_is_cut_not_refused() -> None:
    condensed = condense("And then?", ["x" * 100_000, "y" * 100_000])
    assert len(condensed) <= 8192
    assert condensed.endswith("And then?")


def test_words_of_the_turns_before_weigh_less_than_those_of_the_last() -> None:
    counts = {"filters": 5, "washed": 5}
    alone = understand("filters washed", WORDS, counts, 100)
    after = understand("filters washed", WORDS, counts, 100, asked_last="washed")
    assert after.words[0].weight < alone.words[0].weight
    assert after.words[1].weight == alone.words[1].weight
