"""The safe subset of SSML: what is not in it is refused by name, and nothing in it can blow up."""

import pytest

from services.kit.errors import InvalidInput
from services.tts.ssml import Passage, read_ssml

BOMB = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("", "well-formed"),
        ("hello", "well-formed"),
        ("<speak>", "well-formed"),
        ("<speak></speak><speak></speak>", "well-formed"),
        ("<p>hello</p>", "one <speak>"),
        ("<speak><speak>a</speak></speak>", "one <speak>"),
        ("<speak><audio src='http://x/y'/></speak>", "<audio>"),
        ("<speak onload='x'>a</speak>", "onload"),
        ("<speak>&unknown;</speak>", "well-formed"),
        (f"<!DOCTYPE speak [<!ENTITY a0 'x'>{BOMB}]><speak>&a9;</speak>", "document type"),
        ("<!DOCTYPE speak SYSTEM 'file:///etc/passwd'><speak>a</speak>", "document type"),
        ("<?php x ?><speak>a</speak>", "processing instruction"),
        ("<speak>" + "<p>" * 20 + "</p>" * 20 + "</speak>", "deeper than 16"),
        ("<speak>" + "<p>" * 100_000, "deeper than 16"),
        ("<speak>" + "<break/>" * 5000 + "</speak>", "2000 parts"),
        ("<speak><break time='1h'/></speak>", "not a time"),
        ("<speak><break time='11s'/></speak>", "longest"),
        ("<speak><break strength='huge'/></speak>", "strength"),
        ("<speak><sub>WWW</sub></speak>", "alias"),
        ("<speak><sub alias='a'><p>b</p></sub></speak>", "text alone"),
        ("<speak><say-as interpret-as='poem'>a</say-as></speak>", "poem"),
        ("<speak><prosody rate='1e9%'>a</prosody></speak>", "not a rate"),
        ("<speak><prosody volume='+900dB'>a</prosody></speak>", "not a volume"),
        ("<speak>\ud800</speak>", "Unicode"),
    ],
)
def test_what_is_not_in_the_subset_is_refused_by_name(document: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        read_ssml(document, "en-US")


def test_text_around_elements_keeps_its_order_and_its_way() -> None:
    document = '<speak>One <prosody rate="200%" volume="-6dB">two<break time="250ms"/></prosody> three</speak>'
    one, two, pause, three = read_ssml(document, "en-US")
    assert (one, three) == (Passage("One"), Passage("three"))
    assert (two.text, two.rate, round(two.gain, 2)) == ("two", 2.0, 0.5)
    assert (pause.text, pause.pause_s) == ("", 0.25)


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        (
            "Ask the <sub alias='World Health Organization'>WHO</sub>, please.",
            "Ask the World Health Organization, please.",
        ),
        ("Key <say-as interpret-as='characters'>K4</say-as>.", "Key K, four."),
        ("a <phoneme ph='t'>tomato</phoneme> is red", "a tomato is red"),
        ("<say-as interpret-as='ordinal'>3</say-as>floor", "third floor"),
        ("one <prosody>two</prosody> three", "one two three"),
    ],
)
def test_a_sentence_stays_one_through_elements_inside_it(inside: str, said: str) -> None:
    assert read_ssml(f"<speak>{inside}</speak>", "en-US") == [Passage(said)]


def test_nested_prosody_multiplies_within_bounds() -> None:
    document = "<speak>" + '<prosody rate="200%">' * 8 + "fast" + "</prosody>" * 8 + "</speak>"
    (passage,) = read_ssml(document, "en-US")
    assert passage.rate == 4.0
