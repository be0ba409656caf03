"""Keeps the attachments of points: durable when `put` returns, read without a copy of anything else.

An LMDB file beside the index, because rows of quantised vectors are read by the
megabyte and an index's payload is JSON. A key is (point id, version, name). The
version is the point's: a replaced point gets new keys, so that whoever still
reads the old point finds its old attachments until they are discarded.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import lmdb

from services.kit.errors import EngineFailed

MAP_BYTES = 256 * 2**30
"""Address space, not disk: the most that the attachments of one collection may take."""
MAX_NAME_BYTES = 128
_VERSION_BYTES = 8
_PREFIX_BYTES = 16 + _VERSION_BYTES

Version = tuple[str, int]
"""A point's id and version."""


class Attachments:
    """The attachments of one collection. Any thread may read; one writes at a time."""

    def __init__(self, path: Path) -> None:
        path.mkdir(exist_ok=True)
        self._file = lmdb.open(str(path), map_size=MAP_BYTES, max_readers=1024, metasync=True, sync=True)

    def put(self, attachments: Iterable[tuple[Version, Mapping[str, bytes]]]) -> None:
        """Writes all, or nothing."""
        with _failures(), self._file.begin(write=True) as transaction:
            for version, parts in attachments:
                prefix = _prefix(version)
                for name, content in parts.items():
                    transaction.put(prefix + name.encode(), content)

    def get(self, versions: Sequence[Version], names: Sequence[str]) -> list[dict[str, bytes] | None]:
        """For each version those of the names that it has; None where the version is gone."""
        with _failures(), self._file.begin() as transaction:
            found: list[dict[str, bytes] | None] = []
            for version in versions:
                prefix = _prefix(version)
                parts = {name: transaction.get(prefix + name.encode()) for name in names}
                there = {name: content for name, content in parts.items() if content is not None}
                found.append(there if there or _first_key(transaction, prefix) else None)
            return found

    def discard(self, versions: Iterable[Version]) -> None:
        """Frees the space of these versions for others."""
        with _failures(), self._file.begin(write=True) as transaction:
            for version in versions:
                prefix = _prefix(version)
                while key := _first_key(transaction, prefix):
                    transaction.delete(key)

    def versions(self) -> Iterator[Version]:
        """Every version that has attachments, in the order of ids."""
        with _failures(), self._file.begin() as transaction, transaction.cursor() as cursor:
            there = cursor.first()
            while there:
                prefix = bytes(cursor.key())[:_PREFIX_BYTES]
                yield _version(prefix)
                there = cursor.set_range(prefix + b"\xff" * (MAX_NAME_BYTES + 1))

    def close(self) -> None:
        self._file.close()


def _prefix(version: Version) -> bytes:
    id, number = version
    return bytes.fromhex(id.replace("-", "")) + number.to_bytes(_VERSION_BYTES, "big")


def _version(prefix: bytes) -> Version:
    text = prefix[:16].hex()
    id = "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
    return id, int.from_bytes(prefix[16:], "big")


def _first_key(transaction: lmdb.Transaction, prefix: bytes) -> bytes | None:
    with transaction.cursor() as cursor:
        if cursor.set_range(prefix):
            key = bytes(cursor.key())
            return key if key.startswith(prefix) else None
    return None


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except lmdb.Error as error:
        if isinstance(error, lmdb.MapFullError):
            raise EngineFailed(f"the collection's attachments take {MAP_BYTES} bytes, the most there may be") from error
        raise EngineFailed(f"attachments: {error}") from error
