"""Makes documents/NAME.EXT from each sources/NAME.EXT.md (EXT: pdf, docx, html), the same bytes every time.

Documents that are themselves Markdown have no source here: they are edited where they lie, in documents/.
Needs the `samples` extra. Run: python deploy/samples/build.py [--into DIRECTORY]
"""

import argparse
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template

import docx
from docx.document import Document as WordDocument
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.text.paragraph import Paragraph as WordParagraph
from markdown_it import MarkdownIt
from markdown_it.token import Token
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageBreak, PageTemplate, Paragraph, Spacer
from reportlab.platypus import Table as PdfTable
from reportlab.platypus.tableofcontents import TableOfContents

HERE = Path(__file__).parent
BUILT_AT = datetime(2026, 3, 2, tzinfo=UTC)  # a fixed date keeps the files identical from build to build
PUBLISHER = "Thornmere Municipal Waterworks"


@dataclass(frozen=True)
class Span:
    """A run of text in one style."""

    text: str
    bold: bool = False
    italic: bool = False


@dataclass(frozen=True)
class Heading:
    level: int
    spans: list[Span]


@dataclass(frozen=True)
class Prose:
    spans: list[Span]


@dataclass(frozen=True)
class Item:
    """One list item; `number` is None in a bulleted list."""

    depth: int
    number: int | None
    spans: list[Span]


@dataclass(frozen=True)
class Table:
    """Rows of cells; the first row is the header."""

    rows: list[list[list[Span]]]


Block = Heading | Prose | Item | Table


def markdown() -> MarkdownIt:
    return MarkdownIt("commonmark").enable("table")


def parse(source: str) -> list[Block]:
    """The blocks of a Markdown source, in order; raises ValueError on a construct no renderer knows."""
    blocks: list[Block] = []
    counters: list[int | None] = []
    heading_level = 0
    rows: list[list[list[Span]]] = []
    in_table = False
    for token in markdown().parse(source):
        match token.type:
            case "heading_open":
                heading_level = int(token.tag[1])
            case "heading_close":
                heading_level = 0
            case "bullet_list_open":
                counters.append(None)
            case "ordered_list_open":
                counters.append(0)
            case "bullet_list_close" | "ordered_list_close":
                counters.pop()
            case "list_item_open":
                if counters[-1] is not None:
                    counters[-1] += 1
            case "table_open":
                in_table, rows = True, []
            case "table_close":
                in_table = False
                blocks.append(Table(rows))
            case "tr_open":
                rows.append([])
            case "inline":
                spans = list(spans_of(token.children or []))
                if in_table:
                    rows[-1].append(spans)
                elif heading_level:
                    blocks.append(Heading(heading_level, spans))
                elif counters:
                    blocks.append(Item(len(counters), counters[-1], spans))
                else:
                    blocks.append(Prose(spans))
            case "fence" | "code_block" | "html_block" | "hr" | "blockquote_open":
                raise ValueError(f"{token.type} has no rendering: write it as a paragraph, a list or a table")
    return blocks


def spans_of(tokens: list[Token]) -> Iterator[Span]:
    bold = italic = False
    for token in tokens:
        match token.type:
            case "text":
                if token.content:
                    yield Span(token.content, bold, italic)
            case "softbreak":
                yield Span(" ", bold, italic)
            case "strong_open" | "strong_close":
                bold = token.type == "strong_open"
            case "em_open" | "em_close":
                italic = token.type == "em_open"
            case _:
                raise ValueError(f"{token.type} has no rendering in a line")


def text_of(spans: list[Span]) -> str:
    return "".join(span.text for span in spans)


def title_of(blocks: list[Block]) -> str:
    return next(text_of(block.spans) for block in blocks if isinstance(block, Heading) and block.level == 1)


# PDF: a title, a table of contents, then the text; every page has a running header and its number.

