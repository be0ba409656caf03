"""Markdown (CommonMark with tables), read by markdown-it in slices, so that a long file is never held as a tree."""

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

from services.rag.document import Block, Kind
from services.rag.ingest.parsers import tables
from services.rag.ingest.parsers.characters import clean, clean_lines, decode

SLICE_CHARACTERS = 100_000
MAX_NESTING = 20

_FRONT_MATTER = re.compile(r"---\r?\n.*?\r?\n(?:---|\.\.\.)\r?\n", re.S)
_LINE = re.compile(r"[^\n]*(?:\n|$)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r"#{1,6}\s")
_TAG = re.compile(r"<[^>]*>")


def read_markdown(content: bytes) -> Iterator[Block]:
    """Headings, paragraphs, items, rows and code of a Markdown file; front matter, images and raw HTML left out."""
    text = decode(content)
    front_matter = _FRONT_MATTER.match(text)
    if front_matter:
        text = text[front_matter.end() :]
    parser = MarkdownIt("commonmark", {"maxNesting": MAX_NESTING}).enable("table")
    for piece in _slices(text):
        yield from _blocks(parser.parse(piece))


def _slices(text: str) -> Iterator[str]:
    """Cuts before a heading outside of fenced code."""
    start = place = 0
    fence = ""
    for line in _LINE.finditer(text):
        mark = _FENCE.match(line[0])
        if mark and (not fence or (mark[1].startswith(fence) and not line[0].strip(f" {fence[0]}\r\n"))):
            fence = "" if fence else mark[1]
        place = line.start()
        if place - start > SLICE_CHARACTERS and not fence and _HEADING.match(line[0]):
            yield text[start:place]
            start = place
    yield text[start:]


def _blocks(tokens: list[Token]) -> Iterator[Block]:
    lists: list[tuple[bool, int]] = []
    marker = ""
    table: list[list[str]] = []
    for place, token in enumerate(tokens):
        match token.type:
            case "heading_open":
                if title := _inline(tokens[place + 1]):
                    yield Block(Kind.HEADING, title, level=int(token.tag[1:]))
            case "paragraph_open":
                if text := _inline(tokens[place + 1]):
                    if lists and marker:
                        yield Block(Kind.ITEM, text, level=len(lists) - 1, marker=marker)
                        marker = ""
                    elif lists:
                        yield Block(Kind.ITEM, text, level=len(lists))
                    else:
                        yield Block(Kind.PARAGRAPH, text)
            case "bullet_list_open" | "ordered_list_open":
                lists.append((token.type == "ordered_list_open", 0))
            case "bullet_list_close" | "ordered_list_close":
                lists.pop()
            case "list_item_open":
                marker = f"{token.info}{token.markup}" if lists[-1][0] else "-"
            case "fence" | "code_block":
                if code := clean_lines(token.content):
                    yield Block(Kind.CODE, code)
            case "html_block":
                if text := clean(_TAG.sub(" ", token.content)):
                    yield Block(Kind.PARAGRAPH, text)
            case "tr_open":
                table.append([])
            case "td_open" | "th_open":
                table[-1].append(_inline(tokens[place + 1]))
            case "table_close":
                yield from tables.rows(table, header_rows=1)
                table = []


def _inline(token: Token) -> str:
    parts = []
    for child in token.children or ():
        if child.type in ("text", "code_inline"):
            parts.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
        elif child.type == "image":
            parts.append(child.content)
    return clean("".join(parts))
