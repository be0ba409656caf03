"""What is kept, on an engine that loses marks, doubles them, or makes some up; and in time that grows with the text."""

import time
from collections.abc import Sequence

import pytest

from services.translation.engine import Model, Pair
from services.translation.kept import Keeper
from services.translation.marks import ANY
from services.translation.translator import Translator

PAIR = Pair("en", "es", "careless")


class Careless:
    """Shouts, and does something to the marks."""

    models = (Model("careless", "careless"),)
    pairs = (PAIR,)

    def __init__(self, instead: str) -> None:
        self._instead = instead

    async def translate(self, sentences: Sequence[str], pair: Pair) -> list[str]:
        return [ANY.sub(self._instead, sentence.upper()) for sentence in sentences]

    async def close(self) -> None:
        """Holds nothing."""


@pytest.mark.parametrize("instead", ["", "\\g<0>\\g<0>", "\ue005", "x"])
async def test_what_an_engine_loses_is_put_back(instead: str) -> None:
    text = "hello {name}, you have %d <b>new</b> mails.\n  {a} see https://example.org/x. bye"
    (answer,) = await Translator(Careless(instead)).translate([text], PAIR, {"mails": "Mails"})
    assert answer == "HELLO {name}, YOU HAVE %d <b>NEW</b> Mails.\n  {a} SEE https://example.org/x. BYE"


async def test_marks_made_up_where_there_were_none_do_no_harm() -> None:
    class MakesUp(Careless):
        async def translate(self, sentences: Sequence[str], pair: Pair) -> list[str]:
            return [f"{sentence.upper()}\ue003" for sentence in sentences]

    assert await MakesUp("").translate(["a"], PAIR) == ["A\ue003"]
    assert await Translator(MakesUp("")).translate(["a {b} c"], PAIR, {}) == ["A {b} C"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("50% of 5 % so 100 %", []),
        ("%s %d %5.2f %1 %(x)s", ["%s", "%d", "%5.2f", "%1", "%(x)s"]),
        ("a < b and c > d", []),
        ("See (https://a.b/c), or www.x.org.", ["https://a.b/c", "www.x.org"]),
        ("me@x.org, {{ x }} ${y} &nbsp; AT&T", ["me@x.org", "{{ x }}", "${y}", "&nbsp;"]),
        ("Ledge Ledger Ledge-Box ledge", ["Ledge", "Ledge-Box"]),
    ],
)
def test_what_is_kept(text: str, kept: list[str]) -> None:
    terms = {"Ledge": "Ledge", "Ledge-Box": "Ledge-Box"}
    assert Keeper(terms).keep(text)[1] == kept


@pytest.mark.parametrize("piece", ["{", "<a", "a@", "a.", "%", "www.", "&", "http://", "{{", "%(", "a+"])
def test_time_grows_with_the_text_alone(piece: str) -> None:
    text = piece * (20_000 // len(piece))
    started_s = time.process_time()
    Keeper({"x" * 200: "y"}).keep(text)
    assert time.process_time() - started_s < 1
