"""Finds what is not to be translated, and puts a mark in its place.

Placeholders in braces and of printf, HTML tags and entities, URLs, mail addresses, control characters, and the terms
that the caller protects, where they stand as whole words.
"""

import re
from collections.abc import Iterable, Mapping

MARK = "\ue000"
"""What stands for each; `marks.numbered` tells those of a sentence apart."""

FEW_TERMS = 8
_Tree = dict[str, "_Tree"]
_END = ""

# Each part is bounded, or begins only where the one before it cannot have begun: time grows with the text alone.
_PLACEHOLDER = re.compile(
    r"""
      \{\{[^{}\n]{0,200}\}\} | \$?\{[^{}\n]{0,200}\}
    | %(?:\(\w{1,64}\)|\d{1,2}\$)?[-+#0]{0,4}\d{0,4}(?:\.\d{1,4})?(?:l{1,2}|h{1,2})?[sdiufgxXeEcr@](?!\w)
    | %\d{1,2}(?!\w|[.,]\d)
    | </?[A-Za-z][^<>]{0,2000}> | <!--[^<>]{0,2000}-->
    | &(?:\#\d{1,7}|\#[xX][\da-fA-F]{1,6}|[A-Za-z]\w{1,31});
    | (?<!\w)(?:(?:https?|ftp)://|www\.)[^\s<>"]{1,2000}(?<![.,;:!?)\]'’])
    | (?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}
    | [\x00-\x08\x0b\x0c\x0e-\x1f\x7f]
    | [\ue000-\uf8ff]
    """,
    re.VERBOSE,
)


def _any_of(terms: Iterable[str]) -> str:
    """A pattern of these as whole words, at each place the longest ("Ledge Gateway" is not found as "Ledge").

    A tree of their letters, so that time grows with the text and not with the terms: what the letters so far exclude
    is not tried.
    """
    tree: _Tree = {}
    for term in terms:
        node = tree
        for letter in term:
            node = node.setdefault(letter, {})
        node[_END] = {}
    return rf"(?<!\w)(?:{_written(tree)})(?!\w)"


def _written(node: "_Tree") -> str:
    branches = []
    for letter, after in node.items():
        if letter == _END:
            continue
        path = letter
        while len(after) == 1 and _END not in after:
            ((letter, after),) = after.items()
            path += letter
        branches.append(re.escape(path) + _written(after))
    if not branches:
        return ""
    told = "|".join(branches)
    return rf"(?:(?:{told})|(?!\w))" if _END in node else f"(?:{told})"


class Keeper:
    """Keeps things out of all texts of a request.

    Args:
        terms: what the caller protects → what stands there afterwards.
    """

    def __init__(self, terms: Mapping[str, str]) -> None:
        self._terms = terms
        self._pattern = re.compile(_any_of(terms)) if terms else None
        if len(terms) > FEW_TERMS:
            # Compiled patterns stay in a cache, and large ones take megabytes; every caller has terms of its own.
            re.purge()

    def keep(self, text: str) -> tuple[str, list[str]]:
        """The text with marks, and what they stand for, in order."""
        kept: list[str] = []
        pieces: list[str] = []
        at = 0
        for start, end, instead in self._found(text):
            pieces += (text[at:start], MARK)
            kept.append(instead)
            at = end
        return "".join(pieces) + text[at:], kept

    def _found(self, text: str) -> list[tuple[int, int, str]]:
        """What is kept, in order and apart; of two that overlap the first, of two at one place the longer."""
        found = [(*match.span(), match[0]) for match in _PLACEHOLDER.finditer(text)]
        if self._pattern is not None:
            found += [(*match.span(), self._terms[match[0]]) for match in self._pattern.finditer(text)]
            found.sort(key=lambda one: (one[0], -one[1]))
        apart: list[tuple[int, int, str]] = []
        for one in found:
            if not apart or one[0] >= apart[-1][1]:
                apart.append(one)
        return apart
