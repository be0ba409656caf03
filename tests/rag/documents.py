"""Documents that tests read: PDF by reportlab, DOCX by python-docx, each made in memory."""

import io
import struct
import zipfile
from collections.abc import Callable, Sequence

import docx
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from services.rag.document import Block, Kind
from services.rag.ingest.parsers import read
from services.rag.ingest.parsers.media_type import recognise

WIDTH, HEIGHT = A4
PROSE = (
    "The pump house stands beside the weir and is older than the mill. Its three pumps lift the water of the river "
    "into the tank on the hill, from where it runs to the town by its own weight. Nobody lives there now. "
)


def blocks_of(content: bytes, name: str = "document", declared: str = "") -> list[Block]:
    return list(read(content, recognise(content, name, declared)).blocks)


def told(blocks: Sequence[Block], *kinds: Kind) -> list[str]:
    return [block.text for block in blocks if block.kind in kinds]


def pdf(draw: Callable[[Canvas], None], *, password: str | None = None) -> bytes:
    """A PDF that `draw` draws. The canvas is A4, unit points, origin at the lower left."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, A4, encrypt=StandardEncryption(password) if password else None, invariant=1)
    draw(canvas)
    canvas.save()
    return buffer.getvalue()


def write_lines(
    canvas: Canvas,
    lines: Sequence[str],
    *,
    x: float = 70,
    y: float = 750,
    size: float = 10,
    bold: bool = False,
    leading: float | None = None,
) -> float:
    """Draws lines one under the other and gives the place below them."""
    canvas.setFont("Helvetica-Bold" if bold else "Helvetica", size)
    for line in lines:
        canvas.drawString(x, y, line)
        y -= leading or 1.3 * size
    return y


def wrapped(text: str, characters: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= characters:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def simple_pdf(
    pages: int, text: Callable[[int], str] = lambda page: f"Page {page} tells of pump {page}. {PROSE}"
) -> bytes:
    def draw(canvas: Canvas) -> None:
        for page in range(1, pages + 1):
            write_lines(canvas, wrapped(text(page), 90))
            canvas.showPage()

    return pdf(draw)


def word(build: Callable[["docx.document.Document"], None]) -> bytes:
    """A DOCX that `build` fills."""
    document = docx.Document()
    build(document)
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def zipped(parts: dict[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as package:
        for name, content in parts.items():
            package.writestr(name, content)
    return buffer.getvalue()


def repacked(package: bytes, changed: dict[str, bytes]) -> bytes:
    """A package with some of its parts changed or added."""
    with zipfile.ZipFile(io.BytesIO(package)) as source:
        parts = {name: source.read(name) for name in source.namelist()}
    return zipped({**parts, **changed})


def marked_encrypted(package: bytes) -> bytes:
    """The package with the flag set that says its parts are encrypted."""
    content = bytearray(package)
    for signature, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        place = content.find(signature)
        while place >= 0:
            (flags,) = struct.unpack_from("<H", content, place + offset)
            struct.pack_into("<H", content, place + offset, flags | 1)
            place = content.find(signature, place + 4)
    return bytes(content)