BODY = ParagraphStyle("body", fontName="Helvetica", fontSize=10, leading=14, spaceAfter=6)
CELL = ParagraphStyle("cell", parent=BODY, fontSize=8.5, leading=11, spaceAfter=0)
HEADINGS = {
    1: ParagraphStyle("h1", parent=BODY, fontName="Helvetica-Bold", fontSize=20, leading=25, spaceAfter=10),
    2: ParagraphStyle(
        "h2", parent=BODY, fontName="Helvetica-Bold", fontSize=14, leading=18, spaceBefore=12, keepWithNext=1
    ),
    3: ParagraphStyle(
        "h3", parent=BODY, fontName="Helvetica-Bold", fontSize=11, leading=15, spaceBefore=8, keepWithNext=1
    ),
}


class Handbook(BaseDocTemplate):
    """A PDF that tells its table of contents and its outline where each heading fell."""

    def __init__(self, file: io.BytesIO, title: str) -> None:
        super().__init__(file, pagesize=A4, title=title, author=PUBLISHER, invariant=1)
        self.running_title = title
        frame = Frame(22 * mm, 22 * mm, A4[0] - 44 * mm, A4[1] - 44 * mm, id="text")
        self.addPageTemplates([PageTemplate(id="page", frames=[frame], onPage=self.furnish)])

    def beforeDocument(self) -> None:
        self.headings = 0  # the text is laid out several times, until the page numbers in the table of contents settle

    def furnish(self, canvas: Canvas, _document: BaseDocTemplate) -> None:
        canvas.saveState()
        canvas.setFont("Helvetica", 8)
        canvas.drawString(22 * mm, A4[1] - 15 * mm, f"{PUBLISHER} – {self.running_title}")
        canvas.drawRightString(A4[0] - 22 * mm, 14 * mm, f"Page {canvas.getPageNumber()}")
        canvas.restoreState()

    def afterFlowable(self, flowable: Flowable) -> None:
        if isinstance(flowable, Paragraph) and flowable.style.name in ("h2", "h3"):
            text, level = flowable.getPlainText(), int(flowable.style.name[1]) - 2
            key = f"heading-{self.headings}"
            self.headings += 1
            self.canv.bookmarkPage(key)
            self.canv.addOutlineEntry(text, key, level, closed=True)
            if level == 0:
                self.notify("TOCEntry", (0, text, self.page, key))


def pdf_markup(spans: list[Span]) -> str:
    def one(span: Span) -> str:
        text = escape(span.text, quote=False)
        text = f"<b>{text}</b>" if span.bold else text
        return f"<i>{text}</i>" if span.italic else text

    return "".join(one(span) for span in spans)


