"""Checks that every number, name and date of a sentence stands in the evidence that it cites.

Numbers are compared by value ("1,800" is "1800", "two" is "2"), names and dates by the stems of their words. What a
sentence claims beyond these (a "not", say) is not seen: the check finds invented facts, not wrong reasoning.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from services.rag.words import Words

MIN_SAID_SHARE = 0.5
"""Of the words of a sentence that tell something, more than this must stand in the evidence or in the question."""

_DATE_WORDS = frozenset(
    "january february march april may june july august september october november december monday tuesday wednesday "
    "thursday friday saturday sunday".split()
)
_NUMBER_WORDS = {
    word: str(value)
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty".split()
    )
} | {"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90"}
_FUNCTION_WORDS = frozenset(
    "a an the this that these those it its he she they we you i his her their our my your there here in on at by for "
    "from of to with and or but if when while as so no not yes is are was were be been has have had do does did will "
    "would can could may might must shall should what which who whom whose how why where each every all any some both "
    "one most more other another such only also then thus however therefore after before during under over about "
    "between because since until although according based per than".split()
)
_WORD = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)*")
NEAR = 16
"""Characters before a word that tell whether it begins a sentence."""
_BEGINS_SENTENCE = re.compile(r"(?:^|[.!?:]\s)[\s\"'“‘(\[]*$")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a sentence claims, in a form that can be compared."""

    facts: frozenset[str]
    """Its numbers by value, and the stems of its names and dates."""
    opening: frozenset[str]
    """The stem of a capitalised first word: a name, or a common word that only begins the sentence."""
    words: frozenset[str]
    """Stems of all its words that tell something."""


def claims(sentence: str, words: Words) -> Claims:
    """Takes a sentence apart."""
    facts: set[str] = set()
    opening: set[str] = set()
    told: set[str] = set()
    for match in _WORD.finditer(sentence):
        word = match.group()
        plain = word.lower()
        if word[0].isdigit():
            facts.add(_value(word))
        elif plain in _NUMBER_WORDS and plain != "one":
            facts.add(_NUMBER_WORDS[plain])
        elif plain not in _FUNCTION_WORDS:
            stem = words.stems(word)[0]
            told.add(stem)
            if word[0].isupper() or (plain in _DATE_WORDS and plain not in ("may", "march")):
                first = _BEGINS_SENTENCE.search(sentence, max(0, match.start() - NEAR), match.start()) is not None
                (opening if first and plain not in _DATE_WORDS else facts).add(stem)
    return Claims(frozenset(facts), frozenset(opening), frozenset(told))


def holds_up(sentence: str, evidence: Iterable[str], question: str, words: Words) -> bool:
    """Whether the evidence holds every fact of the sentence, and evidence or question most of its words."""
    held = _held(evidence, words)
    asked = _held([question], words)
    claimed = claims(sentence, words)
    if claimed.facts - held or claimed.opening - held - asked:
        return False
    said = claimed.words & (held | asked)
    mostly_said = not claimed.words or len(said) > MIN_SAID_SHARE * len(claimed.words)
    return mostly_said and bool(claimed.facts or claimed.words & held)


def _held(texts: Iterable[str], words: Words) -> set[str]:
    held: set[str] = set()
    for text in texts:
        for word in _WORD.findall(text):
            if word[0].isdigit():
                held.add(_value(word))
            else:
                held.add(words.stems(word)[0])
                if word.lower() in _NUMBER_WORDS:
                    held.add(_NUMBER_WORDS[word.lower()])
    return held


def _value(text: str) -> str:
    """A number without thousands separators, leading zeros, and zeros after the decimals; a time as it is."""
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", text):
        text = text.replace(",", "")
    if not re.fullmatch(r"\d+(?:[.,]\d+)?", text):
        return text
    whole, _, fraction = text.replace(",", ".").partition(".")
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole
