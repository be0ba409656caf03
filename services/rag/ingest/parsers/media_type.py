"""Tells what a document is: by its content first, because names and declared types are often wrong."""

import io
import re
import zipfile
from enum import StrEnum
from pathlib import PurePosixPath

from services.kit.errors import InvalidInput


class MediaType(StrEnum):
    PDF = "application/pdf"
    DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    HTML = "text/html"
    MARKDOWN = "text/markdown"
    TEXT = "text/plain"


READ_HERE = "PDF, DOCX, HTML, Markdown and plain text are read"

_ENDINGS = {
    ".pdf": MediaType.PDF,
    ".docx": MediaType.DOCX,
    ".html": MediaType.HTML,
    ".htm": MediaType.HTML,
    ".xhtml": MediaType.HTML,
    ".md": MediaType.MARKDOWN,
    ".markdown": MediaType.MARKDOWN,
}
_DECLARED = {
    **{str(media_type): media_type for media_type in MediaType},
    "application/xhtml+xml": MediaType.HTML,
    "text/x-markdown": MediaType.MARKDOWN,
}
_OTHER_PACKAGES = {
    "xl/": "an Excel workbook",
    "ppt/": "a PowerPoint presentation",
    "META-INF/": "an OpenDocument or EPUB file",
}
_OTHER_FORMATS = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"II*\x00": "a TIFF image",
    b"MM\x00*": "a TIFF image",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\x7fELF": "a program",
    b"MZ\x90": "a program",
    b"{\\rtf": "an RTF document",
}
_HTML = re.compile(rb"\s*(?:<!--.*?-->\s*|<\?xml[^>]*>\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S)
_SNIFFED_BYTES = 2048


def recognise(content: bytes, name: str, declared: str = "") -> MediaType:
    """The format of a document.

    Raises:
        InvalidInput: it is empty, or a format that is not read here.
    """
    if not content.strip():
        raise InvalidInput("the file is empty")
    head = content[:_SNIFFED_BYTES]
    if b"%PDF-" in head[:1024]:
        return MediaType.PDF
    if head.startswith(b"PK\x03\x04"):
        return _package(content)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        if "EncryptedPackage".encode("utf-16-le") in content:
            raise InvalidInput("the document is protected by a password")
        raise InvalidInput(f"it is a file of an old Office version; {READ_HERE}: save it as DOCX or PDF")
    for magic, what in _OTHER_FORMATS.items():
        if head.startswith(magic):
            raise InvalidInput(f"it is {what}; {READ_HERE}")
    hint = _DECLARED.get(declared.partition(";")[0].strip().lower()) or _ENDINGS.get(
        PurePosixPath(name).suffix.lower(), MediaType.TEXT
    )
    if hint in (MediaType.PDF, MediaType.DOCX):
        raise InvalidInput(f"it is no {hint.name} file, whatever its name says; is it damaged?")
    if hint is MediaType.TEXT and _HTML.match(head.removeprefix(b"\xef\xbb\xbf")):
        return MediaType.HTML
    return hint


def _package(content: bytes) -> MediaType:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            names = package.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError):
        raise InvalidInput("the file is damaged: its end is missing or its directory cannot be read") from None
    if "word/document.xml" in names:
        return MediaType.DOCX
    for folder, what in _OTHER_PACKAGES.items():
        if any(name.startswith(folder) for name in names):
            raise InvalidInput(f"it is {what}; {READ_HERE}")
    raise InvalidInput(f"it is a zip archive; {READ_HERE}: send the files in it one by one")
