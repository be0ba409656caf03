"""A voice is found by its name, by its language, or by none; what is not there is told in a few words."""

import pytest

from services.kit.errors import InvalidInput, NotFound
from services.tts.engine import Gender, Voice
from services.tts.voices import Voices


def voice(name: str, language: str) -> Voice:
    return Voice(name, language, Gender.UNKNOWN, "CC0-1.0", 16_000)


VOICES = Voices([voice("one", "en-US"), voice("two", "en-GB"), voice("tres", "es-ES")], "en-GB")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (("", ""), "two"),
        (("", "en"), "one"),
        (("", "EN_us"), "one"),
        (("", "en-AU"), "one"),
        (("", "es-MX"), "tres"),
        (("tres", ""), "tres"),
        (("two", "en"), "two"),
    ],
)
def test_the_voice_that_is_meant_is_found(asked: tuple[str, str], found: str) -> None:
    assert VOICES.pick(*asked).id == found


def test_what_is_not_there_is_told() -> None:
    with pytest.raises(NotFound, match="there are one, tres, two"):
        VOICES.pick("four", "")
    with pytest.raises(NotFound, match="no voice speaks 'tlh'; there is en-GB, en-US, es-ES"):
        VOICES.pick("", "tlh")
    with pytest.raises(InvalidInput, match="speaks en-US, not 'es'"):
        VOICES.pick("one", "es")


def test_of_hundreds_of_speakers_an_error_names_some() -> None:
    many = Voices([voice(f"speaker{number:03}", "en-US") for number in range(904)], "en-US")
    with pytest.raises(NotFound, match=r"speaker019 and 884 more$") as told:
        many.pick("x" * 10_000, "")
    assert len(told.value.message) < 500
