"""Finds tables by their shape: rows of cells that stand in columns, one under the other, with or without rules.

A page draws a table cell by cell (the lines of one cell, then up and to the right for the next) or line by
line; both come out as the same rows.
"""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field

from services.rag.ingest.parsers.pdf.lines import SAME_LINE, Line
from services.rag.ingest.parsers.pdf.list_markers import is_marker

MAX_CELL_LINES = 12
"""A cell to the right of more lines than this is another column of the page, not of a table."""
MIN_ROWS = 2
MAX_BROKEN_CHARACTERS = 3
PROSE_WORDS = 7
"""Two columns with more words a cell than this, over many rows, are columns of prose."""
PROSE_ROWS = 8


@dataclass(slots=True)
class Cell:
    lines: list[Line]

    @property
    def left(self) -> float:
        return min(line.left for line in self.lines)

    @property
    def right(self) -> float:
        return max(line.right for line in self.lines)

    def text(self, vocabulary: Set[str] = frozenset()) -> str:
        """Its lines in one; a word that a narrow column broke without a hyphen is mended when it is a known one."""
        text = self.lines[0].text
        for line in self.lines[1:]:
            end, start = text.rpartition(" ")[2], line.words[0].text
            broken = len(start) <= MAX_BROKEN_CHARACTERS and start.islower() and (end + start).casefold() in vocabulary
            text += line.text if broken else f" {line.text}"
        return text


@dataclass(slots=True)
class Row:
    cells: list[Cell]

    @property
    def top(self) -> float:
        return max(cell.lines[0].baseline for cell in self.cells)

    @property
    def bottom(self) -> float:
        return min(cell.lines[-1].baseline for cell in self.cells)

    @property
    def size(self) -> float:
        return self.cells[0].lines[0].size

    @property
    def bold(self) -> bool:
        return all(line.bold for cell in self.cells for line in cell.lines)


@dataclass(slots=True)
class Table:
    rows: list[Row] = field(default_factory=list)

    def grid(self, vocabulary: Set[str]) -> list[list[str]]:
        """The cells as text, each in its column."""
        columns = _columns(self.rows)
        grid = []
        for row in self.rows:
            line = [""] * len(columns)
            for cell in row.cells:
                place = _column_of(cell, columns)
                line[place] = f"{line[place]} {cell.text(vocabulary)}".strip()
            grid.append(line)
        return grid

    @property
    def header_rows(self) -> int | None:
        """How many of the first rows are set in bold, the others not; None: it cannot be told."""
        bold = [row.bold for row in self.rows]
        count = bold.index(False) if False in bold else 0
        return count if count and not any(bold[count:]) else None


def find_tables(lines: Sequence[Line]) -> Iterator[Line | Table]:
    """The lines of a page in order, those of a table gathered in it."""
    rows = _rows(lines)
    start = 0
    while start < len(rows):
        end = _table_end(rows, start)
        table = Table(_whole_rows(rows[start:end]))
        if (
            len(table.rows) >= MIN_ROWS
            and len(_columns(table.rows)) > 1
            and not _is_list(table)
            and not _is_prose(table)
        ):
            yield table
            start = end
        else:
            for cell in rows[start].cells:
                yield from cell.lines
            start += 1


def _rows(lines: Sequence[Line]) -> list[Row]:
    """Puts lines that stand beside each other into one row."""
    rows: list[Row] = []
    for line in lines:
        beside = _row_beside(rows, line)
        if beside is None:
            last = rows[-1] if rows else None
            if last is not None and len(last.cells) > 1 and _continues_cell(last, line):
                last.cells[-1].lines.append(line)
            else:
                rows.append(Row([Cell([line])]))
            continue
        # The lines above each other to the left of it are one cell.
        merged = rows[beside]
        for row in rows[beside + 1 :]:
            merged.cells[-1].lines += row.cells[0].lines
        del rows[beside + 1 :]
        merged.cells.append(Cell([line]))
    return rows


def _row_beside(rows: list[Row], line: Line) -> int | None:
    """The row at whose right the line continues; rows below it must be single lines to the left of it."""
    for place in range(len(rows) - 1, max(-1, len(rows) - 1 - MAX_CELL_LINES), -1):
        row = rows[place]
        if row.cells[-1].right > line.left - 0.2 * line.size:
            return None
        if abs(row.top - line.baseline) <= SAME_LINE * line.size:
            return place
        if len(row.cells) > 1:
            inside = row.bottom - SAME_LINE * line.size <= line.baseline <= row.top + SAME_LINE * line.size
            return place if inside and place == len(rows) - 1 else None
    return None


def _continues_cell(row: Row, line: Line) -> bool:
    last = row.cells[-1].lines[-1]
    drop = last.baseline - line.baseline
    below = 0 < drop <= 1.5 * line.size
    return below and line.left > row.cells[-2].right and abs(line.left - row.cells[-1].left) < 3 * line.size


def _table_end(rows: Sequence[Row], start: int) -> int:
    end = start
    while end < len(rows) and len(rows[end].cells) > 1:
        if end > start and not _near(rows[end - 1], rows[end]):
            break
        end += 1
    return end


def _near(above: Row, below: Row) -> bool:
    return 0 < above.bottom - below.top < 4 * max(above.size, below.size)


def _whole_rows(rows: Sequence[Row]) -> list[Row]:
    """Joins lines of the same row where the page draws line by line: the first column of the later ones is empty."""
    if len(rows) < MIN_ROWS:
        return list(rows)
    columns = _columns(rows)
    whole: list[Row] = []
    for row in rows:
        first = _column_of(row.cells[0], columns)
        if whole and first > 0 and whole[-1].bottom - row.top <= 1.5 * row.size:
            above = {_column_of(cell, columns): cell for cell in whole[-1].cells}
            if all(_column_of(cell, columns) in above for cell in row.cells):
                for cell in row.cells:
                    above[_column_of(cell, columns)].lines += cell.lines
                continue
        whole.append(row)
    return whole


def _columns(rows: Sequence[Row]) -> list[tuple[float, float]]:
    """Where the columns stand, from the rows that have the most common number of cells."""
    counts = [len(row.cells) for row in rows]
    usual = max(set(counts), key=lambda count: (counts.count(count), count))
    spans = sorted((cell.left, cell.right) for row in rows if len(row.cells) == usual for cell in row.cells)
    columns = [spans[0]]
    for left, right in spans[1:]:
        if left < columns[-1][1]:
            columns[-1] = (columns[-1][0], max(columns[-1][1], right))
        else:
            columns.append((left, right))
    return columns


def _column_of(cell: Cell, columns: Sequence[tuple[float, float]]) -> int:
    def distance(place: int) -> tuple[float, float]:
        left, right = columns[place]
        overlap = min(right, cell.right) - max(left, cell.left)
        return (-overlap, abs(left - cell.left)) if overlap <= 0 else (-overlap, 0)

    return min(range(len(columns)), key=distance)


def _is_list(table: Table) -> bool:
    return all(is_marker(row.cells[0].text()) for row in table.rows)


def _is_prose(table: Table) -> bool:
    if len(table.rows) < PROSE_ROWS or len(_columns(table.rows)) != 2:
        return False
    words = [len(cell.text().split()) for row in table.rows for cell in row.cells]
    return sum(words) / len(words) > PROSE_WORDS
