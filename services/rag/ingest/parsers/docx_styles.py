"""What a DOCX paragraph is by its style: a heading, a list item, a line of the table of contents, or plain."""

import re
from dataclasses import dataclass
from typing import Any

from docx.oxml.ns import qn

MAX_CHAIN = 16
"""Styles rest on styles; a file may say that they do so in a circle."""
_HEADING = re.compile(r"heading ([1-9])", re.I)
_CONTENTS = re.compile(r"(?:toc \d|toc heading|table of figures)", re.I)
_TITLE_LEVEL = 1
_FIRST_ROW_BIT = 0x0020
OFF = frozenset(("0", "false", "off", "none"))
"""How an attribute says that something is not so."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class ParagraphStyle:
    heading: int = 0
    """1 for the title, 2 for headings of the first level, and so on; 0: no heading."""
    list_level: int | None = None
    """From 0; None: no list item."""
    list_id: str = ""
    contents: bool = False
    """A line of the table of contents."""


class Styles:
    """The styles and lists of one document; counts the items of its numbered lists. Used once, in reading order."""

    def __init__(self, document: Any) -> None:
        self._styles = {style.get(qn("w:styleId")): style for style in document.styles.element.iter(qn("w:style"))}
        self._formats = _formats(document)
        self._counts: dict[str, list[int]] = {}

    def of(self, paragraph: Any) -> ParagraphStyle:
        properties = paragraph.find(qn("w:pPr"))
        if properties is None:
            return ParagraphStyle()
        chain = [properties]
        named = properties.find(qn("w:pStyle"))
        style = None if named is None else self._styles.get(named.get(qn("w:val")))
        names: list[str] = []
        while style is not None and len(names) < MAX_CHAIN:
            name = style.find(qn("w:name"))
            names.append("" if name is None else name.get(qn("w:val"), ""))
            if (own := style.find(qn("w:pPr"))) is not None:
                chain.append(own)
            base = style.find(qn("w:basedOn"))
            style = None if base is None else self._styles.get(base.get(qn("w:val")))
        if any(map(_CONTENTS.fullmatch, names)):
            return ParagraphStyle(contents=True)
        if names and names[0].lower() == "title":
            return ParagraphStyle(heading=_TITLE_LEVEL)
        for name in names:
            if match := _HEADING.fullmatch(name):
                return ParagraphStyle(heading=_TITLE_LEVEL + int(match[1]))
        outline = _first(chain, "w:outlineLvl")
        if outline is not None and outline.isdecimal() and int(outline) < 9:
            return ParagraphStyle(heading=_TITLE_LEVEL + 1 + int(outline))
        list_id = _first(chain, "w:numPr/w:numId")
        if list_id and list_id != "0":
            level = _first(chain, "w:numPr/w:ilvl") or "0"
            return ParagraphStyle(list_level=min(8, int(level)) if level.isdecimal() else 0, list_id=list_id)
        return ParagraphStyle()

    def marker(self, paragraph: Any, style: ParagraphStyle) -> str:
        """What stands before a list item; counts it."""
        level = style.list_level or 0
        counts = self._counts.setdefault(style.list_id, [0] * 9)
        counts[level] += 1
        counts[level + 1 :] = [0] * (8 - level)
        count = counts[level]
        match self._formats.get((style.list_id, level), "bullet"):
            case "bullet" | "none":
                return "-"
            case "lowerLetter" | "upperLetter" if count <= len(_LETTERS):
                return f"{_LETTERS[count - 1]}."
        return f"{count}."

    def marks_first_row(self, table: Any) -> bool:
        """Whether the first row of a table looks otherwise than the rest: by the table's style, or set in bold."""
        look = table.find(f"{qn('w:tblPr')}/{qn('w:tblLook')}")
        named = table.find(f"{qn('w:tblPr')}/{qn('w:tblStyle')}")
        if look is not None and named is not None and _has_first_row(look):
            style = self._styles.get(named.get(qn("w:val")))
            for _ in range(MAX_CHAIN):
                if style is None:
                    break
                if any(part.get(qn("w:type")) == "firstRow" for part in style.iterchildren(qn("w:tblStylePr"))):
                    return True
                base = style.find(qn("w:basedOn"))
                style = None if base is None else self._styles.get(base.get(qn("w:val")))
        bold = [_is_bold(row) for row in table.iterchildren(qn("w:tr"))]
        return len(bold) > 1 and bold[0] and not any(bold[1:])


def _has_first_row(look: Any) -> bool:
    if (flag := look.get(qn("w:firstRow"))) is not None:
        return flag not in OFF
    try:
        return bool(int(look.get(qn("w:val"), "0"), 16) & _FIRST_ROW_BIT)
    except ValueError:
        return False


def _is_bold(row: Any) -> bool:
    runs = [run for run in row.iter(qn("w:r")) if run.find(qn("w:t")) is not None]
    marks = [run.find(f"{qn('w:rPr')}/{qn('w:b')}") for run in runs]
    return bool(marks) and all(mark is not None and mark.get(qn("w:val"), "1") not in OFF for mark in marks)


def _first(chain: list[Any], path: str) -> str | None:
    """The value of the first element at a path, nearest style first."""
    steps = "/".join(qn(step) for step in path.split("/"))
    for properties in chain:
        element = properties.find(steps)
        if element is not None:
            value: str | None = element.get(qn("w:val"))
            return value
    return None


def _formats(document: Any) -> dict[tuple[str, int], str]:
    """Number formats: list id and level → "bullet", "decimal", …"""
    part = next((rel.target_part for rel in document.part.rels.values() if rel.reltype.endswith("/numbering")), None)
    if part is None:
        return {}
    numbering = part.element
    abstract = {}
    for definition in numbering.iterchildren(qn("w:abstractNum")):
        for level in definition.iterchildren(qn("w:lvl")):
            number_format = level.find(qn("w:numFmt"))
            place = level.get(qn("w:ilvl"), "0")
            if number_format is not None and place.isdecimal():
                key = (definition.get(qn("w:abstractNumId")), int(place))
                abstract[key] = number_format.get(qn("w:val"), "bullet")
    formats = {}
    for number in numbering.iterchildren(qn("w:num")):
        reference = number.find(qn("w:abstractNumId"))
        for (abstract_id, level), value in abstract.items():
            if reference is not None and reference.get(qn("w:val")) == abstract_id:
                formats[number.get(qn("w:numId")), level] = value
    return formats
