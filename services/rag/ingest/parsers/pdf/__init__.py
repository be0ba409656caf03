"""PDF, read with PDFium page by page: headings by their type, running heads left out, broken words mended."""

from collections.abc import Iterator, Sequence

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from services.kit.errors import InvalidInput
from services.rag.document import Block
from services.rag.ingest.parsers import tables
from services.rag.ingest.parsers.characters import clean
from services.rag.ingest.parsers.pdf.lines import lines_of
from services.rag.ingest.parsers.pdf.paragraphs import Paragraphs
from services.rag.ingest.parsers.pdf.profile import PageLines, learn, title_key
from services.rag.ingest.parsers.pdf.table_finder import Table, find_tables
from services.rag.ingest.parsers.pdf.words import read_words

SAMPLED_PAGES = 24
REOPENED_AFTER_PAGES = 2000
"""PDFium keeps some 5 KB of each page it has read until the document is closed; opening costs time a page, too."""
MAX_OUTLINE_TITLES = 20_000


class PdfDocument:
    """An open PDF.

    Raises:
        InvalidInput: it is damaged or protected by a password.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._pdf = _open(content)
        self._pages_read = 0
        self.pages = len(self._pdf)
        if not self.pages:
            raise InvalidInput("the PDF has no pages")

    def blocks(self) -> Iterator[Block]:
        """Page by page: only one page is held at a time."""
        outline = self._outline()
        profile = learn([self._lines(number) for number in _spread(self.pages)], outline)
        paragraphs = Paragraphs(profile)
        header: list[str] = []
        for number in range(1, self.pages + 1):
            page = self._lines(number)
            kept = profile.body(page)
            for piece in find_tables(kept):
                if not isinstance(piece, Table):
                    yield from paragraphs.feed(piece, number)
                    continue
                yield from paragraphs.finish()
                grid = [[clean(cell) for cell in row] for row in piece.grid(profile.vocabulary)]
                if piece.rows[0].cells[0].lines[0] is kept[0] and header and len(header) == len(grid[0]):
                    # It goes on from the page before, with or without its header said again.
                    grid = [header, *(grid[1:] if grid[0] == header else grid)]
                    header_rows: int | None = 1
                else:
                    header_rows = piece.header_rows
                rows = list(tables.rows(grid, header_rows=header_rows, page=number))
                yield from rows
                last_line = piece.rows[-1].cells[-1].lines[-1]
                headed = header_rows or tables.looks_like_header(grid)
                header = grid[0] if headed and last_line is kept[-1] else []
            if kept and not isinstance(piece, Table):
                header = []
        yield from paragraphs.finish()

    def _lines(self, number: int) -> PageLines:
        if self._pages_read == REOPENED_AFTER_PAGES:
            self._pdf.close()
            self._pdf = _open(self._content)
            self._pages_read = 0
        self._pages_read += 1
        try:
            page = self._pdf[number - 1]
        except pdfium.PdfiumError:
            raise InvalidInput(f"the PDF is damaged: page {number} cannot be read") from None
        try:
            frame, words = read_words(page)
        finally:
            page.close()
        return PageLines(number, frame, tuple(lines_of(words)))

    def _outline(self) -> frozenset[str]:
        titles = set()
        for place, bookmark in enumerate(self._pdf.get_toc(max_depth=8)):
            if place >= MAX_OUTLINE_TITLES:
                break
            titles.add(title_key(bookmark.get_title()))
        return frozenset(titles)


def _open(content: bytes) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(content)
    except pdfium.PdfiumError:
        if raw.FPDF_GetLastError() == raw.FPDF_ERR_PASSWORD:
            raise InvalidInput("the PDF is protected by a password") from None
        raise InvalidInput("the PDF is damaged: it cannot be opened") from None


def _spread(pages: int) -> Sequence[int]:
    """Page numbers of a sample: all of a short document, else evenly over a long one."""
    if pages <= SAMPLED_PAGES:
        return range(1, pages + 1)
    return sorted({1 + place * (pages - 1) // (SAMPLED_PAGES - 1) for place in range(SAMPLED_PAGES)})
