"""DOCX, read with python-docx: headings by outline level, lists by their numbering, tables row by row.

Deleted and hidden text is left out; footnotes follow the paragraph that refers to them. Pages are those that
Word noted when it last laid the document out; a file without such notes has none.
"""

import io
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import docx
from docx.opc.exceptions import OpcError
from docx.oxml import parse_xml
from docx.oxml.ns import qn
from lxml import etree

from services.kit.errors import InvalidInput
from services.rag.document import Block, Kind
from services.rag.ingest.parsers import tables
from services.rag.ingest.parsers.characters import clean
from services.rag.ingest.parsers.docx_styles import OFF, Styles
from services.rag.ingest.parsers.package_limits import check_package

_P, _TABLE, _ROW, _CELL = qn("w:p"), qn("w:tbl"), qn("w:tr"), qn("w:tc")
_TEXT = {qn("w:t"), qn("m:t")}
_SPACE = {qn("w:tab"), qn("w:br"), qn("w:cr")}
_LEFT_OUT = {qn("w:del"), qn("w:moveFrom"), "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"}
_PAGE_BREAK = qn("w:lastRenderedPageBreak")
_BOX = qn("w:txbxContent")
_FOOTNOTE = qn("w:footnoteReference")
_CONTAINERS = {qn("w:sdt"), qn("w:sdtContent"), qn("w:ins"), qn("w:moveTo"), qn("w:customXml"), qn("w:smartTag")}


def read_docx(content: bytes) -> Iterator[Block]:
    """Headings, paragraphs, items and rows of a document.

    Raises:
        InvalidInput: it is damaged, protected, or unfolds to too much.
    """
    check_package(content)
    try:
        document = docx.Document(io.BytesIO(content))
        return _Walk(document).blocks(document.element.body)
    except (OpcError, KeyError, ValueError, AttributeError, etree.XMLSyntaxError, zipfile.BadZipFile, zlib.error):
        raise InvalidInput("the document is damaged: its parts cannot be read") from None


class _Walk:
    """One pass over a document. Used once."""

    def __init__(self, document: Any) -> None:
        body = document.element.body
        self._styles = Styles(document)
        self._footnotes = _footnotes(document)
        self._page = 1 if next(body.iter(_PAGE_BREAK), None) is not None else None

    def blocks(self, parent: Any) -> Iterator[Block]:
        for element in parent.iterchildren():
            if element.tag == _P:
                yield from self._paragraph(element)
            elif element.tag == _TABLE:
                yield from self._table(element)
            elif element.tag in _CONTAINERS and not _is_contents(element):
                yield from self.blocks(element)

    def _paragraph(self, element: Any) -> Iterator[Block]:
        words: list[str] = []
        boxes: list[Any] = []
        notes: list[str] = []
        self._gather(element, words, boxes, notes)
        text = clean("".join(words))
        style = self._styles.of(element)
        page = self._page
        if text and not style.contents:
            if style.heading:
                yield Block(Kind.HEADING, text, page, level=style.heading)
            elif style.list_level is not None:
                marker = self._styles.marker(element, style)
                yield Block(Kind.ITEM, text, page, level=style.list_level, marker=marker)
            else:
                yield Block(Kind.PARAGRAPH, text, page)
        for note in notes:
            if note_text := self._footnotes.get(note):
                yield Block(Kind.PARAGRAPH, note_text, page)
        for box in boxes:
            yield from self.blocks(box)

    def _gather(self, element: Any, words: list[str], boxes: list[Any], notes: list[str]) -> None:
        """Text of a paragraph in order; notes page breaks that come before or in it."""
        stack = [element]
        while stack:
            node = stack.pop()
            tag = node.tag
            if tag in _LEFT_OUT or _hidden(node):
                continue
            if tag == _BOX:
                boxes.append(node)
                continue
            if tag in _TEXT:
                words.append(node.text or "")
            elif tag in _SPACE:
                words.append(" ")
            elif tag == qn("w:noBreakHyphen"):
                words.append("-")
            elif tag == _FOOTNOTE:
                notes.append(node.get(qn("w:id"), ""))
            elif tag == _PAGE_BREAK and self._page is not None:
                self._page += 1
            stack.extend(reversed(node))

    def _table(self, table: Any) -> Iterator[Block]:
        rows = list(table.iterchildren(_ROW))
        cells = [list(row.iterchildren(_CELL)) for row in rows]
        if sum(map(len, cells)) == 1:
            yield from self.blocks(cells[0][0])
            return
        page = self._page
        grid: list[list[str]] = []
        header_rows = 0
        for row, row_cells in zip(rows, cells, strict=True):
            line: list[str] = []
            for cell in row_cells:
                text = self._cell_text(cell)
                span = cell.find(f"{qn('w:tcPr')}/{qn('w:gridSpan')}")
                merged = cell.find(f"{qn('w:tcPr')}/{qn('w:vMerge')}")
                continued = merged is not None and merged.get(qn("w:val"), "continue") == "continue"
                if continued and grid and len(line) < len(grid[-1]):
                    text = grid[-1][len(line)]
                line += [text] * _number(span, 1, 64)
            if header_rows == len(grid) and row.find(f"{qn('w:trPr')}/{qn('w:tblHeader')}") is not None:
                header_rows += 1
            grid.append(line)
        if not header_rows and self._styles.marks_first_row(table):
            header_rows = 1
        yield from tables.rows(grid, header_rows=header_rows or None, page=page)

    def _cell_text(self, cell: Any) -> str:
        words: list[str] = []
        for paragraph in cell.iter(_P):
            boxes: list[Any] = []
            self._gather(paragraph, words, boxes, [])
            words.append(" ")
        return clean("".join(words))


def _hidden(node: Any) -> bool:
    if node.tag != qn("w:r"):
        return False
    vanish = node.find(f"{qn('w:rPr')}/{qn('w:vanish')}")
    return vanish is not None and vanish.get(qn("w:val"), "1") not in OFF


def _is_contents(element: Any) -> bool:
    gallery = element.find(f"{qn('w:sdtPr')}/{qn('w:docPartObj')}/{qn('w:docPartGallery')}")
    return gallery is not None and gallery.get(qn("w:val")) == "Table of Contents"


def _number(element: Any, default: int, most: int) -> int:
    value = "" if element is None else element.get(qn("w:val"), "")
    return min(most, max(1, int(value))) if value.isdecimal() and len(value) < 9 else default


def _footnotes(document: Any) -> dict[str, str]:
    notes = {}
    for relation in document.part.rels.values():
        if relation.reltype.endswith("/footnotes") and not relation.is_external:
            for note in parse_xml(relation.target_part.blob).iterchildren(qn("w:footnote")):
                if note.get(qn("w:type")) is None:
                    notes[note.get(qn("w:id"), "")] = clean(" ".join(text.text or "" for text in note.iter(qn("w:t"))))
    return notes