def pdf_table(table: Table, width: float) -> PdfTable:
    longest = [max(len(text_of(row[column])) for row in table.rows) for column in range(len(table.rows[0]))]
    weights = [min(max(length, 9), 60) for length in longest]
    header, *body = table.rows
    cells = [[Paragraph(f"<b>{pdf_markup(cell)}</b>", CELL) for cell in header]]
    cells += [[Paragraph(pdf_markup(cell), CELL) for cell in row] for row in body]
    drawn = PdfTable(cells, colWidths=[width * weight / sum(weights) for weight in weights], repeatRows=1)
    drawn.setStyle(
        [
            ("GRID", (0, 0), (-1, -1), 0.4, colors.grey),
            ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#e4ecf2")),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ]
    )
    return drawn


def render_pdf(source: str) -> bytes:
    blocks = parse(source)
    file = io.BytesIO()
    handbook = Handbook(file, title_of(blocks))
    width = A4[0] - 44 * mm
    contents = TableOfContents(dotsMinLevel=0)
    contents.levelStyles = [ParagraphStyle("toc", parent=BODY, spaceAfter=2)]
    story: list[Flowable] = []
    contents_placed = False
    for block in blocks:
        match block:
            case Heading(level, spans):
                if level == 2 and not contents_placed:
                    story += [Spacer(0, 6 * mm), Paragraph("<b>Contents</b>", BODY), contents, PageBreak()]
                    contents_placed = True
                story.append(Paragraph(pdf_markup(spans), HEADINGS[level]))
            case Prose(spans):
                story.append(Paragraph(pdf_markup(spans), BODY))
            case Item(depth, number, spans):
                indent = 6 * mm * depth
                style = ParagraphStyle(
                    "item", parent=BODY, leftIndent=indent, bulletIndent=indent - 5 * mm, spaceAfter=3
                )
                mark = "•" if number is None else f"{number}."
                story.append(Paragraph(pdf_markup(spans), style, bulletText=mark))
            case Table():
                story += [Spacer(0, 2 * mm), pdf_table(block, width), Spacer(0, 4 * mm)]
    handbook.multiBuild(story)
    return file.getvalue()


# Word: the built-in styles a person would pick, so that headings and lists are real ones.


def add_spans(paragraph: WordParagraph, spans: list[Span]) -> None:
    for span in spans:
        run = paragraph.add_run(span.text)
        run.bold, run.italic = span.bold or None, span.italic or None


def add_page_number(paragraph: WordParagraph) -> None:
    field = OxmlElement("w:fldSimple")
    field.set(qn("w:instr"), "PAGE")
    paragraph.add_run("Page ")
    paragraph._p.append(field)


def start_list(document: WordDocument) -> int:
    """A new list that counts from 1: paragraphs that only share a style go on with the numbers of the list before."""
    numbering = document.part.numbering_part.element
    model = numbering.num_having_numId(document.styles["List Number"].element.pPr.numPr.numId.val)
    started = numbering.add_num(model.abstractNumId.val)
    started.add_lvlOverride(ilvl=0).add_startOverride(1)
    return int(started.numId)


def render_docx(source: str) -> bytes:
    blocks = parse(source)
    document = docx.Document()
    list_id = 0
    properties = document.core_properties
    properties.title, properties.author, properties.comments = title_of(blocks), PUBLISHER, ""
    properties.created = properties.modified = BUILT_AT
    section = document.sections[0]
    section.header.paragraphs[0].text = f"{PUBLISHER} – {title_of(blocks)}"
    add_page_number(section.footer.paragraphs[0])
    for block in blocks:
        match block:
            case Heading(level, spans):
                add_spans(document.add_paragraph(style="Title" if level == 1 else f"Heading {level - 1}"), spans)
            case Prose(spans):
                add_spans(document.add_paragraph(), spans)
            case Item(depth, number, spans):
                style = "List Bullet" if number is None else "List Number"
                paragraph = document.add_paragraph(style=style if depth == 1 else f"{style} {depth}")
                add_spans(paragraph, spans)
                if number is not None:
                    list_id = start_list(document) if number == 1 else list_id
                    paragraph._p.get_or_add_pPr().get_or_add_numPr().get_or_add_numId().val = list_id
            case Table(rows):
                grid = document.add_table(len(rows), len(rows[0]), style="Light Grid Accent 1")
                for row, cells in zip(grid.rows, rows, strict=True):
                    for cell, spans in zip(row.cells, cells, strict=True):
                        add_spans(cell.paragraphs[0], spans)
    file = io.BytesIO()
    document.save(file)
    return with_fixed_times(file.getvalue())


def with_fixed_times(archive: bytes) -> bytes:
    """The same zip archive with one date on every member: python-docx stamps them with the time of day."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            member = zipfile.ZipInfo(name, BUILT_AT.timetuple()[:6])
            member.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(member, old.read(name))
    return file.getvalue()


# HTML: the text in <main>, with the navigation, banner and footer that a real site wraps around it.


def render_html(source: str) -> bytes:
    page = Template((HERE / "sources" / "site.html").read_text(encoding="utf-8"))
    return page.substitute(title=escape(title_of(parse(source))), main=markdown().render(source)).encode()


RENDERERS = {"pdf": render_pdf, "docx": render_docx, "html": render_html}


def build(into: Path) -> list[Path]:
    """Writes every built document into `into` and returns the paths."""
    into.mkdir(parents=True, exist_ok=True)
    written = []
    for source in sorted((HERE / "sources").glob("*.*.md")):
        target = into / source.stem
        target.write_bytes(RENDERERS[target.suffix[1:]](source.read_text(encoding="utf-8")))
        written.append(target)
    return written


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--into", type=Path, default=HERE / "documents", metavar="DIRECTORY")
    for path in build(arguments.parse_args().into):
        print(f"{path.name}: {path.stat().st_size} bytes")
