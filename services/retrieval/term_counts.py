"""Knows in how many points of a collection each term occurs, exactly, through replacements and deletions.

The table lives in memory. It is saved when the collection is closed and the
file is removed by the first write after that, so a file that is there is true;
without one the table is counted again from the index.
"""

import os
import zipfile
from array import array
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from services.retrieval.analysis import rarity
from services.retrieval.numpy_archive import read_archive, write_archive

FILE = "term-counts.npz"


class TermCounts:
    """Counts by term id. One thread writes at a time; any may read."""

    def __init__(self) -> None:
        self.points = 0
        """Points that have a text with a term."""
        self._counts: dict[int, int] = {}

    def of(self, term: int) -> int:
        return self._counts.get(term, 0)

    @property
    def occurrences(self) -> int:
        """Over all terms: entries of the index of words. Belongs to the thread that writes."""
        return sum(self._counts.values())

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
        counts: Counter[int] = Counter()
        for page in pages:
            points = [terms for terms in page if terms]
            table.points += len(points)
            counts.update(chain.from_iterable(points))
        table._counts = dict(counts)
        return table

    def save(self, directory: Path) -> None:
        """Atomic and durable."""
        incoming = directory / f"{FILE}.part"
        terms, counts = array("I", self._counts.keys()), array("I", self._counts.values())
        with incoming.open("wb") as file:
            write_archive(file, {"terms": terms, "counts": counts, "points": self.points})
            file.flush()
            os.fsync(file.fileno())
        incoming.replace(directory / FILE)
        sync_directory(directory)

    @classmethod
    def load(cls, directory: Path) -> "TermCounts | None":
        """None where there is no file, or not a whole one."""
        table = cls()
        try:
            with (directory / FILE).open("rb") as file:
                found = read_archive(file)
            table._counts = dict(zip(found["terms"], found["counts"], strict=True))
            (table.points,) = found["points"]
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
