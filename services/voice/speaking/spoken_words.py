"""What of an answer has been heard after so many milliseconds of its audio, in the words of its text."""

import bisect
import re
from dataclasses import dataclass, field

NEAR_CHARACTERS = 60
"""A spoken word is looked for so far ahead in the text: numbers and dates are spoken in other words than written."""
CHARACTERS_PER_S = 18
"""Nobody is understood who speaks faster; bounds what may have been heard of a text that is not all spoken yet."""
_WORD_END = re.compile(r"\s|$")


@dataclass(slots=True)
class SpokenWords:
    """Grows while the answer is written and spoken."""

    text: str = ""
    length_ms: int = 0
    """Of the audio that is there by now."""
    is_whole: bool = False
    """Whether all of the text has its audio."""
    _starts_ms: list[int] = field(default_factory=list)
    _words: list[str] = field(default_factory=list)

    def add_word(self, text: str, start_ms: int) -> None:
        self._starts_ms.append(start_ms)
        self._words.append(text)

    def until(self, heard_ms: int) -> str:
        """The text up to the last word that had begun to sound. Without word times: in proportion."""
        if heard_ms <= 0:
            return ""
        if self.is_whole and heard_ms >= self.length_ms:
            return self.text
        if not self._words:
            share = min(1.0, heard_ms / self.length_ms) if self.length_ms else 0.0
            most = len(self.text) if self.is_whole else heard_ms * CHARACTERS_PER_S / 1000
            return self._up_to(round(min(len(self.text) * share, most)))
        begun = bisect.bisect_left(self._starts_ms, heard_ms)
        place, lower = 0, self.text.lower()
        for word in self._words[:begun]:
            found = lower.find(word.lower(), place, place + NEAR_CHARACTERS + len(word))
            if found >= 0:
                place = found + len(word)
        return self._up_to(place) if place else ""

    def _up_to(self, place: int) -> str:
        """Whole words, with the marks that follow them."""
        end = _WORD_END.search(self.text, place)
        return self.text[: end.start() if end else place].rstrip()
