"""Finds personal data that has a form: e-mail addresses, telephone, bank account, payment card and network numbers.

A number counts only where its own check digits, or the numbering plan of its country, say so. Names of people have
no form, and are not found.
"""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

import phonenumbers
from stdnum import iban, luhn

MASK = "•"
_EMAIL = re.compile(r"[\w.+-]{1,64}@(?:[\w-]{1,63}\.)+[a-z]{2,24}\b", re.I)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){3,8}\b")
_CARD = re.compile(r"\b\d(?:[ -]?\d){12,18}\b")
_BEFORE_MORE_DIGITS = re.compile(r"[\dA-Z]\d*[ .-]?$")
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")


@dataclass(frozen=True, slots=True)
class Personal:
    """Where personal data stands: characters [start, end)."""

    start: int
    end: int
    kind: str


class PersonalData:
    """Holds nothing of a call.

    Args:
        region: ISO 3166 code of the country whose telephone numbers are written without a country code.
    """

    def __init__(self, region: str) -> None:
        self._region = region

    def find(self, text: str) -> list[Personal]:
        """In order, without overlaps."""
        found: list[Personal] = []
        for personal in sorted(self._all(text), key=lambda it: (it.start, -it.end)):
            if not found or personal.start >= found[-1].end:
                found.append(personal)
        return found

    def redact(self, text: str, *, named: bool = True) -> tuple[str, list[str]]:
        """The text without them, and the kinds of what was taken out.

        Args:
            named: whether the kind stands in the place of each, as a reader wants it; a search does not.
        """
        found = self.find(text)
        for personal in reversed(found):
            text = f"{text[: personal.start]}{f'‹{personal.kind}›' if named else ''}{text[personal.end :]}"
        return text, [personal.kind for personal in found]

    def mask(self, text: str) -> str:
        """The text with as many marks in place of each: what points into it stays true."""
        for personal in self.find(text):
            text = text[: personal.start] + MASK * (personal.end - personal.start) + text[personal.end :]
        return text

    def _all(self, text: str) -> Iterator[Personal]:
        for match in _EMAIL.finditer(text):
            yield Personal(match.start(), match.end(), "e-mail address")
        for match in _IBAN.finditer(text):
            if iban.is_valid(match.group(), check_country=False):
                yield Personal(match.start(), match.end(), "bank account")
        for match in _CARD.finditer(text):
            if luhn.is_valid(re.sub(r"\D", "", match.group())):
                yield Personal(match.start(), match.end(), "card number")
        for match in _ADDRESS.finditer(text):
            if _is_address(match.group()):
                yield Personal(match.start(), match.end(), "network address")
        for number in phonenumbers.PhoneNumberMatcher(text, self._region, phonenumbers.Leniency.POSSIBLE):
            if sum(map(str.isdigit, number.raw_string)) >= 7 and not _BEFORE_MORE_DIGITS.search(text[: number.start]):
                yield Personal(number.start, number.end, "telephone number")


def _is_address(text: str) -> bool:
    try:
        return not ipaddress.ip_address(text).is_unspecified
    except ValueError:
        return False
