"""Sums of files of any size, read in pieces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

PIECE_BYTES = 1 << 20


def pieces(content: IO[bytes]) -> Iterator[bytes]:
    while piece := content.read(PIECE_BYTES):
        yield piece


def sha256_of(content: IO[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces(content):
        digest.update(piece)
    return digest.hexdigest()


def sha256_of_file(path: Path) -> str:
    with path.open("rb") as content:
        return sha256_of(content)
