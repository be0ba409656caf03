"""The words of a PDF page with place and style, in the order the page draws them; upright, whatever its rotation."""

import ctypes
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pypdfium2 as pdfium
import pypdfium2.raw as raw

MAX_CHARACTERS = 200_000
"""Of one page; what comes after is not read. A dense broadsheet page has 30 000."""
HYPHEN = "\x02"
"""What PDFium gives for a hyphen that breaks a word at the end of a line."""

_WORD = re.compile(rf"(\r?\n)?\s*([^\s{HYPHEN}]+{HYPHEN}?|{HYPHEN})")
_BOLD = re.compile(rb"bold|black|heavy|demi", re.I)
_SLANT = 0.2
"""Least sine of an angle, about 12 degrees, at which text counts as slanted."""


@dataclass(frozen=True, slots=True)
class Word:
    """Coordinates in points, x to the right, y up, as a reader sees the page."""

    text: str
    left: float
    right: float
    baseline: float
    size: float
    bold: bool
    begins_line: bool
    """Whether there is a line break before it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """How the page's own coordinates become the reader's."""

    left: float
    bottom: float
    right: float
    top: float
    quarter_turns: int
    """How often the text is turned to the left."""

    @property
    def width(self) -> float:
        return self.top - self.bottom if self.quarter_turns % 2 else self.right - self.left

    @property
    def height(self) -> float:
        return self.right - self.left if self.quarter_turns % 2 else self.top - self.bottom

    def place(self, x: float, y: float) -> tuple[float, float]:
        match self.quarter_turns:
            case 1:
                return y - self.bottom, self.right - x
            case 2:
                return self.right - x, self.top - y
            case 3:
                return self.top - y, x - self.left
        return x - self.left, y - self.bottom


@dataclass(frozen=True, slots=True)
class _Style:
    size: float
    bold: bool
    quarter_turns: int | None
    """None: slanted."""


def read_words(page: pdfium.PdfPage) -> tuple[Frame, list[Word]]:
    """The words of a page. Text in another direction than most of it (stamps, axis titles) is left out."""
    text_page = page.get_textpage()
    try:
        reader = _Reader(text_page.raw)
        spans = list(reader.spans())
        turns: Counter[int] = Counter()
        styles = []
        for _, start, end in spans:
            style = reader.style(start)
            styles.append(style)
            if style.quarter_turns is not None:
                turns[style.quarter_turns] += end - start
        left, bottom, right, top = page.get_cropbox()
        frame = Frame(left, bottom, right, top, turns.most_common(1)[0][0] if turns else 0)
        words = [
            reader.word(frame, style, *span)
            for span, style in zip(spans, styles, strict=True)
            if style.quarter_turns == frame.quarter_turns
        ]
    finally:
        text_page.close()
    return frame, [word for word in words if 0 <= word.left <= frame.width and 0 <= word.baseline <= frame.height]


class _Reader:
    """Reads one text page by PDFium's own functions: a call a word, not a call a character."""

    def __init__(self, page: "raw.FPDF_TEXTPAGE") -> None:
        self._page = page
        self._styles: dict[int | None, _Style] = {}
        self._matrix = raw.FS_MATRIX()
        self._numbers = tuple(ctypes.c_double() for _ in range(4))
        self._pointers = tuple(map(ctypes.byref, self._numbers))
        self._text = self._characters()

    def _characters(self) -> str:
        """The page's text, one character an index of PDFium's."""
        count = min(MAX_CHARACTERS, raw.FPDFText_CountChars(self._page))
        buffer = (ctypes.c_ushort * (count + 1))()
        written = raw.FPDFText_GetText(self._page, 0, count, buffer) - 1
        text = bytes(buffer)[: 2 * written].decode("utf-16-le", "replace")
        if len(text) == written == count:
            return text.replace("\ufffe", HYPHEN)
        # Characters outside the first plane, or without a code, shift the indices.
        codes = (raw.FPDFText_GetUnicode(self._page, index) for index in range(count))
        text = "".join(chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd" for code in codes)
        return text.replace("\ufffe", HYPHEN)

    def spans(self) -> Iterator[tuple[bool, int, int]]:
        """Whether a line break comes before a word, and its first and last index."""
        for match in _WORD.finditer(self._text):
            after_break = match.start() == 0 or self._text[match.start() - 1] == HYPHEN
            yield match[1] is not None or after_break, match.start(2), match.end(2)

    def style(self, index: int) -> _Style:
        handle = raw.FPDFText_GetTextObject(self._page, index)
        key = ctypes.cast(handle, ctypes.c_void_p).value
        known = self._styles.get(key)
        if known is None:
            known = self._styles[key] = self._read_style(handle, index)
        return known

    def _read_style(self, handle: "raw.FPDF_PAGEOBJECT", index: int) -> _Style:
        matrix = self._matrix
        if not raw.FPDFText_GetMatrix(self._page, index, matrix):
            return _Style(0, False, None)
        scale = math.hypot(matrix.a, matrix.b) or 1.0
        across = math.hypot(matrix.c, matrix.d) or scale
        cosine, sine = matrix.a / scale, matrix.b / scale
        slanted = min(abs(cosine), abs(sine)) > _SLANT
        turns = None if slanted else round(math.atan2(sine, cosine) / (math.pi / 2)) % 4
        font = raw.FPDFTextObj_GetFont(handle) if handle else None
        bold = False
        if font:
            name = ctypes.create_string_buffer(256)
            raw.FPDFFont_GetBaseFontName(font, name, len(name))
            bold = bool(_BOLD.search(name.value)) or raw.FPDFFont_GetWeight(font) >= 600
        return _Style(raw.FPDFText_GetFontSize(self._page, index) * across, bold, turns)

    def word(self, frame: Frame, style: _Style, begins_line: bool, start: int, end: int) -> Word:
        x, y, *_ = self._numbers
        raw.FPDFText_GetCharOrigin(self._page, start, *self._pointers[:2])
        left, baseline = frame.place(x.value, y.value)
        low_x, high_x, low_y, high_y = self._numbers
        raw.FPDFText_GetCharBox(self._page, end - 1, *self._pointers)
        corners = (frame.place(low_x.value, low_y.value), frame.place(high_x.value, high_y.value))
        right = max(corners[0][0], corners[1][0], left)
        return Word(self._text[start:end], left, right, baseline, style.size, style.bold, begins_line)
