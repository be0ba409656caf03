"""What a language model writes is made speakable."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tts.speakable import speakable


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("## Results", "Results"),
        ("**Bold**, *slanted* and ~~`gone`~~ words", "Bold, slanted and gone words"),
        ("- one\n- two", "one. two."),
        ("See [the report](https://x.y/z?a=1) now", "See the report now"),
        ("![a picture](x.png) Look", "Look"),
        ("Go to https://a.b/c_d(e)?f=1#g.", "Go to the link."),
        ("It is 40 m [1], [2, 3] high [^4].", "It is forty metres, high."),
        ("| Name | Depth |\n|---|---|\n| B2 | 40 |", "Name, Depth. B two, forty."),
        ("Run `x = f(1)` first", "Run first"),
        ("Press `start` first", "Press start first"),
        ("Great 🎉👨‍👩‍👧🇪🇸 day", "Great day"),
        ("A → B ✓ ™", "A B"),
        ("<b>x</b> & y", "x and y"),
        ("snake_case", "snake case"),
        ("It costs $5.20", "It costs five dollars and twenty cents"),
        ("It costs €1,234", "It costs one thousand two hundred and thirty-four euros"),
        ("It costs $3.5 million", "It costs three point five million dollars"),
        ("5 USD", "five dollars"),
        ("On 2026-11-23", "On November twenty-third, twenty twenty-six"),
        ("On 2026-13-45", "On two thousand and twenty-six thirteen forty-five"),
        ("May 5, 2026", "May fifth, twenty twenty-six"),
        ("in 1999", "in nineteen ninety-nine"),
        ("1999 pumps", "one thousand nine hundred and ninety-nine pumps"),
        ("at 14:30 and 8:05", "at fourteen thirty and eight oh five"),
        ("3.5 % of 5–10 kg", "three point five percent of five to ten kilograms"),
        ("-5 °C", "minus five degrees Celsius"),
        ("the 21st", "the twenty-first"),
        ("12 m deep, 1 km long", "twelve metres deep, one kilometre long"),
        ("52.3 Ml/d, 1 m³/h", "fifty-two point three megalitres per day, one cubic metre per hour"),
        ("5 h 30 min at 2.9 bar", "five hours thirty minutes at two point nine bar"),
        ("the 1990s, 3d, a 5-kg bag", "the nineteen nineties, three d, a five-kg bag"),
        ("$5m or £2bn", "five million dollars or two billion pounds"),
        ("v2.1 of CO2", "v two point one of CO two"),
        ("10^3", "ten cubed"),
        ("soft\u00adhyphen A™B", "softhyphen A B"),
        ("version 1.2.3", "version one point two point three"),
        ("code 007", "code zero zero seven"),
        ("9" * 20, " ".join(["nine"] * 20)),
        ("🎉", ""),
        ("[1]", ""),
        ("£0.99, $1,234.56", "ninety-nine pence, one thousand two hundred and thirty-four dollars and fifty-six cents"),
        ("-$5, $-5 and $.50", "minus five dollars, minus five dollars and fifty cents"),
        (
            "$5–10, $5-$10 and 5%–10%",
            "five to ten dollars, five dollars to ten dollars and five percent to ten percent",
        ),
        ("€3,50 or 3,50 €", "three euro and fifty cents or three euro and fifty cents"),
        ("$1.50/kg, $4/month", "one dollar and fifty cents per kilogram, four dollars per month"),
        ("a share of .5", "a share of zero point five"),
        ("½ cup, 3/4, 1 1/2 and 7/10", "one half cup, three quarters, one and one half and seven out of ten"),
        ("24/7, 16:9", "twenty-four seven, sixteen to nine"),
        ("Nov 23, 2026", "November twenty-third, twenty twenty-six"),
        ("on 5 May", "on the fifth of May"),
        (
            "11/23/2026, 23.11.2026",
            "November twenty-third, twenty twenty-six, November twenty-third, twenty twenty-six",
        ),
        ("from 2024–2026", "from twenty twenty-four to twenty twenty-six"),
        ("10:30–11:45, 10:00 am", "ten thirty to eleven forty-five, ten a m"),
        ("9am-5pm, 00:00, 10:30:45", "nine a m to five p m, midnight, ten thirty and forty-five seconds"),
        ("Call (555) 123-4567", "Call five five five, one two three, four five six seven"),
        ("+44 20 7946 0958", "plus four four, two zero, seven nine four six, zero nine five eight"),
        ("e.g. valves, i.e. two, etc.", "for example valves, that is two, et cetera."),
        ("No. 5, Fig. 3, p. 12 and § 4", "number five, Figure three, page twelve and section four"),
        ("No. That is no.", "No. That is no."),
        ("≤ 5 or <3, ~7 and ≥2 m", "at most five or less than three, about seven and at least two metres"),
        ("in mg/l, per m³ and °C", "in milligrams per litre, per cubic metre and degrees Celsius"),
        ("9.8 m/s², 5 Mbit/s, 6 ft", "nine point eight metres per second squared, five megabits per second, six feet"),
        ("x² and 10⁻³", "x squared and ten to the power of minus three"),
        ("$x^2$ for $5 and $6", "x squared for five dollars and six dollars"),
        ("and/or see report.pdf", "and or see report dot pdf"),
        ("- [x] done\n- [ ] not yet", "done. not yet."),
        ("It is deep (see [1]).", "It is deep."),
    ],
)
def test_english(written: str, said: str) -> None:
    assert speakable(written, "en-US") == said


@pytest.mark.parametrize(
    ("language", "written", "said"),
    [
        ("es-ES", "Cuesta 5,20 €", "Cuesta cinco euros con veinte céntimos"),
        ("es", "3,5 %", "tres coma cinco por ciento"),
        ("de-DE", "1.234,5 km um 14:30",
         "eintausendzweihundertvierunddreißig Komma fünf Kilometer um vierzehn Uhr dreißig"),
        ("fr", "le 2026-11-23", "le vingt-trois novembre deux mille vingt-six"),
        ("es", "1 h, 1 m y 2 km/h", "una hora, un metro y dos kilómetros por hora"),
        ("fr", "1 h et 1,5 m", "une heure et un virgule cinq mètre"),
        ("de", "1 h, 1 m, -2 t, v2.1", "eine Stunde, ein Meter, minus zwei Tonnen, v zwei Punkt eins"),
        ("en-GB", "3/4/2026", "April third, twenty twenty-six"),
        ("en-US", "3/4/2026", "March fourth, twenty twenty-six"),
        ("de", "z. B. Nr. 5 seit 1.5.2026", "zum Beispiel Nummer fünf seit eins Mai zweitausendsechsundzwanzig"),
        ("es", "≥ 5 m el 23/11/2026", "al menos cinco metros el veintitrés de noviembre de dos mil veintiséis"),
        ("fr", "p. ex. -5 € à 14:30", "par exemple moins cinq euros à quatorze trente"),
        ("ja", "**5 時**です。🎉", "5 時です。"),
    ],
)  # fmt: skip
def test_other_languages(language: str, written: str, said: str) -> None:
    assert speakable(written, language) == said


@given(st.text(max_size=300), st.sampled_from(["en-US", "es", "de", "fr", "ja", ""]))
def test_any_text_gives_only_what_can_be_spoken(text: str, language: str) -> None:
    said = speakable(text, language)
    assert said == "" or any(character.isalnum() for character in said)
    assert not set(said) & set("*`|<>[]{}#~^\\\n\r\t🎉")


@pytest.mark.parametrize(
    "part",
    [
        "1/",
        "1.1.",
        "-1 ",
        "1 km/h ",
        "$1.1 ",
        "1990s ",
        "1,",
        "9",
        "1:00 ",
        "1–",
        "5 % ",
        "v1.2 ",
        "1/2 ",
        "+1 ",
        "$x",
        "e.g.",
        "a/",
        "(",
        "1-",
        "$1–",
        "[x] ",
        "½",
        "¹",
        "Nov 1 ",
    ],
)
def test_a_long_text_takes_time_that_grows_with_its_length(part: str) -> None:
    started_s = time.process_time()
    # As long as a clause can be, many times over.
    speakable((part * 280)[:280], "en-US")
    assert time.process_time() - started_s < 0.5
    speakable(part * 2000, "en-US")
    assert time.process_time() - started_s < 5
