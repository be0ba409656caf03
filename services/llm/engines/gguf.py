"""Reads from the header of a GGUF file what llama.cpp's server does not tell: the vocabulary, and what ends an answer.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from services.estimates.language_models.vocabulary import vocabulary_sha256
from services.kit.errors import EngineFailed

NUMBERS = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: struct.Struct("<I"),
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
STRING, ARRAY = 8, 9
COUNT = NUMBERS[10]
KIND = NUMBERS[4]
MAX_ENTRIES = 100_000
MAX_ITEMS = 10_000_000
MAX_TEXT_BYTES = 64 * 2**20
TOKENS = "tokenizer.ggml.tokens"
ENDS = ("tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id")


@dataclass(frozen=True)
class Vocabulary:
    sha256: bytes
    end_token_ids: tuple[int, ...]


def read_vocabulary(path: Path) -> Vocabulary:
    """Blocks for a fraction of a second. Raises EngineFailed for what is no GGUF file, or one without a vocabulary."""
    try:
        with path.open("rb") as file:
            told = _header(file)
        tokens: Sequence[str] = told[TOKENS]
        ends = dict.fromkeys(int(told[key]) for key in ENDS if key in told)
        return Vocabulary(vocabulary_sha256(tokens), tuple(ends))
    except (OSError, struct.error, KeyError, ValueError) as error:
        raise EngineFailed(f"{path.name} has no vocabulary that can be read") from error


def _header(file: BinaryIO) -> dict[str, Any]:
    if file.read(4) != b"GGUF":
        raise ValueError("no GGUF file")
    _number(file, KIND)
    _number(file, COUNT)
    entries = _number(file, COUNT)
    if entries > MAX_ENTRIES:
        raise ValueError("too many entries")
    told = {}
    for _ in range(entries):
        key = _text(file)
        told[key] = _value(file, _number(file, KIND))
        # The rest, merges above all, is of no interest here.
        if TOKENS in told and all(end in told for end in ENDS):
            break
    return told


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == STRING:
        return _text(file)
    if kind != ARRAY:
        return _number(file, NUMBERS[kind])
    kind = _number(file, KIND)
    items = _number(file, COUNT)
    if items > MAX_ITEMS or kind == ARRAY:
        raise ValueError("an array that no vocabulary has")
    if kind == STRING:
        return [_text(file) for _ in range(items)]
    return file.read(items * NUMBERS[kind].size)


def _number(file: BinaryIO, form: struct.Struct) -> Any:
    return form.unpack(file.read(form.size))[0]


def _text(file: BinaryIO) -> str:
    size = _number(file, COUNT)
    if size > MAX_TEXT_BYTES:
        raise ValueError("a text that no vocabulary has")
    return file.read(size).decode("utf-8", "surrogateescape")
