"""Tells whether two models mean the same by a token id."""

import hashlib
from collections.abc import Iterable


def vocabulary_sha256(token_texts: Iterable[str]) -> bytes:
    """SHA-256 over the texts of all tokens, as the vocabulary's file has them, in order of their ids."""
    digest = hashlib.sha256()
    for text in token_texts:
        digest.update(text.encode("utf-8", "surrogateescape") + b"\0")
    return digest.digest()
