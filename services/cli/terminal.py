"""Text of documents and services made safe to print: a terminal must not obey what a document says."""

import unicodedata


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
