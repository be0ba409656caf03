"""Text becomes the same terms wherever it is indexed, searched or counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.retrieval.analysis import Analysis, id_of, rarity


@pytest.fixture(scope="module")
def english() -> Analysis:
    return Analysis("en", 80.0)


def terms(analysis: Analysis, text: str) -> list[str]:
    return [term.term for term in analysis.terms(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is the height of the pump house?", ["height", "pump", "hous"]),
        ("Pumping, pumped; PUMPS", ["pump", "pump", "pump"]),
        ("£1,250.80 or 1250.80", ["1250.80", "1250.80"]),
        ("10,000,000 litres", ["10000000", "litr"]),
        ("3.5mm", ["3.5", "mm"]),
        ("PS-14", ["ps", "14"]),
        ("the station’s and the station's", ["station", "station"]),
        ("ﬁlter", ["filter"]),
        ("", []),
        ("what of the", []),
        ("!?… —", []),
        ("東京都", ["東京", "京都"]),
        ("水", ["水"]),
        ("pump東京pump", ["pump", "東京", "pump"]),
    ],
)
def test_english_words_become_stems(english: Analysis, text: str, expected: list[str]) -> None:
    assert terms(english, text) == expected


def test_other_languages_have_their_own_stems_and_stop_words() -> None:
    assert terms(Analysis("de", 80.0), "Die Häuser der Stadt") == ["haus", "stadt"]
    assert terms(Analysis("es", 80.0), "las estaciones de bombeo") == ["estacion", "bombe"]


def test_a_language_without_a_stemmer_keeps_words_as_they_are() -> None:
    assert terms(Analysis("xx", 80.0), "The Pumps") == ["the", "pumps"]


@given(st.text(max_size=300))
def test_what_is_counted_is_what_is_indexed(text: str) -> None:
    analysis = ENGLISH
    found = list(analysis.terms(text))
    assert {term.id for term in found} == set(analysis.weigh(text)) == set(analysis.ids(text))
    assert all(term.id == id_of(term.term) and len(term.term) > 0 for term in found)
    # A second time the words are known.
    assert list(analysis.terms(text)) == found


ENGLISH = Analysis("en", 80.0)


def test_a_word_said_more_often_weighs_more_and_less_each_time(english: Analysis) -> None:
    term = id_of("pump")
    once, twice, often = (english.weigh("pump " * times)[term] for times in (1, 2, 50))
    assert once < twice < often < 2.2
    assert twice - once < once


def test_a_word_in_a_long_text_weighs_less(english: Analysis) -> None:
    term = id_of("pump")
    assert english.weigh("pump")[term] > english.weigh("pump " + "valve " * 200)[term]


def test_rarity_falls_with_frequency_and_never_below_zero() -> None:
    values = [rarity(points, 1000) for points in (0, 1, 10, 500, 999, 1000)]
    assert values == sorted(values, reverse=True)
    assert values[-1] > 0
    assert rarity(0, 0) > 0


def test_no_text_makes_a_term_longer_than_its_bound(english: Analysis) -> None:
    assert [len(term) for term in terms(english, "x" * 100_000)] == [64]
