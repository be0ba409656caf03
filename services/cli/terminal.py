"""What commands print on: a console, and text of documents made safe, for no terminal must obey a document."""

import os
import sys
import unicodedata

from rich.console import Console

WIDTH_OF_PIPES = 120


def open_console(stderr: bool = False) -> Console:
    """As wide as the terminal; where there is none, wide enough that no table is cut."""
    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    width = None if is_terminal or "COLUMNS" in os.environ else WIDTH_OF_PIPES
    return Console(stderr=stderr, highlight=False, width=width)


def printable(text: str) -> str:
    """The text without control and bidirectional override characters; line breaks and tabs stay."""
    return "".join(
        character
        for character in text
        if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co")
    )


def one_line(text: str, limit: int) -> str:
    """The text with its white space folded, cut to a number of characters."""
    folded = " ".join(printable(text).split())
    return folded if len(folded) <= limit else folded[: limit - 1].rstrip() + "…"
