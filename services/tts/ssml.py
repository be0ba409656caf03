"""Reads the safe subset of SSML that every engine speaks, into passages; refuses all else by name."""

import re
import xml.parsers.expat
from dataclasses import dataclass, field

from services.kit.errors import InvalidInput
from services.tts.speakable import speakable

MAX_DEPTH = 16
MAX_BREAK_S = 10.0
MAX_PASSAGES = 2000
_TIME = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)(ms|s)")
_PERCENT = re.compile(r"([+-]?\d{1,3}(?:\.\d{1,2})?)%")
_DECIBELS = re.compile(r"([+-]\d{1,2}(?:\.\d{1,2})?)dB")
_BREAKS_S = {"none": 0.0, "x-weak": 0.1, "weak": 0.2, "medium": 0.4, "strong": 0.7, "x-strong": 1.0}
_RATES = {"x-slow": 0.5, "slow": 0.75, "medium": 1.0, "default": 1.0, "fast": 1.35, "x-fast": 1.8}
_VOLUMES = {"silent": 0.0, "x-soft": 0.25, "soft": 0.5, "medium": 1.0, "default": 1.0, "loud": 1.4, "x-loud": 2.0}
_SPELLED = {"characters", "spell-out", "verbatim"}
_READ_AS = _SPELLED | {"digits", "telephone", "cardinal", "number", "ordinal", "date", "time", "currency"}
_ATTRIBUTES = {
    "speak": {"version", "xml:lang", "xmlns"},
    "p": set[str](),
    "s": set[str](),
    "break": {"time", "strength"},
    "sub": {"alias"},
    "say-as": {"interpret-as", "format"},
    "phoneme": {"alphabet", "ph"},
    "prosody": {"rate", "volume"},
}


@dataclass(frozen=True)
class Passage:
    """Speakable text that is spoken in one way, and the silence behind it."""

    text: str
    rate: float = 1.0
    gain: float = 1.0
    pause_s: float = 0.0


@dataclass
class _Open:
    """An element that is being read."""

    name: str
    rate: float
    gain: float
    alias: str | None = None
    read_as: str | None = None
    text: list[str] = field(default_factory=list)


def read_ssml(document: str, language: str) -> list[Passage]:
    """The passages of a `<speak>` element, in order.

    Raises:
        InvalidInput: it is not well-formed, too deep, or holds what is not in the subset.
    """
    reader = _Reader(language)
    parser = xml.parsers.expat.ParserCreate(namespace_separator=None)
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    parser.StartDoctypeDeclHandler = lambda *_: _refuse("a document type")
    parser.EntityDeclHandler = lambda *_: _refuse("an entity")
    parser.ProcessingInstructionHandler = lambda *_: _refuse("a processing instruction")
    try:
        parser.Parse(document.encode(), True)
    except xml.parsers.expat.ExpatError as error:
        told = xml.parsers.expat.errors.messages.get(error.code, "") or str(error)
        raise InvalidInput(f"the SSML is not well-formed: {told} in line {error.lineno}") from None
    except UnicodeEncodeError:
        raise InvalidInput("the SSML is not valid Unicode") from None
    return reader.passages


def _refuse(what: str) -> None:
    raise InvalidInput(f"SSML may not hold {what} here")


