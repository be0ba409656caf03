"""Writes numbers, dates, times, percentages, currencies and units in words, as far as the language has rules here."""

import contextlib
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal

from babel.dates import get_month_names
from babel.numbers import get_currency_name, get_decimal_symbol, get_group_symbol
from num2words import num2words

from services.tts.speakable.phrases import Phrases, phrases_of
from services.tts.speakable.units import UnitWriter

MAX_DIGITS = 15
"""Longer numbers are read digit by digit, as are those that begin with a zero."""
SIGNS = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "US$": "USD"}
_CODES = "USD|EUR|GBP|JPY|INR|CHF|SEK|NOK|DKK|PLN|CAD|AUD|BRL|MXN|CNY"
_MAGNITUDES = "thousand|million|billion|trillion|mil|millones|millions|milliards|Millionen|Milliarden|Tausend"
SHORT_MAGNITUDES = {"k": "thousand", "m": "million", "M": "million", "bn": "billion"}
"""Behind an amount of money, in English."""
_YEAR_BEFORE = re.compile(
    r"\b(?:in|since|of|from|until|by|year|before|after|during|en|desde|de|año|depuis|année|seit|Jahr|bis|"
    r"January|February|March|April|May|June|July|August|September|October|November|December|\w+(?:th|first|second|third))"
    r"\W{1,2}$",
    re.I,
)
_ORDINAL = re.compile(r"\b(\d{1,6})(?:st|nd|rd|th)\b")
_ISO_DATE = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_TIME = re.compile(r"(?<![\d:.])([01]?\d|2[0-3]):([0-5]\d)(?::[0-5]\d)?(?![\d:])")
_DECADE = re.compile(r"\b(1[1-9]\d0|20\d0)s\b")
_DOTTED = re.compile(r"\b\d{1,5}(?:\.\d{1,5}){2,}\b")
_MONTH_DAY = re.compile(
    r"\b(January|February|March|April|May|June|July|August|September|October|November|December) (\d{1,2})\b(?!,\d)"
)


def numbers_in_words(text: str, language: str) -> str:
    """The text with its numbers in words; unchanged in a language without rules."""
    phrases = phrases_of(language)
    if phrases is None or not any(character.isdigit() for character in text):
        return text
    return _Writer(phrases).write(text)


