"""Says dates, times of day, decades and years as they are said, in the language's way."""

import re
from collections.abc import Callable
from datetime import date

from babel.dates import get_month_names
from num2words import num2words

_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_YEAR_BEFORE = re.compile(
    r"\b(?:in|since|of|from|until|by|year|before|after|during|en|desde|de|año|depuis|année|seit|Jahr|bis|Q[1-4]|"
    rf"{_MONTHS}|\w*(?:th|first|second|third))"
    r"\W{1,2}$",
    re.I,
)
_YEAR = r"(?:1[1-9]\d\d|20\d\d)"
_YEAR_RANGE = re.compile(rf"(?<![\w.,/-])({_YEAR})\s?[–-]\s?({_YEAR})(?![\w/-])")
_ISO_DATE = re.compile(r"\b(\d{4})([-/])(\d{2})\2(\d{2})\b")
_DATE = re.compile(r"(?<![\w./-])(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?![\w/-])")
_TIME = re.compile(r"(?<![\d:.])([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?![\d:])(\s?[ap]\.?m\b\.?)?", re.I)
_TIME_RANGE = re.compile(r"(?<![\d:.])(\d{1,2}:\d\d(?:\s?[ap]\.?m\b\.?)?)\s?[–-]\s?(?=\d{1,2}:\d\d)", re.I)
_HOUR = re.compile(r"(?<![\d:.])(\d{1,2})\s?([ap])\.?m\b\.?", re.I)
_HOUR_RANGE = re.compile(r"(?<![\d:.])(\d{1,2}(?:\s?[ap]\.?m\b\.?)?)\s?[–-]\s?(?=\d{1,2}\s?[ap]\.?m\b)", re.I)
_DECADE = re.compile(r"\b(1[1-9]\d0|20\d0)s\b")
_MONTH_DAY = re.compile(rf"\b({_MONTHS}) (\d{{1,2}})(?:st|nd|rd|th)?\b(?!,\d|:)")
_DAY_MONTH = re.compile(rf"(?<![\d.,:/-])(?:\b(the) )?\b(\d{{1,2}})(?:st|nd|rd|th)? (?:of )?({_MONTHS})\b")


class CalendarWriter:
    """For one language; `month_first` is whether 3/4/2026 is in March."""

    def __init__(self, locale: str, until: str, *, month_first: bool) -> None:
        self._locale = locale
        self._until = until
        self._month_first = month_first

    def write(self, text: str) -> str:
        between = rf"\1 {self._until} "
        steps: list[tuple[re.Pattern[str], Callable[[re.Match[str]], str] | str]] = [
            (_ISO_DATE, lambda match: self._date(int(match[1]), int(match[3]), int(match[4]), match)),
            (_DATE, self._local_date),
            (_TIME_RANGE, between),
        ]
        if self._locale == "en":
            steps += [(_HOUR_RANGE, between)]
        steps += [(_TIME, self._time)]
        if self._locale == "en":
            steps += [
                (_HOUR, lambda match: f"{match[1]} {match[2].lower()} m"),
                (_MONTH_DAY, lambda match: f"{match[1]} {self._ordinal(int(match[2]))}"),
                (_DAY_MONTH, lambda match: f"the {self._ordinal(int(match[2]))} of {match[3]}"),
                (_DECADE, lambda match: self._decade(int(match[1]))),
            ]
        steps += [(_YEAR_RANGE, lambda match: f"{self.year(int(match[1]))} {self._until} {self.year(int(match[2]))}")]
        for pattern, replace in steps:
            text = pattern.sub(replace, text)
        return text

    def is_year(self, number: str, before: str) -> bool:
        return re.fullmatch(_YEAR, number) is not None and _YEAR_BEFORE.search(before[-24:]) is not None

    def year(self, year: int) -> str:
        return str(num2words(year, to="year", lang=self._locale)).replace(",", "")

    def _ordinal(self, number: int) -> str:
        return str(num2words(number, to="ordinal", lang=self._locale))

    def _decade(self, year: int) -> str:
        said = self.year(year)
        return f"{said[:-1]}ies" if said.endswith("y") else f"{said}s"

    def _local_date(self, match: re.Match[str]) -> str:
        first, second, year = int(match[1]), int(match[3]), int(match[4])
        # A number above twelve is no month; between points the day comes first everywhere.
        month_first = second > 12 or (self._month_first and first <= 12 and match[2] != ".")
        day, month = (second, first) if month_first else (first, second)
        return self._date(year, month, day, match)

    def _date(self, year: int, month: int, day: int, match: re.Match[str]) -> str:
        try:
            date(year, month, day)
        except ValueError:
            return " ".join(str(num2words(int(part), lang=self._locale)) for part in re.findall(r"\d+", match[0]))
        name = get_month_names("wide", locale=self._locale)[month]
        if self._locale == "en":
            return f"{name} {self._ordinal(day)}, {self.year(year)}"
        joined = " de " if self._locale == "es" else " "
        return joined.join((str(num2words(day, lang=self._locale)), name, self.year(year)))

    def _time(self, match: re.Match[str]) -> str:
        hour, minute = int(match[1]), int(match[2])
        if hour == 24 and minute:
            return match[0].replace(":", " ")
        hours = str(num2words(hour, lang=self._locale))
        minutes = str(num2words(minute, lang=self._locale))
        seconds = f" {num2words(int(match[3]), lang=self._locale)}" if match[3] else ""
        half = match[4] or ""
        if self._locale == "de":
            return f"{hours} Uhr" + (f" {minutes}" if minute or seconds else "") + seconds + half
        if self._locale != "en":
            return hours + (f" {minutes}" if minute or seconds else "") + seconds + half
        half = f" {half.strip()[0].lower()} m" if half else ""
        if seconds:
            return f"{hours}{' oh ' if minute < 10 else ' '}{minutes} and{seconds} seconds{half}"
        if minute:
            return f"{hours}{' oh ' if minute < 10 else ' '}{minutes}{half}"
        if half:
            return hours + half
        if hour in (0, 24):
            return "midnight"
        return f"{hours} {'hundred' if hour > 12 else 'o’clock'}"
