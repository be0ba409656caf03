"""Keeps what belongs to the points but lies beside the shard: their attachments, and the counts of their terms.

The shard says what is true. After an end that was no clean one the books are made
again from it, and attachments that no point has are found and freed.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import qdrant_edge as qe

from services.retrieval.attachments import Attachments, Version
from services.retrieval.engine import Point
from services.retrieval.engines.qdrant_shard import TERMS, VERSION, pages, terms_of, version_of
from services.retrieval.term_counts import TermCounts

TRACES = ([VERSION], [TERMS])
"""Payload and vectors that a record needs for `forget`."""


class Bookkeeping:
    """One thread writes at a time; any may read."""

    def __init__(self, directory: Path, shard: qe.EdgeShard) -> None:
        self.attachments = Attachments(directory / "attachments")
        self.stale: list[Version] = []
        """Attachments that no point has any more; freed by `discard_stale`, when no reader is likely to want them."""
        self._directory = directory
        self._last_version = time.time_ns()
        counts = TermCounts.load(directory)
        self._saved = counts is not None
        if counts is None:
            self.recover(shard)
        else:
            self.counts = counts

    def begin(self) -> None:
        """Before every write: from here on the saved counts are old."""
        if self._saved:
            TermCounts.forget(self._directory)
            self._saved = False

    def attach(self, points: Sequence[Point]) -> dict[str, int]:
        """Makes the attachments of points durable; answers with the version of each point that has some."""
        versions = {point.id: self._next_version() for point in points if point.attachments}
        if versions:
            self.attachments.put(
                ((each.id, versions[each.id]), each.attachments) for each in points if each.attachments
            )
        return versions

    def _next_version(self) -> int:
        self._last_version = max(self._last_version + 1, time.time_ns())
        return self._last_version

    def add(self, weights: Iterable[Mapping[int, float]]) -> None:
        """Counts in points by the weights of their terms."""
        for terms in weights:
            if terms:
                self.counts.add(terms)

    def forget(self, records: Sequence[Any]) -> None:
        """Counts out points that were replaced or removed."""
        for record in records:
            if terms := terms_of(record):
                self.counts.remove(terms)
            if (version := version_of(record)) is not None:
                self.stale.append((str(record.id), version))

    def discard_stale(self) -> None:
        if self.stale:
            self.attachments.discard(self.stale)
            self.stale.clear()

    def recover(self, shard: qe.EdgeShard) -> None:
        """Asks the shard what is true."""
        attached: set[Version] = set()

        def terms_by_page() -> Iterator[list[list[int]]]:
            for page in pages(shard, None, *TRACES):
                attached.update((str(each.id), version) for each in page if (version := version_of(each)) is not None)
                yield [terms_of(each) for each in page]

        self.counts = TermCounts.of_points(terms_by_page())
        self.stale = [version for version in self.attachments.versions() if version not in attached]

    def close(self) -> None:
        self.discard_stale()
        if not self._saved:
            self.counts.save(self._directory)
        self.attachments.close()
