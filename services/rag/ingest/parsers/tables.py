"""Turns a table into rows that can be read alone: each cell under its column's header.

| Pump house  | Height |
| Weir Street | 14.2 m |        →   "Pump house: Weir Street; Height: 14.2 m"
"""

import re
from collections.abc import Iterator, Sequence

from services.rag.document import Block, Kind

MAX_ROW_CHARACTERS = 400
"""A longer row is cut between cells; each part begins with the row's first cell."""

_DIGIT = re.compile(r"\d")
_NO_TITLE = re.compile(r"^[\d£$€%.,:+\-–—/() ]*\d[\d£$€%.,:+\-–—/() ]*$|^[^\w(£$€%#№]|[,;.{]$")


def rows(table: Sequence[Sequence[str]], *, header_rows: int | None = None, page: int | None = None) -> Iterator[Block]:
    """The rows of a table of clean cells as blocks.

    Args:
        header_rows: how many of the first rows are headers; None: told by their content.
    """
    filled = [list(row) for row in table if any(row)]
    if header_rows is None:
        header_rows = 1 if looks_like_header(filled) else 0
    header = _merged(filled[:header_rows])
    body = filled[header_rows:]
    if header and not body:
        yield Block(Kind.ROW, "; ".join(filter(None, header)), page)
    group = ""
    for row in body:
        cells = [(place, cell) for place, cell in enumerate(row) if cell]
        if header and len(row) > 1 and all(row) and len(set(row)) == 1:
            # A cell that spans its row introduces the rows below it.
            group = cells[0][1]
            yield Block(Kind.ROW, group, page)
            continue
        for text in _row_texts(header, cells):
            yield Block(Kind.ROW, text, page, lead_in=group)


def _row_texts(header: Sequence[str], cells: Sequence[tuple[int, str]]) -> Iterator[str]:
    if not header and len(cells) == 2:
        yield f"{cells[0][1].rstrip(':')}: {cells[1][1]}"
        return
    parts = []
    for place, cell in cells:
        title = header[place].rstrip(":") if place < len(header) else ""
        parts.append(f"{title}: {cell}" if title and title != cell else cell)
    line = parts[0]
    for part in parts[1:]:
        if len(line) + len(part) > MAX_ROW_CHARACTERS and line != parts[0]:
            yield line
            line = parts[0]
        line += f"; {part}"
    yield line


def _merged(header: Sequence[Sequence[str]]) -> list[str]:
    """Several header rows as one: "Charge" over "per day" is "Charge per day"."""
    width = max(map(len, header), default=0)
    columns = ([row[place] for row in header if place < len(row) and row[place]] for place in range(width))
    return [" ".join(dict.fromkeys(column)) for column in columns]


def looks_like_header(table: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names columns: all filled, all different, words and no figures, options or code.

    Two columns may as well be keys and values, which are wrong under a header, while names and values under none
    read well: they need figures under a title without.
    """
    if len(table) < 2:
        return False
    first = table[0]
    if not all(first) or len(set(first)) < len(first) or any(map(_NO_TITLE.search, first)):
        return False
    if len(first) > 2:
        return True
    return not _DIGIT.search(first[1]) and all(len(row) == 2 and _DIGIT.search(row[1]) for row in table[1:])
