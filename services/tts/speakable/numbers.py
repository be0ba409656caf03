"""Writes numbers, dates, times, percentages, currencies and units in words, as far as the language has rules here."""

import contextlib
import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal

from babel.numbers import get_currency_name, get_decimal_symbol, get_group_symbol
from num2words import num2words

from services.tts.speakable.calendar import CalendarWriter
from services.tts.speakable.phrases import Phrases, phrases_of
from services.tts.speakable.units import UNITS, UnitWriter

MAX_DIGITS = 15
"""Longer numbers are read digit by digit, as are those that begin with a zero."""
SIGNS = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "US$": "USD"}
_CODES = "USD|EUR|GBP|JPY|INR|CHF|SEK|NOK|DKK|PLN|CAD|AUD|BRL|MXN|CNY"
_MAGNITUDES = "thousand|million|billion|trillion|mil|millones|millions|milliards|Millionen|Milliarden|Tausend"
SHORT_MAGNITUDES = {"k": "thousand", "m": "million", "M": "million", "bn": "billion"}
"""Behind an amount of money, in English."""
_ORDINAL = re.compile(r"\b(\d{1,6})(?:st|nd|rd|th)\b")
_DOTTED = re.compile(r"\b\d{1,5}(?:\.\d{1,5}){2,}\b")
_NO_WHOLE = re.compile(r"(?<![\w.])\.(?=\d)")
_RATIO = re.compile(r"(?<![\d:.])(\d{1,3}):(\d{1,3})(?![\d:])")
_VULGAR = re.compile("[¼½¾⅐-⅞]")
_FRACTION = re.compile(r"(?<![\w./,$€£-])(?:(\d{1,4}) )?(\d{1,3})/(\d{1,3})(?![\w/]|[.,]\d)")
_PARTS = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 8: "eighth"}
"""What is read as a part of one where it is less than one; else "three out of ten"."""
_THOUSANDS = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)k\b")
_POWER = re.compile(r"(?<=[\w)])\^([-−]?\w{1,4})\b")
_RAISED = re.compile("(?<=[A-Za-z0-9)])([⁻]?[⁰¹²³⁴-⁹]+)")
_PHONE = re.compile(
    r"(?<![\w.,])(?:\+\d{1,3}(?:[ -]?\(?\d{1,5}\)?){2,5}|\(\d{2,5}\) ?\d{3,4}[ -]\d{3,4}|\d{3}-\d{3}-\d{4}|"
    r"0\d{2,4}(?: \d{3,4}){2,3})(?![\w-])"
)


def numbers_in_words(text: str, language: str) -> str:
    """The text with its numbers in words; unchanged in a language without rules."""
    phrases = phrases_of(language)
    if phrases is None or not any(character.isnumeric() or character in "/°" for character in text):
        return text
    return _Writer(phrases, language).write(text)