class _Writer:
    def __init__(self, phrases: Phrases) -> None:
        self._phrases = phrases
        self._language = phrases.locale
        group, point = get_group_symbol(phrases.locale), get_decimal_symbol(phrases.locale)
        self._point = point
        # Of versions, whatever stands in the language's numbers.
        self._dot = {"es": "punto", "fr": "point", "de": "Punkt"}.get(phrases.locale, "point")
        grouped = rf"\d{{1,3}}(?:[{re.escape(group)}\u00a0\u202f]\d{{3}})+" if group != point else r"\d+"
        number = rf"(?:{grouped}|\d+)(?:[{re.escape(point)}]\d+)?"
        signs = "|".join(re.escape(sign) for sign in sorted(SIGNS, key=len, reverse=True))
        short = "|".join(SHORT_MAGNITUDES) if phrases.locale == "en" else "(?!)"
        magnitude = rf"(?:\s(?P<magnitude>{_MAGNITUDES})\b|(?P<short>{short})\b)?"
        self._money_before = re.compile(rf"(?P<sign>{signs}|\b(?:{_CODES})\s)\s?(?P<number>{number}){magnitude}")
        self._money_after = re.compile(
            rf"(?<![\w.,])(?P<number>{number}){magnitude}\s?(?P<sign>{signs}|(?:{_CODES})\b)"
        )
        self._range = re.compile(rf"(?<![\w.,-])({number})\s?[–-]\s?({number})(?![\w-])")
        self._percent = re.compile(rf"({number})\s?%")
        self._units = UnitWriter(phrases, number)
        self._number = re.compile(rf"(?<![\w.])([-−]?)({number})(?!\w)")
        self._rest = re.compile(r"\d+(?:\.\d+)*")

    def write(self, text: str) -> str:
        steps: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
            (_ISO_DATE, self._date),
            (_TIME, self._time),
            (self._money_before, self._money),
            (self._money_after, self._money),
            (_DOTTED, lambda match: f" {self._dot} ".join(self._cardinal(p) for p in match[0].split("."))),
            (self._range, lambda match: f"{match[1]} {self._phrases.until} {match[2]}"),
            (self._percent, lambda match: f"{match[1]} {self._phrases.percent}"),
        )
        if self._language == "en":
            steps += (
                (_MONTH_DAY, lambda match: f"{match[1]} {self._ordinal(int(match[2]))}"),
                (_ORDINAL, lambda match: self._ordinal(int(match[1]))),
                (_DECADE, lambda match: self._decade(int(match[1]))),
            )
        for pattern, replace in steps:
            text = pattern.sub(replace, text)
        text = self._units.write(text, self._cardinal)
        text = self._number.sub(self._plain, text)
        # Digits that touch letters ("B2", "COVID19").
        return self._rest.sub(self._touching, text)

    def _plain(self, match: re.Match[str]) -> str:
        minus = f"{self._phrases.minus} " if match[1] else ""
        if (
            not minus
            and re.fullmatch(r"1[1-9]\d\d|20\d\d", match[2])
            and _YEAR_BEFORE.search(match.string[: match.start()])
        ):
            return self._year(int(match[2]))
        return minus + self._cardinal(match[2])

    def _touching(self, match: re.Match[str]) -> str:
        after = " " if match.string[match.end() : match.end() + 1].isalpha() else ""
        parts = [self._cardinal(part) for part in match[0].split(".")]
        return f" {f' {self._dot} '.join(parts)}{after}"

    def _cardinal(self, number: str) -> str:
        whole, _, fraction = number.partition(self._point)
        digits = "".join(character for character in whole if character.isdigit())
        if len(digits) > MAX_DIGITS or (len(digits) > 1 and digits[0] == "0"):
            said = self._each_digit(digits)
        else:
            said = num2words(int(digits or 0), lang=self._language).replace(",", "")
        return f"{said} {self._phrases.point} {self._each_digit(fraction)}" if fraction else said

    def _each_digit(self, digits: str) -> str:
        return " ".join(num2words(int(digit), lang=self._language) for digit in digits if digit.isdigit())

    def _ordinal(self, number: int) -> str:
        return str(num2words(number, to="ordinal", lang=self._language))

    def _year(self, year: int) -> str:
        return str(num2words(year, to="year", lang=self._language)).replace(",", "")

    def _decade(self, year: int) -> str:
        said = self._year(year)
        return f"{said[:-1]}ies" if said.endswith("y") else f"{said}s"

    def _date(self, match: re.Match[str]) -> str:
        try:
            day = date(int(match[1]), int(match[2]), int(match[3]))
        except ValueError:
            return " ".join(self._cardinal(part) for part in match.groups())
        month = get_month_names("wide", locale=self._language)[day.month]
        if self._language == "en":
            return f"{month} {self._ordinal(day.day)}, {self._year(day.year)}"
        joined = " de " if self._language == "es" else " "
        return joined.join((self._cardinal(str(day.day)), month, self._year(day.year)))

    def _time(self, match: re.Match[str]) -> str:
        hour, minute = int(match[1]), int(match[2])
        hours = num2words(hour, lang=self._language)
        if self._language == "de":
            return f"{hours} Uhr" + (f" {num2words(minute, lang='de')}" if minute else "")
        if not minute:
            return f"{hours} {'hundred' if hour > 12 else 'o’clock'}" if self._language == "en" else str(hours)
        between = " oh " if minute < 10 and self._language == "en" else " "
        return f"{hours}{between}{num2words(minute, lang=self._language)}"

    def _money(self, match: re.Match[str]) -> str:
        sign = match["sign"].strip()
        currency = SIGNS.get(sign, sign)
        written = match["number"]
        digits = "".join(character for character in written if character.isdigit() or character == self._point)
        amount = Decimal(digits.replace(self._point, "."))
        if magnitude := match["magnitude"] or SHORT_MAGNITUDES.get(match["short"]):
            return f"{self._cardinal(written)} {magnitude} {self._currency(currency, 2)}"
        if amount == amount.to_integral_value():
            written = written.partition(self._point)[0]
        elif len(digits.partition(self._point)[2]) == 2 and len(digits) < MAX_DIGITS:
            # A language may not know the coins of a currency.
            with contextlib.suppress(NotImplementedError):
                return str(num2words(float(amount), to="currency", currency=currency, lang=self._language))
        return f"{self._cardinal(written)} {self._currency(currency, float(amount))}"

    def _currency(self, code: str, amount: float) -> str:
        name: str = get_currency_name(code, amount, locale=self._language)
        # "US dollars" where only dollars were written.
        return name.removeprefix("US ").removeprefix("British ").replace(" estadounidenses", "").replace("US-", "")
