"""Finds personal data that has a form: e-mail addresses, telephone, bank account, payment card and network numbers.

A number counts only where its own check digits, or the numbering plan of its country, say so. Names of people have
no form, and are not found.
"""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import phonenumbers
from stdnum import iban, luhn

MASK = "•"
_EMAIL = re.compile(r"[\w.+'’-]{1,64}@(?:[\w-]{1,63}\.)+[^\W\d_]{2,24}\b")
# Runs that may hold such a number among other numbers and words: it is looked for from each of their pieces on.
_IBAN_BEGIN = re.compile(r"\b[A-Z]{2}\d{2}(?= ?[A-Z0-9])", re.I)
_PIECES_OF_IBAN = re.compile(r" ?[A-Z0-9]+", re.I)
_DIGITS = re.compile(r"\d+(?:[ .-]\d+)*")
_PIECE = re.compile(r"\d+")
_BEFORE_MORE_DIGITS = re.compile(r"[\dA-Z]\d*[ .-]?$")
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])", re.I)
IBAN_CHARACTERS = range(15, 35)
CARD_DIGITS = range(13, 20)
CARD_BLOCKS = ((4, 4, 4, 4, 3), (4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (16,), (15,))
"""How cards are written, by digits."""
ISSUERS = "3456"
"""First digits of nearly all cards; years begin otherwise."""


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
        """In order, without overlaps: what overlaps is one, of the kind that begins first."""
        found: list[Personal] = []
        for personal in sorted(self._all(text), key=lambda it: (it.start, -it.end)):
            if not found or personal.start >= found[-1].end:
                found.append(personal)
            elif personal.end > found[-1].end:
                found[-1] = replace(found[-1], end=personal.end)
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
        for start, end in _accounts(text):
            yield Personal(start, end, "bank account")
        for start, end in _cards(text):
            yield Personal(start, end, "card number")
        for match in _ADDRESS.finditer(text):
            if _is_address(match.group()):
                yield Personal(match.start(), match.end(), "network address")
        for number in phonenumbers.PhoneNumberMatcher(text, self._region, phonenumbers.Leniency.POSSIBLE):
            if sum(map(str.isdigit, number.raw_string)) >= 7 and not _BEFORE_MORE_DIGITS.search(text[: number.start]):
                yield Personal(number.start, number.end, "telephone number")


def _accounts(text: str) -> Iterator[tuple[int, int]]:
    """Each the longest that is one: words that follow it look like more pieces of it."""
    for match in _IBAN_BEGIN.finditer(text):
        longest, end = 0, match.end()
        while (piece := _PIECES_OF_IBAN.match(text, end)) and len(_plain(text[match.start() : piece.end()])) <= 34:
            end = piece.end()
            account = _plain(text[match.start() : end])
            if len(account) in IBAN_CHARACTERS and iban.is_valid(account, check_country=False):
                longest = end
        if longest:
            yield match.start(), longest


def _cards(text: str) -> Iterator[tuple[int, int]]:
    """Whole runs of digits; in a run of several numbers what is written in blocks as cards are, for an expiry date may
    follow, or a count stand before. Other parts of a run are not tried: of ten numbers one passes the check."""
    for run in _DIGITS.finditer(text):
        if len(_plain(run.group())) in CARD_DIGITS and "." not in run.group() and luhn.is_valid(_plain(run.group())):
            yield run.span()
            continue
        pieces = list(_PIECE.finditer(text, run.start(), run.end()))
        for place in range(len(pieces)):
            for blocks in CARD_BLOCKS:
                card = pieces[place : place + len(blocks)]
                digits = "".join(piece.group() for piece in card)
                is_written_so = tuple(len(piece.group()) for piece in card) == blocks
                if is_written_so and digits[0] in ISSUERS and luhn.is_valid(digits):
                    yield card[0].start(), card[-1].end()


def _plain(text: str) -> str:
    return text.replace(" ", "").replace("-", "").upper()


def _is_address(text: str) -> bool:
    try:
        return not ipaddress.ip_address(text).is_unspecified
    except ValueError:
        return False
