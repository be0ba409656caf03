"""Cuts text that is still being written into what can be spoken at once, the first piece as early as it can be.

Time to the first audio is decided here: the first piece ends at the first pause mark, or after some forty characters;
later ones are whole sentences, since they sound better and the voice is already speaking. A cut never falls into a
number, an abbreviation, a link or inline code. Blocks of code never leave.
"""

import re

from sentencex import get_sentence_boundaries

FIRST_MIN_CHARACTERS, FIRST_MAX_CHARACTERS = 10, 45
SECOND_MIN_CHARACTERS = 60
"""The second piece, too, may end at a pause mark: a model may write more slowly than the voice speaks."""
MAX_CHARACTERS = 280
MAX_FENCE_LINE_CHARACTERS = 200
"""What is longer is no opening of a code block."""

_PAUSE = re.compile(r"(?:[,;:—](?=\s+[^\s\d])|[.!?…](?=[\"”')\]*_]*\s+\S)|[、，；。！？](?=\S))[\"”')\]*_]*")
_BLOCK_END = re.compile(r"\n[ \t]*(?=\n)|\n(?=[ \t]*(?:[-*+>|#]|\d{1,3}[.)]\s))")
_OPEN = re.compile(r"`[^`]*$|\[[^\]]*$|\]\([^)]*$|(?:https?://|www\.)\S*$")
_SHORTENED = re.compile(
    r"(?<![\w.])(?:Dr|Mrs?|Ms|Prof|St|approx|ca|e\.g|i\.e|vs|cf|Sra?|Mme|z\. ?B|d\. ?h|bzw|p\. ?ej|p\. ?ex)\.\s*$"
)
"""No sentence ends here, whatever follows."""
_SHORTENED_BEFORE_NUMBER = re.compile(
    r"(?<![\w.])(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|Nos?|Nr|Figs?|Abb|Sec|Ch|Vol|Eq|Art|pp?|S|ext|min|max|"
    r"núm|tel)\.\s*$",
    re.I,
)
_DAY = re.compile(r"(?<![\w.,])\d{1,2}\.\s*$")
_GERMAN_MONTH = re.compile(r"(?:Jan|Feb|Mär|Apr|Mai|Jun|Jul|Aug|Sep|Okt|Nov|Dez)")
_FENCE = re.compile(r"[ \t]{0,3}(`{3,}|~{3,})")
_PERHAPS_FENCE = re.compile(r"[ \t]{0,3}(?:`{1,2}|~{1,2}|(?:`{3,}|~{3,})[^\n]*)?")