class _Writer:
    def __init__(self, phrases: Phrases, language: str) -> None:
        self._phrases = phrases
        month_first = language.lower().replace("_", "-") in ("en", "en-us")
        self._calendar = CalendarWriter(phrases.locale, phrases.until, month_first=month_first)
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
        per = r"(?:/(?P<per>[^\W\d_]+[²³]?))?"
        self._money_before = re.compile(
            rf"(?P<minus>(?<![\w)])[-−]\s?)?(?P<sign>{signs}|\b(?:{_CODES})\s)\s?(?P<less>[-−])?"
            rf"(?P<number>{number}){magnitude}{per}"
        )
        self._money_after = re.compile(
            rf"(?<![\w.,])(?P<minus>[-−])?(?P<less>(?!))?(?P<number>{number}){magnitude}\s?(?P<sign>{signs}|(?:{_CODES})\b){per}"
        )
        # "$5–10" is five to ten dollars; "$5–$10" and "5%–10%" tell what they count twice.
        self._money_range = re.compile(rf"({signs})\s?({number})\s?[–-]\s?({number})(?![\w-])")
        self._signed_range = re.compile(
            rf"((?:{signs})\s?{number}(?:\s?(?:{_MAGNITUDES}|{short})\b)?|{number}\s?%)\s?[–-]\s?(?=(?:{signs})\s?\d|[\d.,]+\s?%)"
        )
        self._european = re.compile(r"(?<=\d),(?=\d\d\s?€)|(?<=€)(\d+),(?=\d\d(?!\d))") if point == "." else None
        self._range = re.compile(rf"(?<![\w.,-])({number})\s?[–-]\s?({number})(?![\w-])")
        self._percent = re.compile(rf"({number})\s?%")
        self._units = UnitWriter(phrases, number)
        self._number = re.compile(rf"(?<![\w.])([-−]?)({number})(?!\w)")
        self._rest = re.compile(r"\d+(?:\.\d+)*")

    def write(self, text: str) -> str:
        text = _PHONE.sub(lambda match: self._phone(match[0]), text)
        if self._european is not None:
            text = self._european.sub(lambda match: f"{match[1] or ''}.", text)
        if self._language == "en":
            text = _VULGAR.sub(lambda match: f" {unicodedata.normalize('NFKC', match[0]).replace('⁄', '/')}", text)
            text = _THOUSANDS.sub(r"\1 thousand", _NO_WHOLE.sub("0.", text))
            text = _FRACTION.sub(self._fraction, text)
            text = _POWER.sub(lambda match: self._power(match[1]), text)
        text = self._calendar.write(text)
        steps: list[tuple[re.Pattern[str], Callable[[re.Match[str]], str]]] = [
            (self._money_range, lambda match: f"{match[2]} {self._phrases.until} {match[1]}{match[3]}"),
            (self._signed_range, lambda match: f"{match[1]} {self._phrases.until} "),
            (self._money_before, self._money),
            (self._money_after, self._money),
            (_DOTTED, lambda match: f" {self._dot} ".join(self._cardinal(p) for p in match[0].split("."))),
            (self._range, lambda match: f"{match[1]} {self._phrases.until} {match[2]}"),
            (self._percent, lambda match: f"{match[1]} {self._phrases.percent}"),
        ]
        if self._language == "en":
            steps += [
                (_ORDINAL, lambda match: self._ordinal(int(match[1]))),
                (_RATIO, lambda match: f"{match[1]} to {match[2]}"),
            ]
        for pattern, replace in steps:
            text = pattern.sub(replace, text)
        text = self._units.write(text, self._cardinal)
        if self._language == "en":
            text = _RAISED.sub(lambda match: self._power(unicodedata.normalize("NFKC", match[1])), text)
        text = self._number.sub(self._plain, text)
        # Digits that touch letters ("B2", "COVID19").
        return self._rest.sub(self._touching, text)

    def _plain(self, match: re.Match[str]) -> str:
        minus = f"{self._phrases.minus} " if match[1] else ""
        if not minus and self._calendar.is_year(match[2], match.string[: match.start()]):
            return self._calendar.year(int(match[2]))
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

    def _phone(self, written: str) -> str:
        plus = f"{self._phrases.signs['+']} " if written.startswith("+") else ""
        return plus + ", ".join(self._each_digit(group) for group in re.findall(r"\d+", written))

    def _fraction(self, match: re.Match[str]) -> str:
        whole, above, below = match[1], int(match[2]), int(match[3])
        if above >= below or below not in _PARTS or (below == 5 and whole is None):
            between = " out of " if above < below else " "
            said = f"{self._cardinal(match[2])}{between}{self._cardinal(match[3])}"
            return f"{match[1]} {said}" if whole else said
        part = _PARTS[below] if above == 1 else f"{_PARTS[below].removesuffix('f')}{'ves' if below == 2 else 's'}"
        said = f"{self._cardinal(match[2])} {part}"
        return f"{self._cardinal(whole)} and {said}" if whole else said

    def _power(self, exponent: str) -> str:
        if exponent in ("2", "3"):
            return " squared" if exponent == "2" else " cubed"
        sign = f"{self._phrases.minus} " if exponent[0] in "-−" else ""
        digits = exponent.lstrip("-−")
        return f" to the power of {sign}{self._cardinal(digits) if digits.isdigit() else digits}"

    def _money(self, match: re.Match[str]) -> str:
        sign = match["sign"].strip()
        currency = SIGNS.get(sign, sign)
        written = match["number"]
        digits = "".join(character for character in written if character.isdigit() or character == self._point)
        amount = Decimal(digits.replace(self._point, "."))
        minus = f"{self._phrases.minus} " if match["minus"] or match["less"] else ""
        return minus + self._amount(match, written, digits, amount, currency) + self._counted_in(match["per"])

    def _amount(self, match: re.Match[str], written: str, digits: str, amount: Decimal, currency: str) -> str:
        if magnitude := match["magnitude"] or SHORT_MAGNITUDES.get(match["short"]):
            return f"{self._cardinal(written)} {magnitude} {self._currency(currency, 2)}"
        if amount == amount.to_integral_value():
            written = written.partition(self._point)[0]
        elif len(digits.partition(self._point)[2]) == 2 and len(digits) < MAX_DIGITS:
            # A language may not know the coins of a currency.
            with contextlib.suppress(NotImplementedError):
                return self._coins(amount, currency)
        return f"{self._cardinal(written)} {self._currency(currency, float(amount))}"

    def _coins(self, amount: Decimal, currency: str) -> str:
        how = {"separator": " and"} if self._language == "en" else {}
        said = str(num2words(float(amount), to="currency", currency=currency, lang=self._language, **how))
        if self._language != "en":
            return said
        said = said.replace(",", "").replace(" sterling", "")
        return said.partition(" and ")[2] if amount < 1 else said

    def _counted_in(self, unit: str | None) -> str:
        """Behind an amount of money: "/kg", "/month"."""
        if not unit:
            return ""
        return f" {self._phrases.per} {self._units.one_of(unit) if unit in UNITS else unit}"

    def _currency(self, code: str, amount: float) -> str:
        name: str = get_currency_name(code, amount, locale=self._language)
        # "US dollars" where only dollars were written.
        return name.removeprefix("US ").removeprefix("British ").replace(" estadounidenses", "").replace("US-", "")
