"""Reads documents: bytes in, blocks out, one parser a format, each in its own file."""

from collections.abc import Iterator
from dataclasses import dataclass

from services.kit.errors import InvalidInput
from services.rag.document import Block
from services.rag.ingest.parsers.media_type import MediaType


@dataclass(frozen=True, slots=True)
class Reading:
    """A document being read."""

    blocks: Iterator[Block]
    """In reading order, made as they are asked for. Raises InvalidInput where the document cannot be read further."""
    pages: int | None = None
    """How many pages there are; None in formats without pages."""


def read(content: bytes, media_type: MediaType) -> Reading:
    """Opens a document.

    Raises:
        InvalidInput: it cannot be read; says why in words for the person who sent it.
    """
    match media_type:
        case MediaType.PDF:
            from services.rag.ingest.parsers.pdf import PdfDocument

            document = PdfDocument(content)
            return Reading(document.blocks(), document.pages)
        case MediaType.DOCX:
            from services.rag.ingest.parsers.docx import read_docx

            return Reading(read_docx(content))
        case MediaType.HTML:
            from services.rag.ingest.parsers.html import read_html

            return Reading(read_html(content))
        case MediaType.MARKDOWN:
            from services.rag.ingest.parsers.markdown import read_markdown

            return Reading(read_markdown(content))
        case MediaType.TEXT:
            from services.rag.ingest.parsers.text import read_text

            return Reading(read_text(content))
    raise InvalidInput(f"{media_type} is not read here")
