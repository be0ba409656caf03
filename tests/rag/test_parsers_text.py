"""Markdown and plain text, their encodings, and how a document's format is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.errors import InvalidInput
from services.rag.document import Kind
from services.rag.ingest.parsers.media_type import MediaType, recognise
from tests.rag.documents import blocks_of, simple_pdf, told, word, zipped


def markdown(text: str) -> bytes:
    return text.encode()


def test_markdown_gives_headings_items_rows_and_code() -> None:
    blocks = blocks_of(
        markdown(
            "---\ntitle: x\n---\n# Pumps\n\nThey are *old* and\nstrong ([map](m.png)).\n\nSetext\n------\n\n"
            "3. Open\n4. Close\n   - slowly\n\n| Site | Height |\n|---|---|\n| Weir | 14.2 m |\n| Mill | |\n\n"
            "```python\nx = 1\n\ny = 2\n```\n> Quoted.\n\n<div hidden>raw</div>\n"
        ),
        "a.md",
    )
    assert [(block.kind, block.level, block.marker, block.text) for block in blocks] == [
        (Kind.HEADING, 1, "", "Pumps"),
        (Kind.PARAGRAPH, 0, "", "They are old and strong (map)."),
        (Kind.HEADING, 2, "", "Setext"),
        (Kind.ITEM, 0, "3.", "Open"),
        (Kind.ITEM, 0, "4.", "Close"),
        (Kind.ITEM, 1, "-", "slowly"),
        (Kind.ROW, 0, "", "Site: Weir; Height: 14.2 m"),
        (Kind.ROW, 0, "", "Site: Mill"),
        (Kind.CODE, 0, "", "x = 1\n\ny = 2"),
        (Kind.PARAGRAPH, 0, "", "Quoted."),
        (Kind.PARAGRAPH, 0, "", "raw"),
    ]


def test_a_long_markdown_file_is_read_in_slices_without_loss() -> None:
    section = "## Section {}\n\nWords of section {}.\n\n```\n# no heading {}\n```\n\n"
    text = "".join(section.replace("{}", str(number)) for number in range(5000))
    blocks = blocks_of(markdown(text), "a.md")
    assert told(blocks, Kind.HEADING) == [f"Section {number}" for number in range(5000)]
    assert told(blocks, Kind.CODE) == [f"# no heading {number}" for number in range(5000)]


def test_deeply_nested_markdown_is_cut_and_not_crashed_on() -> None:
    assert blocks_of(markdown("> " * 50_000 + "deep"), "a.md") is not None
    assert blocks_of(markdown("[" * 50_000 + "deep"), "a.md") is not None
    assert blocks_of(markdown("".join("  " * level + "- x\n" for level in range(500))), "a.md") is not None


def test_plain_text_joins_wrapped_lines_and_finds_items() -> None:
    blocks = blocks_of(b"The pump\nis old.\n\nBefore you start:\n - look;\n   listen;\n 2) wait.\n\nDone.\n", "a.txt")
    assert [(block.kind, block.marker, block.text) for block in blocks] == [
        (Kind.PARAGRAPH, "", "The pump is old."),
        (Kind.PARAGRAPH, "", "Before you start:"),
        (Kind.ITEM, "-", "look; listen;"),
        (Kind.ITEM, "2)", "wait."),
        (Kind.PARAGRAPH, "", "Done."),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_in_any_unicode_encoding_is_read(encoding: str) -> None:
    text = "Die Pumpe fördert 14 m³ — für £10.80. 水泵"
    assert told(blocks_of(text.encode(encoding), "a.txt"), *Kind) == [text]


def test_an_old_encoding_is_guessed() -> None:
    text = "Über die Brücke führt die Straße nach Süden, wo früher die Mühle stand. Größere Schäden gab es später. " * 4
    assert told(blocks_of(text.encode("cp1252"), "a.txt"), *Kind) == [text.strip()]


def test_a_few_bad_bytes_do_not_cost_the_document() -> None:
    content = ("Für alle Fälle. " * 500).encode() + b"\xff\xfe" + b" Ende."
    (text,) = told(blocks_of(content, "a.txt"), *Kind)
    assert text.endswith("\ufffd\ufffd Ende.")
    assert text.startswith("Für alle Fälle.")


@pytest.mark.parametrize("content", [bytes(range(256)) * 50, b"\x00\x01\x02\x03" * 100, b"\xde\xad\xbe\xef\x00" * 999])
def test_bytes_that_are_no_text_are_refused(content: bytes) -> None:
    with pytest.raises(InvalidInput, match="not text"):
        blocks_of(content, "a.txt")


def test_invisible_characters_are_left_out() -> None:
    (text,) = told(blocks_of("Ig\u200bno\u00adre\u202e the \u2060pum\ufeffp, ﬁnally.".encode(), "a.txt"), *Kind)
    assert text == "Ignore the pump, finally."


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused_as_text(content: bytes) -> None:
    try:
        blocks = blocks_of(content, "a.txt", "text/plain")
    except InvalidInput:
        return
    "".join(block.text for block in blocks).encode()


@given(st.text(max_size=400))
def test_any_markdown_is_read(text: str) -> None:
    try:
        blocks = blocks_of(text.encode("utf-8", "replace"), "a.md")
    except InvalidInput:
        return
    for block in blocks:
        block.text.encode()


@pytest.mark.parametrize(
    ("content", "name", "why"),
    [
        (b"", "a.txt", "empty"),
        (b" \n\t ", "a.pdf", "empty"),
        (b"Just words.", "a.pdf", "no PDF"),
        (b"Just words.", "a.docx", "no DOCX"),
        (zipped({"xl/workbook.xml": b"<a/>"}), "a.docx", "Excel"),
        (zipped({"ppt/presentation.xml": b"<a/>"}), "a.pptx", "PowerPoint"),
        (zipped({"content.xml": b"<a/>", "META-INF/manifest.xml": b""}), "a.odt", "OpenDocument"),
        (zipped({"a.txt": b"hello"}), "a.zip", "zip archive"),
        (b"PK\x03\x04" + b"x" * 100, "a.docx", "damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "a.doc", "old Office"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "a.docx", "password"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "a.txt", "PNG"),
        (b"{\\rtf1 hello}", "a.txt", "RTF"),
    ],
)
def test_what_is_not_read_here_is_named(content: bytes, name: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        recognise(content, name)


@pytest.mark.parametrize("name", ["a.pdf", "a.txt", "a.docx", "a", "a.html"])
def test_content_counts_more_than_the_name(name: str) -> None:
    assert recognise(simple_pdf(1), name, "text/plain") is MediaType.PDF
    assert recognise(word(lambda document: None), name, "text/plain") is MediaType.DOCX