class Clauses:
    """Takes text piece by piece, gives clauses in order. `feed` and `finish` answer with those that are complete.

    Args:
        language: BCP-47.
        early: whether the first pieces are short, for a listener who waits; else all are sentences.
    """

    def __init__(self, language: str, *, early: bool = True) -> None:
        self._early_pieces = 2 if early else 0
        self._language = language[:2].lower()
        self._line = ""  # the start of a line that may open or close a block of code
        self._at_line_start = True
        self._fence = ""  # the marks that opened the block of code that we are in
        self._text = ""
        self._given = 0

    def feed(self, text: str) -> list[str]:
        self._text += self._without_code(text)
        return self._complete()

    def finish(self) -> list[str]:
        """All that is left, as at the end of the text; another text may follow."""
        if not self._fence and not _FENCE.match(self._line):
            self._text += self._line
        self._line = ""
        clauses = self._complete()
        while rest := self._text.strip():
            self._give(clauses, len(self._text) if len(rest) <= MAX_CHARACTERS else self._forced_cut(MAX_CHARACTERS))
        self._text = ""
        return clauses

    def _without_code(self, text: str) -> str:
        kept = []
        for line in text.splitlines(keepends=True):
            if not self._at_line_start and not self._fence:
                kept.append(line)
                self._at_line_start = line.endswith("\n")
                continue
            self._line += line
            self._at_line_start = True
            if self._line.endswith("\n"):
                kept.append(self._whole_line(self._line))
                self._line = ""
            elif self._fence:
                self._line = self._line[:MAX_FENCE_LINE_CHARACTERS]
            elif len(self._line) > MAX_FENCE_LINE_CHARACTERS or not _PERHAPS_FENCE.fullmatch(self._line):
                kept.append(self._line)
                self._line, self._at_line_start = "", False
        return "".join(kept)

    def _whole_line(self, line: str) -> str:
        mark = _FENCE.match(line)
        if self._fence:
            if mark and mark[1].startswith(self._fence) and not line.strip().strip(mark[1][0]):
                self._fence = ""
            return ""
        if mark:
            self._fence = mark[1]
            return "\n\n"
        return line

    def _complete(self) -> list[str]:
        clauses: list[str] = []
        while (end := self._end()) is not None:
            self._give(clauses, end)
        return clauses

    def _give(self, clauses: list[str], end: int) -> None:
        clause, self._text = self._text[:end].strip(), self._text[end:]
        if clause:
            clauses.append(clause)
            self._given += 1

    def _end(self) -> int | None:
        """Where the next clause ends; None while that cannot be told."""
        text = self._text
        block = _BLOCK_END.search(text, len(text) - len(text.lstrip()))
        block_end = block.end() if block else None
        reach = text[:block_end] if block_end else text
        sentence = self._sentence_end(reach)
        early = self._given < self._early_pieces
        pause = self._pause_end(reach[: sentence or MAX_CHARACTERS + 1]) if early else None
        end = pause or sentence
        if early and self._given == 0 and (end or len(reach.rstrip())) > FIRST_MAX_CHARACTERS:
            # Also where a sentence's end is known to come later: text is cut in one way, however fast it comes.
            return self._forced_cut(FIRST_MAX_CHARACTERS)
        if end is not None:
            return end
        if block_end is not None and block_end <= MAX_CHARACTERS:
            return block_end
        return self._forced_cut(MAX_CHARACTERS) if len(reach) > MAX_CHARACTERS else None

    def _sentence_end(self, reach: str) -> int | None:
        for boundary in get_sentence_boundaries(self._language, reach[: 2 * MAX_CHARACTERS]):
            end: int = boundary["end_index"]
            if (
                end < len(reach)
                and reach[end - 1].isspace()
                and end <= MAX_CHARACTERS
                and not _OPEN.search(reach[:end])
                and not self._is_shortened(reach, end)
            ):
                return end
        return None

    def _pause_end(self, reach: str) -> int | None:
        at_least = FIRST_MIN_CHARACTERS if self._given == 0 else SECOND_MIN_CHARACTERS
        for pause in _PAUSE.finditer(reach):
            if pause.end() >= at_least and self._may_cut(pause.end()):
                return pause.end()
        return None

    def _may_cut(self, end: int) -> bool:
        """Not inside a link or code, nor behind an abbreviation."""
        before = self._text[:end]
        if _OPEN.search(before):
            return False
        if not before.rstrip("\"”')]*_").endswith("."):
            return True
        if self._is_shortened(self._text, end):
            return False
        window = self._text[: end + 40]
        return any(b["end_index"] in (end, end + 1) for b in get_sentence_boundaries(self._language, window))

    def _is_shortened(self, text: str, end: int) -> bool:
        """Whether what ends here is an abbreviation or a day's number, and the sentence goes on."""
        before, behind = text[max(0, end - 12) : end], text[end : end + 12].lstrip()
        if self._language == "de" and _DAY.search(before) and _GERMAN_MONTH.match(behind):
            return True
        return bool(_SHORTENED.search(before) or (behind[:1].isdigit() and _SHORTENED_BEFORE_NUMBER.search(before)))

    def _forced_cut(self, limit: int) -> int:
        """The last pause before the limit, else the last space, else the limit."""
        reach = self._text[: limit + 1]
        pauses = [pause.end() for pause in _PAUSE.finditer(reach) if pause.end() >= limit // 2]
        for pause in reversed(pauses):
            if not self._is_shortened(self._text, pause):
                return pause
        space = max(reach.rfind(" "), reach.rfind("\n"))
        # No space at all: no words, or a language without spaces.
        return space if space > 0 and not reach[:space].isspace() else limit
