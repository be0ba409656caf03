"""HTML: the main content of a page as a reader sees it; navigation, scripts and hidden text left out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from services.kit.errors import InvalidInput
from services.rag.document import Block, Kind
from services.rag.ingest.parsers import tables
from services.rag.ingest.parsers.characters import clean, clean_lines, decode

MAX_DEPTH = 512
"""As in browsers; a parser's work grows with the square of the depth."""
MAX_SPAN = 100

_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w-]{1,40})", re.I)
_NESTING = re.compile(
    r"<(/?)(?:div|span|section|article|main|blockquote|ul|ol|dl|table|b|i|u|s|em|strong|small|big|font|a|center|"
    r"details|fieldset|form|figure|svg|math|g|template|object|sub|sup|code|cite|q|label|ins|del)\b[^>]*?(/?)>",
    re.I,
)
_HIDDEN_STYLE = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d]*[1-9]))", re.I)

_DROPPED = frozenset(
    "script style noscript template svg math canvas iframe object embed audio video button input select "
    "textarea datalist dialog nav menu head map area -comment".split()
)
_DROPPED_OUTSIDE_CONTENT = frozenset(("header", "footer", "aside", "form"))
_DROPPED_ROLES = frozenset(("navigation", "banner", "contentinfo", "search", "menu", "menubar", "dialog", "alert"))
_BLOCKS = frozenset(
    "address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 header hgroup hr legend li main ol p pre section summary table tbody td tfoot th thead "
    "tr ul".split()
)
_CONTENT = "main, [role=main], article"


def read_html(content: bytes) -> Iterator[Block]:
    """Headings, paragraphs, items, rows and code of the page.

    Raises:
        InvalidInput: it is no text, or nested too deeply.
    """
    declared = _CHARSET.search(content[:2048])
    text = decode(content, declared[1].decode() if declared else None)
    _check_depth(text)
    try:
        tree = LexborHTMLParser(text)
    except SelectolaxError as error:
        # There is no HTML that cannot be parsed: lexbor fails for want of memory only.
        raise MemoryError from error
    root, inside = _content(tree)
    if root is None:
        return
    if not any(_visible(heading) for heading in root.css("h1")):
        title = tree.css_first("head > title")
        if title is not None and (name := clean(title.text())):
            yield Block(Kind.HEADING, name, level=1)
    yield from _Walk(inside).blocks(root)


def _check_depth(text: str) -> None:
    depth = 0
    for tag in _NESTING.finditer(text):
        if tag[1]:
            depth = max(0, depth - 1)
        elif not tag[2]:
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidInput(f"its elements are nested more than {MAX_DEPTH} deep")


def _content(tree: LexborHTMLParser) -> tuple[LexborNode | None, bool]:
    """The element that holds the content, and whether the page marks it as such."""
    marked = [node for node in tree.css(_CONTENT) if _visible(node)]
    mains = [node for node in marked if node.tag != "article"]
    candidates = mains or (marked if len(marked) == 1 else [])
    if candidates:
        best = max(candidates, key=lambda node: len(node.text()))
        if best.text().strip():
            return best, True
    return tree.body, False


def _visible(node: LexborNode) -> bool:
    attributes = node.attributes
    if "hidden" in attributes or attributes.get("aria-hidden") == "true":
        return False
    return not _HIDDEN_STYLE.search(attributes.get("style") or "")


