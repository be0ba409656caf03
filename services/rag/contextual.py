"""The text under which a piece of a document is encoded: its headings, what introduces it, then the piece itself.

"Adult return" never meets "£10.80" unless the row says which table it stands in.
"""

from collections.abc import Sequence

MAX_HEADINGS_CHARACTERS = 160
MAX_LEAD_IN_CHARACTERS = 160


def contextual(headings: Sequence[str], text: str, lead_in: str = "") -> tuple[str, int, int]:
    """The text to encode, then where in it the lead-in and where the piece itself begins (in characters)."""
    before = heading_line(headings)
    before = f"{before}. " if before else ""
    introduction = lead_in[-MAX_LEAD_IN_CHARACTERS:].strip()
    introduction = f"{introduction} " if introduction else ""
    return before + introduction + text, len(before), len(before) + len(introduction)


def heading_line(headings: Sequence[str]) -> str:
    """The headings in one line, outermost first. When they are too long the innermost are kept."""
    kept: list[str] = []
    length = 0
    for heading in reversed(headings):
        short = heading[:MAX_HEADINGS_CHARACTERS].strip(" .:")
        length += len(short) + 2
        if kept and length > MAX_HEADINGS_CHARACTERS:
            break
        if short:
            kept.append(short)
    return ". ".join(reversed(kept))
