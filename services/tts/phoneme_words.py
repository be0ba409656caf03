"""Tells when words are heard from when their phonemes are, as espeak writes both."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby

_NO_SOUND = frozenset("^$_ˈˌ")
"""Where a sentence begins and ends, padding, stress."""


@dataclass(frozen=True, slots=True)
class PhonemeTime:
    phoneme: str
    start_s: float
    end_s: float


def word_times(
    text: str, phonemes: Sequence[PhonemeTime], phonemes_of: Callable[[str], Sequence[str]]
) -> list[tuple[str, float, float]]:
    """The words of the text with when they begin and end, in order.

    Args:
        phonemes: all of the text, spaces between words and marks included.
        phonemes_of: how a word sounds alone, for where espeak runs words together ("of the") or parts one.
    """
    words = [bare for word in text.split() if (bare := _bare(word))]
    heard = [list(group) for space, group in groupby(phonemes, lambda one: one.phoneme == " ") if not space]
    groups = [sounds for group in heard if (sounds := [one for one in group if _sounds(one.phoneme)])]
    if len(groups) == len(words):
        return [(word, group[0].start_s, group[-1].end_s) for word, group in zip(words, groups, strict=True)]
    sounds = [one for group in groups for one in group]
    return _by_likeness(words, sounds, phonemes_of) if sounds else []


def _by_likeness(
    words: Sequence[str], sounds: Sequence[PhonemeTime], phonemes_of: Callable[[str], Sequence[str]]
) -> list[tuple[str, float, float]]:
    """Each word begins where the sounds that it has alone are found; between such places by proportion."""
    alone: list[str] = []
    begins: list[int] = []
    for word in words:
        begins.append(len(alone))
        alone += [phoneme for phoneme in phonemes_of(word) if _sounds(phoneme)]
    matcher = SequenceMatcher(None, alone, [one.phoneme for one in sounds], autojunk=False)
    known = [(0, 0)]
    for block in matcher.get_matching_blocks():
        known += [(block.a + place, block.b + place) for place in range(block.size)]
    known.append((len(alone), len(sounds)))
    places = [_between(known, begin) for begin in (*begins, len(alone))]
    starts_s = [*(sound.start_s for sound in sounds), sounds[-1].end_s]
    return [
        (word, starts_s[place], sounds[after - 1].end_s if after > place else starts_s[place])
        for word, place, after in zip(words, places, places[1:], strict=False)
    ]


def _between(known: Sequence[tuple[int, int]], alone: int) -> int:
    before = max(pair for pair in known if pair[0] <= alone)
    after = min(pair for pair in known if pair[0] >= alone)
    if after[0] == before[0]:
        return before[1]
    return before[1] + round((after[1] - before[1]) * (alone - before[0]) / (after[0] - before[0]))


def _sounds(phoneme: str) -> bool:
    return phoneme not in _NO_SOUND and any(unicodedata.category(one)[0] in "LM" for one in phoneme)


def _bare(word: str) -> str:
    """Without the marks around it."""
    return word.strip("".join(character for character in word if not character.isalnum()))