@dataclass(slots=True)
class _Walk:
    """One pass over the tree in reading order, without recursion. Used once."""

    inside_content: bool
    words: list[str] = field(default_factory=list)
    """Text since the last block began."""
    lists: list[int | None] = field(default_factory=list)
    """The lists that are open: next number of an ordered one, None for a bulleted one."""
    marker: str = ""
    """Of the item that is open and has no text yet."""
    heading: int = 0
    naming: bool = False
    """Whether text is a term that descriptions follow."""
    term: str = ""

    def blocks(self, root: LexborNode) -> Iterator[Block]:
        stack: list[tuple[LexborNode, bool]] = [(root, True)]
        while stack:
            node, entering = stack.pop()
            tag = node.tag
            if tag is None:
                continue
            if not entering:
                yield from self._flush()
                self._leave(tag)
            elif tag == "-text":
                self.words.append(node.text_content or "")
            elif tag == "br":
                self.words.append(" ")
            elif self._dropped(node, tag):
                continue
            elif tag == "table" and not _lays_out(node):
                yield from self._flush()
                yield from _table(node)
            elif tag == "pre":
                yield from self._flush()
                if code := clean_lines(node.text()):
                    yield Block(Kind.CODE, code)
            else:
                if tag in _BLOCKS:
                    yield from self._flush()
                    self._enter(node, tag)
                    stack.append((node, False))
                children = []
                child = node.child
                while child is not None:
                    children.append((child, True))
                    child = child.next
                stack.extend(reversed(children))
        yield from self._flush()

    def _dropped(self, node: LexborNode, tag: str) -> bool:
        if tag in _DROPPED or (tag in _DROPPED_OUTSIDE_CONTENT and not self.inside_content):
            return True
        return node.attributes.get("role") in _DROPPED_ROLES or not _visible(node)

    def _enter(self, node: LexborNode, tag: str) -> None:
        if tag in ("ul", "ol"):
            start = node.attributes.get("start") or ""
            number = int(start) if start.isdecimal() and len(start) < 9 else 1
            self.lists.append(number if tag == "ol" else None)
        elif tag == "li":
            count = self.lists[-1] if self.lists else None
            self.marker = "-" if count is None else f"{count}."
            if count is not None:
                self.lists[-1] = count + 1
        elif tag in ("h1", "h2", "h3", "h4", "h5", "h6"):
            self.heading = int(tag[1])
        elif tag == "dt":
            self.naming = True

    def _leave(self, tag: str) -> None:
        if tag in ("ul", "ol") and self.lists:
            self.lists.pop()
        elif tag == "li":
            self.marker = ""
        elif tag in ("h1", "h2", "h3", "h4", "h5", "h6"):
            self.heading = 0
        elif tag == "dt":
            self.naming = False
        elif tag == "dl":
            self.term = ""

    def _flush(self) -> Iterator[Block]:
        text = clean("".join(self.words))
        self.words.clear()
        if not text:
            return
        if self.heading:
            yield Block(Kind.HEADING, text, level=self.heading)
        elif self.naming:
            self.term = text
        elif self.term:
            yield Block(Kind.ROW, f"{self.term.rstrip(':')}: {text}")
        elif self.lists:
            yield Block(Kind.ITEM, text, level=len(self.lists) - (1 if self.marker else 0), marker=self.marker)
            self.marker = ""
        else:
            yield Block(Kind.PARAGRAPH, text)


def _lays_out(table: LexborNode) -> bool:
    """Whether a table only places things on the page and holds no data."""
    if table.attributes.get("role") in ("presentation", "none"):
        return True
    if table.css_first("th") is not None:
        return False
    return table.css_first("table, h1, h2, h3, h4, ul, ol, p + p, pre") is not None


def _table(table: LexborNode) -> Iterator[Block]:
    caption = table.css_first("caption")
    if caption is not None and (title := clean(caption.text())):
        yield Block(Kind.PARAGRAPH, title if title.endswith(":") else f"{title}:")
    cells: list[list[str]] = []
    header_rows = 0
    hanging: dict[int, tuple[int, str]] = {}
    for row in table.css("tr"):
        if not _visible(row):
            continue
        line: list[str] = []
        only_headers = True
        in_head = row.parent is not None and row.parent.tag == "thead"
        cell = row.child
        while cell is not None:
            if cell.tag in ("td", "th") and _visible(cell):
                _fill(line, hanging)
                only_headers = only_headers and cell.tag == "th"
                text = clean(cell.text(separator=" "))
                for _ in range(_span(cell, "colspan")):
                    if (rows := _span(cell, "rowspan")) > 1:
                        hanging[len(line)] = (rows - 1, text)
                    line.append(text)
            cell = cell.next
        _fill(line, hanging)
        if line:
            if (in_head or only_headers) and header_rows == len(cells):
                header_rows += 1
            cells.append(line)
    yield from tables.rows(cells, header_rows=header_rows or None)


def _fill(line: list[str], hanging: dict[int, tuple[int, str]]) -> None:
    """Repeats what hangs down from rows above."""
    while (place := len(line)) in hanging:
        rows, text = hanging.pop(place)
        if rows > 1:
            hanging[place] = (rows - 1, text)
        line.append(text)


def _span(cell: LexborNode, name: str) -> int:
    value = cell.attributes.get(name) or ""
    return min(MAX_SPAN, max(1, int(value))) if value.isdecimal() and len(value) < 9 else 1