class _Reader:
    """Text goes on through elements that change nothing of its way, so that a sentence stays one for the voice."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._open: list[_Open] = []
        self._run: list[str] = []
        self._run_way = (1.0, 1.0)
        self.passages: list[Passage] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if (name == "speak") != (not self._open):
            raise InvalidInput("SSML is one <speak> element")
        if name not in _ATTRIBUTES:
            raise InvalidInput(f"<{name[:40]}> is not in the subset of SSML that is spoken here")
        if unknown := set(attributes) - _ATTRIBUTES[name]:
            raise InvalidInput(f"<{name}> has no attribute {min(unknown)[:40]!r} here")
        if len(self._open) >= MAX_DEPTH:
            raise InvalidInput(f"SSML is nested deeper than {MAX_DEPTH}")
        if self._open and self._open[-1].name in ("break", "sub", "say-as", "phoneme"):
            raise InvalidInput(f"<{self._open[-1].name}> holds text alone")
        self._say()
        outer = self._open[-1] if self._open else _Open("", 1.0, 1.0)
        element = _Open(name, outer.rate, outer.gain)
        match name:
            case "break":
                self._pause(_break_s(attributes))
            case "sub":
                element.alias = _needed(attributes, "sub", "alias")
            case "say-as":
                element.read_as = _needed(attributes, "say-as", "interpret-as")
                if element.read_as not in _READ_AS:
                    raise InvalidInput(f"say-as cannot interpret as {element.read_as[:40]!r}")
            case "phoneme":
                _needed(attributes, "phoneme", "ph")
            case "prosody":
                element.rate = min(4.0, max(0.25, outer.rate * _rate(attributes.get("rate", "medium"))))
                element.gain = min(4.0, outer.gain * _volume(attributes.get("volume", "medium")))
        self._open.append(element)

    def characters(self, text: str) -> None:
        self._open[-1].text.append(text)

    def end(self, name: str) -> None:
        self._say()
        self._open.pop()
        if name == "speak":
            self._end_run()
        if name in ("p", "s"):
            self._pause(0.4 if name == "p" else 0.2)

    def _say(self) -> None:
        """Turns what was read of the innermost element into a passage."""
        if not self._open:
            return
        element = self._open[-1]
        text, element.text = "".join(element.text), []
        if element.alias is not None and text:
            text = element.alias
        if element.read_as is not None:
            text = _read_as(text, element.read_as)
        if not text:
            return
        if (element.rate, element.gain) != self._run_way:
            self._end_run()
            self._run_way = (element.rate, element.gain)
        if self._run and self._run[-1][-1].isalnum() and text[0].isalnum():
            self._run.append(" ")
        self._run.append(text)

    def _end_run(self) -> None:
        text, self._run = "".join(self._run), []
        if said := speakable(text, self._language):
            self._add(Passage(said, *self._run_way))

    def _pause(self, pause_s: float) -> None:
        self._end_run()
        self._add(Passage("", pause_s=pause_s))

    def _add(self, passage: Passage) -> None:
        if len(self.passages) >= MAX_PASSAGES:
            raise InvalidInput(f"SSML has more than {MAX_PASSAGES} parts")
        self.passages.append(passage)


def _needed(attributes: dict[str, str], name: str, attribute: str) -> str:
    if not attributes.get(attribute, "").strip():
        raise InvalidInput(f"<{name}> needs the attribute {attribute!r}")
    return attributes[attribute].strip()


def _break_s(attributes: dict[str, str]) -> float:
    if (time := attributes.get("time")) is None:
        strength = attributes.get("strength", "medium")
        if strength not in _BREAKS_S:
            raise InvalidInput(f"a break has no strength {strength[:40]!r}")
        return _BREAKS_S[strength]
    match = _TIME.fullmatch(time.strip())
    if match is None:
        raise InvalidInput(f'{time[:40]!r} is not a time; write "500ms" or "1.5s"')
    pause_s = float(match[1]) / (1000 if match[2] == "ms" else 1)
    if pause_s > MAX_BREAK_S:
        raise InvalidInput(f"a break of {time[:40]}; the longest is {MAX_BREAK_S:g} s")
    return pause_s


def _rate(written: str) -> float:
    if written in _RATES:
        return _RATES[written]
    match = _PERCENT.fullmatch(written.strip())
    if match is None:
        raise InvalidInput(f'{written[:40]!r} is not a rate; write "slow", "fast" or "120%"')
    percent = float(match[1])
    return max(0.01, (100 + percent if written.strip()[0] in "+-" else percent) / 100)


def _volume(written: str) -> float:
    if written in _VOLUMES:
        return _VOLUMES[written]
    match = _DECIBELS.fullmatch(written.strip())
    if match is None:
        raise InvalidInput(f'{written[:40]!r} is not a volume; write "soft", "loud" or "-6dB"')
    return float(10 ** (float(match[1]) / 20))


def _read_as(text: str, kind: str) -> str:
    text = text.strip()
    if kind in _SPELLED:
        return ", ".join(character for character in text if not character.isspace())
    if kind in ("digits", "telephone"):
        return " ".join(character for character in text if character.isdigit() or character == "+")
    if kind == "ordinal" and text.isdigit() and len(text) <= 6:
        ending = "th" if text[-2:] in ("11", "12", "13") else {"1": "st", "2": "nd", "3": "rd"}.get(text[-1], "th")
        return text + ending
    return text
