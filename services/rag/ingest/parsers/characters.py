"""From bytes to clean text: the encoding found out, control characters gone, white space single."""

import re
import unicodedata

from charset_normalizer import from_bytes

from services.kit.errors import InvalidInput

MAX_GUESSED_BYTES = 2**20
"""How much of a file the guess of an old encoding looks at."""
MAX_REPLACED = 0.001
"""A file that is UTF-8 but for this share of its characters is read as UTF-8, the bad bytes as U+FFFD."""
MAX_CONTROL = 0.01
"""A file with a larger share of control characters is no text."""

_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_DROPPED = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ud800-\udfff]"
)
"""Controls, soft hyphens, zero-width and direction marks (they hide text from search), lone surrogates."""
_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
_TRANSLATED = str.maketrans({**_LIGATURES, "\u2011": "-", "\u2028": " ", "\u2029": " "})


def decode(content: bytes, declared: str | None = None) -> str:
    """The text of a file.

    A byte order mark tells the encoding; else it is UTF-8 when it can be, else what is declared, else a guess.

    Raises:
        InvalidInput: it is no text in any encoding.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return _checked(content[len(mark) :].decode(encoding, "replace"))
    try:
        return _checked(content.decode())
    except UnicodeDecodeError:
        pass
    if declared:
        try:
            return _checked(content.decode(declared))
        except (UnicodeDecodeError, LookupError):
            pass
    mended = content.decode(errors="replace")
    if mended.count("\ufffd") <= MAX_REPLACED * len(mended):
        return _checked(mended)
    if len(_CONTROL.findall(content[:MAX_GUESSED_BYTES].decode("latin-1"))) <= MAX_CONTROL * min(
        len(content), MAX_GUESSED_BYTES
    ):
        guess = from_bytes(content[:MAX_GUESSED_BYTES]).best()
        if guess is not None:
            return _checked(content.decode(guess.encoding, "replace"))
    raise InvalidInput("it is not text: neither UTF-8 nor another encoding fits its bytes")


def _checked(text: str) -> str:
    if len(_CONTROL.findall(text)) > MAX_CONTROL * len(text):
        raise InvalidInput("it is not text: it is full of control characters")
    return text


def clean(text: str) -> str:
    """One line: composed (NFC), ligatures spelt out, invisible characters gone, white space single."""
    return " ".join(unicodedata.normalize("NFC", _DROPPED.sub("", text.translate(_TRANSLATED))).split())


def clean_lines(text: str) -> str:
    """The same line by line, indentation kept, for code."""
    lines = (
        unicodedata.normalize("NFC", _DROPPED.sub("", line.translate(_TRANSLATED).expandtabs(4))).rstrip()
        for line in re.split(r"\r\n|\r|\n", text)
    )
    return "\n".join(lines).strip("\n")
