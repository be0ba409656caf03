"""Knows in how many points of a collection each term occurs, exactly, through replacements and deletions.

The table lives in memory. It is saved when the collection is closed and the
file is removed by the first write after that, so a file that is there is true;
without one the table is counted again from the index.
"""

import os
import zipfile
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import numpy as np

from services.retrieval.analysis import rarity

FILE = "term-counts.npz"


class TermCounts:
    """Counts by term id. One thread writes at a time; any may read."""

    def __init__(self) -> None:
        self.points = 0
        """Points that have a text with a term."""
        self._counts: dict[int, int] = {}

    def of(self, term: int) -> int:
        return self._counts.get(term, 0)

    def rarities(self, terms: Iterable[int]) -> dict[int, float]:
        """How much each term says: its part of BM25 that belongs to the collection."""
        return {term: rarity(self.of(term), self.points) for term in terms}

    def add(self, terms: Iterable[int]) -> None:
        """Counts in a point with these distinct terms."""
        counts = self._counts
        self.points += 1
        for term in terms:
            counts[term] = counts.get(term, 0) + 1

    def remove(self, terms: Iterable[int]) -> None:
        """Counts out a point that was counted in with these terms."""
        counts = self._counts
        self.points -= 1
        for term in terms:
            left = counts.get(term, 0) - 1
            if left > 0:
                counts[term] = left
            else:
                counts.pop(term, None)

    @classmethod
    def of_points(cls, pages: Iterable[Iterable[Iterable[int]]]) -> "TermCounts":
        """Counts the distinct terms of many points, given page by page."""
        table = cls()
        parts = [np.zeros(0, np.uint32)]
        for page in pages:
            points = [terms for terms in page if terms]
            table.points += len(points)
            parts.append(np.fromiter(chain.from_iterable(points), np.uint32))
        terms, counts = np.unique(np.concatenate(parts), return_counts=True)
        table._counts = dict(zip(terms.tolist(), counts.tolist(), strict=True))
        return table

    def save(self, directory: Path) -> None:
        """Atomic and durable."""
        incoming = directory / f"{FILE}.part"
        terms = np.fromiter(self._counts.keys(), np.uint32, len(self._counts))
        counts = np.fromiter(self._counts.values(), np.uint32, len(self._counts))
        with incoming.open("wb") as file:
            np.savez(file, terms=terms, counts=counts, points=np.uint64(self.points))
            file.flush()
            os.fsync(file.fileno())
        incoming.replace(directory / FILE)
        sync_directory(directory)

    @classmethod
    def load(cls, directory: Path) -> "TermCounts | None":
        """None where there is no file, or not a whole one."""
        table = cls()
        try:
            with np.load(directory / FILE, allow_pickle=False) as file:
                table._counts = dict(zip(file["terms"].tolist(), file["counts"].tolist(), strict=True))
                table.points = int(file["points"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return table

    @staticmethod
    def forget(directory: Path) -> None:
        """Removes the file: from here on the table in memory is newer."""
        (directory / FILE).unlink(missing_ok=True)
        sync_directory(directory)


def sync_directory(directory: Path) -> None:
    """Makes what was created, renamed or removed in a directory durable."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
