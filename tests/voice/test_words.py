"""What words are worth, and what of an answer was heard."""

import pytest

from services.voice.answering.in_language import Sentences
from services.voice.hearing.words import finished, worth
from services.voice.speaking.spoken_words import SpokenWords
from services.voice.turns.inputs import Words

SPOKEN = "The pump house is twelve metres tall and holds three pumps"


@pytest.mark.parametrize(
    ("text", "language", "spoken", "is_worth"),
    [
        ("", "en", SPOKEN, Words.NONE),
        (" … ", "en", SPOKEN, Words.NONE),
        ("Mm-hm.", "en-US", SPOKEN, Words.BACKCHANNEL),
        ("yeah, okay", "en", SPOKEN, Words.BACKCHANNEL),
        ("ja genau", "de-DE", "", Words.BACKCHANNEL),
        ("sí, claro", "es", "", Words.BACKCHANNEL),
        ("oui", "fr", "", Words.BACKCHANNEL),
        ("okay stop", "en", SPOKEN, Words.SPEECH),
        ("house is twelve metres tall", "en", SPOKEN, Words.ECHO),
        ("pumps", "en", SPOKEN, Words.ECHO),
        ("Kaye.", "en", SPOKEN, Words.WORD),
        ("gato", "es", SPOKEN, Words.WORD),
        ("Stop!", "en-US", SPOKEN, Words.SPEECH),
        ("why", "", SPOKEN, Words.SPEECH),
        ("espera", "es-ES", SPOKEN, Words.SPEECH),
        ("¿Qué?", "es", SPOKEN, Words.SPEECH),
        ("kay what", "en", SPOKEN, Words.SPEECH),
        ("how tall is the pump house", "en", SPOKEN, Words.SPEECH),
        ("and the pumps are they old", "en", SPOKEN, Words.SPEECH),
    ],
)
def test_words_interrupt_unless_they_are_a_nod_or_an_echo(
    text: str, language: str, spoken: str, is_worth: Words
) -> None:
    assert worth(text, language, spoken) is is_worth


@pytest.mark.parametrize(
    ("text", "language", "is_finished"),
    [
        ("how tall is the pump house", "en", True),
        ("how tall is the", "en-GB", False),
        ("how tall is it and", "", False),
        ("I would like to know,", "en", False),
        ("wie hoch ist das", "de", False),
        ("wie hoch ist das Haus", "de", True),
        ("cuánto mide la", "es", False),
        ("", "en", True),
    ],
)
def test_what_ends_in_the_middle_sounds_unfinished(text: str, language: str, is_finished: bool) -> None:
    assert finished(text, language) is is_finished


def spoken_words(*, with_times: bool) -> SpokenWords:
    spoken = SpokenWords("It is 26 metres tall [1]. It was built in 1931.", 3000)
    if with_times:
        said = "it is twenty-six metres tall it was built in nineteen thirty-one".split()
        for number, word in enumerate(said):
            spoken.add_word(word, number * 270)
    return spoken


@pytest.mark.parametrize(
    ("heard_ms", "text"),
    [
        (0, ""),
        (100, "It"),
        (600, "It is"),
        (900, "It is 26 metres"),
        (1300, "It is 26 metres tall"),
        (2000, "It is 26 metres tall [1]. It was built"),
    ],
)
def test_what_was_heard_ends_with_the_last_word_that_had_begun(heard_ms: int, text: str) -> None:
    assert spoken_words(with_times=True).until(heard_ms) == text


def test_all_of_it_was_heard_only_where_all_of_it_has_its_audio() -> None:
    spoken = spoken_words(with_times=True)
    assert not spoken.until(3000).endswith("1931.")
    spoken.is_whole = True
    assert spoken.until(3000) == spoken.text


def test_without_word_times_it_is_in_proportion_and_in_whole_words() -> None:
    spoken = spoken_words(with_times=False)
    spoken.is_whole = True
    heard = spoken.until(1500)
    assert spoken.text.startswith(heard)
    assert 15 <= len(heard) <= 30
    assert not spoken.text[len(heard) :][:1].strip()


def test_sentences_keep_their_marks_wherever_text_is_cut() -> None:
    text = "It is tall. [1] It holds 3.5 pumps [2][3]. Nobody knows"
    for size in range(1, 20):
        sentences = Sentences()
        found = [
            sentence for start in range(0, len(text), size) for sentence in sentences.add(text[start : start + size])
        ]
        found += sentences.finish()
        assert "".join(found) == text
        assert [sentence.strip() for sentence in found] == [
            "It is tall. [1]",
            "It holds 3.5 pumps [2][3].",
            "Nobody knows",
        ], size
