"""Documents for benches: any number of varied pages in PDF, DOCX, HTML and Markdown, the same for the same seed."""

import html
import itertools
import random
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import docx

SEED = 20261123
LINES_A_PAGE = 46
CHARACTERS_A_PAGE = 3000
"""Of formats without pages, as the service counts them."""
PAGES_A_DOCUMENT = 50
"""Of the documents that follow the first, which is one long PDF."""
ENDINGS = ("pdf", "docx", "html", "md")

_SUBJECTS = (
    "pump valve filter main reservoir meter gauge borehole tank motor bearing screen sluice hydrant drive".split()
)
_PLACES = "Weir Street,Mill Lane,Gallows Hill,Beacon Hill,Corder's Ford,Fenwick Road,Chalkpit Lane,Long Acre".split(",")
_PEOPLE = "Ada Brandt,Owen Marsh,Lena Vogt,Hamish Orr,Priya Raman,Tomasz Wilk,Nell Harding,Ines Falk".split(",")
_UNITS = "mm,m,bar,l/s,kW,mg/l,°C,minutes,hours,days,km,%".split(",")
_SENTENCES = (
    "The {subject} at {place} has been set to {number} {unit} since {month} {year}.",
    "Every {months} months the {subject} is taken apart, cleaned, and looked at by {person}.",
    "When the reading rises above {number} {unit}, the {subject} is stopped and {person} told within {small} minutes.",
    "Nobody opens the {subject} at {place} without a permit, however urgent it seems.",
    "In {year} a {subject} of the same make failed after {number} hours, because it had been stored in the open.",
    "The stores keep {small} spares under code {code}, of which one is reserved for {place}.",
    "A {subject} that has stood still for more than {small} days is turned by hand before it is started.",
    "{person} writes the result into the book and signs it; a figure in pencil does not count.",
    "Between {place} and {other} the pipe lies {small} m deep and crosses the railway twice.",
    "The limit of {number} {unit} was agreed in {month} {year} and holds until the {subject} is replaced.",
    "If in doubt, leave the {subject} as it is and call extension {extension}.",
    "Its predecessor, which stood at {other} until {year}, needed twice the power for half the flow.",
)
_MONTHS = "January March April June August October November".split()


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it, about a page."""

    title: str
    paragraphs: Sequence[str]
    items: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def characters(self) -> int:
        return sum(map(len, (self.title, *self.paragraphs, *self.items, *(cell for row in self.rows for cell in row))))


def write_documents(folder: Path, pages: int) -> Iterator[Path]:
    """Writes a PDF of a quarter of the pages, then documents of 50 pages, each format in turn."""
    made = 0
    number = 0
    while made < pages:
        size = max(1, pages // 4) if not number else min(PAGES_A_DOCUMENT, pages - made)
        ending = ENDINGS[number % len(ENDINGS)]
        path = folder / f"document-{number:05}.{ending}"
        sections = _sections(random.Random(SEED + number))  # noqa: S311 - no secret
        match ending:
            case "pdf":
                _write_pdf(path, sections, size)
            case "docx":
                _write_docx(path, _enough(sections, size))
            case "html":
                path.write_text(_html(_enough(sections, size)))
            case _:
                path.write_text(_markdown(_enough(sections, size)))
        yield path
        made += size
        number += 1


def _enough(sections: Iterator[Section], pages: int) -> Iterator[Section]:
    """Sections until they fill so many pages."""
    characters = 0
    while characters < CHARACTERS_A_PAGE * pages:
        section = next(sections)
        characters += section.characters
        yield section


def _sections(rng: random.Random) -> Iterator[Section]:
    for number in itertools.count(1):
        title = f"{number} The {rng.choice(_SUBJECTS)} at {rng.choice(_PLACES)}"
        paragraphs = [" ".join(_sentence(rng) for _ in range(rng.randint(4, 9))) for _ in range(rng.randint(3, 4))]
        items = [_sentence(rng) for _ in range(3)] if number % 3 == 0 else []
        rows = []
        if number % 4 == 0:
            rows = [("Code", "Article", "Setting")]
            rows += [(_code(rng), f"{rng.choice(_SUBJECTS)} {rng.randint(1, 99)}", _setting(rng)) for _ in range(5)]
        yield Section(title, paragraphs, items, rows)


def _sentence(rng: random.Random) -> str:
    return rng.choice(_SENTENCES).format(
        subject=rng.choice(_SUBJECTS),
        place=rng.choice(_PLACES),
        other=rng.choice(_PLACES),
        person=rng.choice(_PEOPLE),
        unit=rng.choice(_UNITS),
        number=f"{rng.randint(10, 9999) / 10:.1f}",
        small=rng.randint(2, 60),
        months=rng.randint(2, 24),
        month=rng.choice(_MONTHS),
        year=rng.randint(1950, 2026),
        code=_code(rng),
        extension=rng.randint(200, 799),
    )


def _code(rng: random.Random) -> str:
    return f"{rng.choice('ABCDEFGH')}{rng.choice('KLMNPRST')}-{rng.randint(1000, 9999)}"


def _setting(rng: random.Random) -> str:
    return f"{rng.randint(10, 999) / 10:.1f} {rng.choice(_UNITS)}"


def _html(sections: Iterator[Section]) -> str:
    parts = ["<!doctype html><html><head><title>Works</title></head><body><nav>Home</nav><main><h1>Works</h1>"]
    for section in sections:
        parts.append(f"<h2>{html.escape(section.title)}</h2>")
        parts += [f"<p>{html.escape(paragraph)}</p>" for paragraph in section.paragraphs]
        parts += ["<ul>", *(f"<li>{html.escape(item)}</li>" for item in section.items), "</ul>"]
        rows = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in section.rows)
        parts += ["<table>", *(f"<tr>{row}</tr>" for row in rows), "</table>"]
    return "\n".join([*parts, "</main><footer>2026</footer></body></html>"])


def _markdown(sections: Iterator[Section]) -> str:
    parts = ["# Works"]
    for section in sections:
        parts += [f"## {section.title}", *section.paragraphs]
        parts.append("\n".join(f"- {item}" for item in section.items))
        if section.rows:
            lines = [f"| {' | '.join(row)} |" for row in section.rows]
            parts.append("\n".join([lines[0], "|---|---|---|", *lines[1:]]))
    return "\n\n".join(filter(None, parts)) + "\n"


def _write_docx(path: Path, sections: Iterator[Section]) -> None:
    document = docx.Document()
    for section in sections:
        document.add_heading(section.title, 1)
        for paragraph in section.paragraphs:
            document.add_paragraph(paragraph)
        for item in section.items:
            document.add_paragraph(item, style="List Bullet")
        if section.rows:
            table = document.add_table(rows=len(section.rows), cols=len(section.rows[0]))
            for row, texts in zip(table.rows, section.rows, strict=True):
                for cell, text in zip(row.cells, texts, strict=True):
                    cell.text = text
    document.save(str(path))


def _write_pdf(path: Path, sections: Iterator[Section], pages: int) -> None:
    """Exactly so many pages, each under a running head, written as they are made."""
    lines = _pdf_lines(sections)
    with path.open("wb") as file:
        file.write(b"%PDF-1.4\n")
        places: list[int] = []

        def write(body: bytes) -> None:
            places.append(file.tell())
            file.write(b"%d 0 obj\n%s\nendobj\n" % (len(places), body))

        write(b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>")
        write(b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica-Bold/Encoding/WinAnsiEncoding>>")
        tree = 3 + 2 * pages
        for number in range(1, pages + 1):
            content = _pdf_page(lines, number)
            write(b"<</Length %d>>stream\n%s\nendstream" % (len(content), content))
            write(
                b"<</Type/Page/Parent %d 0 R/MediaBox[0 0 595 842]/Contents %d 0 R"
                b"/Resources<</Font<</F1 1 0 R/F2 2 0 R>>>>>>" % (tree, len(places))
            )
        kids = b" ".join(b"%d 0 R" % (4 + 2 * page) for page in range(pages))
        write(b"<</Type/Pages/Count %d/Kids[%s]>>" % (pages, kids))
        write(b"<</Type/Catalog/Pages %d 0 R>>" % tree)
        start = file.tell()
        file.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1))
        file.writelines(b"%010d 00000 n \n" % place for place in places)
        file.write(b"trailer<</Size %d/Root %d 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(places) + 1, tree + 1, start))


def _pdf_lines(sections: Iterator[Section]) -> Iterator[tuple[bool, str]]:
    """Lines of text and whether each is a heading; empty ones between paragraphs."""
    for section in sections:
        yield True, section.title
        yield False, ""
        for paragraph in section.paragraphs:
            yield from ((False, line) for line in textwrap.wrap(paragraph, 95))
            yield False, ""
        for item in section.items:
            yield from ((False, line) for line in textwrap.wrap(item, 95, initial_indent="• "))
        for row in section.rows:
            yield False, "\t".join(row)
        yield False, ""


def _pdf_page(lines: Iterator[tuple[bool, str]], number: int) -> bytes:
    commands = [_pdf_text(60, 805, "Works, issue 7", 8, bold=False)]
    for place in range(LINES_A_PAGE):
        heading, text = next(lines, (False, ""))
        for column, cell in enumerate(text.split("\t")):
            if cell:
                commands.append(_pdf_text(60 + 150 * column, 765 - 15 * place, cell, 13 if heading else 10, heading))
    commands.append(_pdf_text(290, 35, f"Page {number}", 8, bold=False))
    return "\n".join(commands).encode("cp1252", "replace")


def _pdf_text(x: int, y: int, text: str, size: int, bold: bool) -> str:
    escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return f"BT /F{2 if bold else 1} {size} Tf {x} {y} Td ({escaped}) Tj ET"
