"""One collection of the `qdrant-edge` engine: a shard of Qdrant, attachments beside it, and the table of term counts.

A write:     attachments (LMDB, synced) ──► points (Qdrant's log, synced) ──► term counts (memory)
Optimising:  copy the shard (writes wait) ──► a process optimises the copy ──► catch up ──► swap (writes wait)

Whatever a crash leaves half done is swept at the next start: attachments of no
point, a copy that was not swapped in, term counts that were not saved.
"""

import contextlib
import logging
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import qdrant_edge as qe

from services.kit.errors import EngineFailed, LedgeError, NotFound, NotReady
from services.retrieval.analysis import Analysis
from services.retrieval.engine import Filter, Hit, Point, Query, Selection, TermCount
from services.retrieval.engines import qdrant_shard as shards
from services.retrieval.engines.qdrant_bookkeeping import TRACES, Bookkeeping
from services.retrieval.engines.qdrant_description import Description
from services.retrieval.engines.qdrant_filter import index_of, to_qdrant, wanted_indexes
from services.retrieval.engines.qdrant_optimizer import Optimizer, wanted_bytes
from services.retrieval.engines.qdrant_reading import fetch
from services.retrieval.engines.qdrant_search import find
from services.retrieval.engines.qdrant_shard import Tuning, failures
from services.retrieval.memory_room import room_bytes
from services.retrieval.term_counts import TermCounts

log = logging.getLogger("ledge.retrieval")
FEW_STALE = 1000
FEW_POINTS = 2000
"""So many points are indexed at once, here; more in the optimiser's process."""
FEW_TOUCHED = 200
GROWTH = 5
"""A collection is optimised again when a fifth of it has changed, though writes go on; it is copied each time."""
FRACTION = 50
"""And when a fiftieth has, once it is idle: scanning less than that takes no time."""
LONG_LOG_POINTS = 50_000
"""And when its log has grown by so many, though there is nothing to index: a crash would mean writing them again."""
PAUSE_AFTER_FAILURE_S = 60.0
MAX_INDEXED_FIELDS = 64


class QdrantCollection:
    """Reads from any threads; writes one after another."""

    def __init__(self, directory: Path, name: str, tuning: Tuning) -> None:
        self.name = name
        self._directory = directory
        self._description = Description.read(directory)
        self._tuning = tuning
        self._analysis = Analysis(self._description.language, self._description.average_terms)
        self._lock = threading.Lock()
        self._refusal: LedgeError | None = None
        self._optimizer = Optimizer()
        self._remove_other_shards()
        with failures():
            self._shard = qe.EdgeShard.load(str(self._shard_directory))
            info = self._shard.info()
            self.points: int = self._shard.count(qe.CountRequest(exact=True))
            self._books = Bookkeeping(directory, self._shard)
        self._fields = set(info.payload_schema)
        self._wanted_fields: dict[str, str] = {}
        # Each text's sparse vector counts as indexed too.
        self.unoptimized = max(0, self.points - max(0, info.indexed_vectors_count - self._books.counts.points))
        """Points written or removed since the last optimising."""
        self._logged = 0
        """Points that the shard's log holds; a shard that takes over begins with a short one."""
        self._touched: set[str] | None = None
        self._written_s = time.monotonic()
        self._not_before_s = 0.0
        self.lacking_bytes = 0
        """Memory without which this collection is not optimised."""

    @staticmethod
    def create(directory: Path, dimensions: int, language: str, tuning: Tuning) -> None:
        """Makes the directory of an empty collection; replaces one that was never finished."""
        shutil.rmtree(directory, ignore_errors=True)
        shards.create_shard(directory / "shard-1", dimensions, tuning)
        TermCounts().save(directory)
        Description(dimensions, language, tuning.average_terms, "shard-1").write(directory)

    @property
    def dimensions(self) -> int:
        return self._description.dimensions

    @property
    def _shard_directory(self) -> Path:
        return self._directory / self._description.shard

    def _remove_other_shards(self) -> None:
        """Sweeps up predecessors, and copies that did not get to take over."""
        if self._refusal is not None:
            return
        for path in self._directory.glob("shard*"):
            if path.name != self._description.shard:
                shutil.rmtree(path, ignore_errors=True)

    def upsert(self, points: Sequence[Point]) -> None:
        points = list({point.id: point for point in points}.values())
        self._require_space(sum(map(_weight_bytes, points)), self._tuning.reserved_disk_bytes)
        weights = [self._analysis.weigh(point.text) for point in points]
        with self._writing():
            replaced = self._shard.retrieve([point.id for point in points], *TRACES)
            self._touch([point.id for point in points])
            versions = self._books.attach(points)
            try:
                shards.write(
                    self._shard,
                    [
                        shards.stored(point, terms, versions.get(point.id))
                        for point, terms in zip(points, weights, strict=True)
                    ],
                )
                shards.sync_log(self._shard_directory)
            except Exception:
                self._recover()
                raise
            self._books.forget(replaced)
            self._books.add(weights)
            self._wrote(len(points), len(points) - len(replaced))

    def _require_space(self, wanted_bytes: int, reserved_bytes: int) -> None:
        shards.require_space(self._directory, wanted_bytes, reserved_bytes)

    def delete(self, ids: Sequence[str], filter: Filter | None) -> int:
        self._require_space(0, self._tuning.reserved_disk_bytes // 2)
        with self._writing():
            before = self.points
            try:
                for start in range(0, len(ids), shards.PAGE_POINTS):
                    self._remove(self._shard.retrieve(list(ids[start : start + shards.PAGE_POINTS]), *TRACES))
                if filter is not None:
                    self._want_indexes(filter)
                    for page in shards.pages(self._shard, to_qdrant(filter), *TRACES):
                        self._remove(page)
                shards.sync_log(self._shard_directory)
            except Exception:
                self._recover()
                raise
            return before - self.points

    def _remove(self, records: Sequence[Any]) -> None:
        ids = [str(record.id) for record in records]
        if ids:
            self._touch(ids)
            shards.remove(self._shard, ids)
            self._books.forget(records)
            self._wrote(len(ids), -len(ids))

    def _touch(self, ids: Sequence[str]) -> None:
        """Before a write: from here on the books on disk are old, and so are these points in a copy."""
        self._books.begin()
        if self._touched is not None:
            self._touched.update(ids)

    def _wrote(self, changed: int, added: int) -> None:
        self.points += added
        self.unoptimized += changed
        self._logged += changed
        self._written_s = time.monotonic()

    def _recover(self) -> None:
        """A write that failed may have been done in part."""
        self._books.recover(self._shard)
        self.points = self._shard.count(qe.CountRequest(exact=True))

    def search(self, query: Query) -> list[Hit]:
        with self._reading() as shard:
            self._want_indexes(query.filter)
            terms = self._books.counts.rarities(self._analysis.ids(query.text)) if query.text else {}
            found, cosines = find(shard, query, terms, self._tuning.search_effort)
            points = {point.id: point for point in self._fetch([id for id, _ in found], query.selection)}
            return [Hit(points[id], score, cosines.get(id)) for id, score in found if id in points]

    def _fetch(self, ids: Sequence[str], selection: Selection) -> list[Point]:
        return fetch(lambda: self._shard, self._books.attachments, ids, selection, self._tuning.most_answer_bytes)

    def scroll(
        self, filter: Filter, limit: int, start: str | None, selection: Selection
    ) -> tuple[list[Point], str | None]:
        with self._reading() as shard:
            self._want_indexes(filter)
            request = qe.ScrollRequest(
                offset=start, limit=limit, filter=to_qdrant(filter), with_payload=False, with_vector=False
            )
            records, following = shard.scroll(request)
            page = self._fetch([str(record.id) for record in records], selection)
            return page, None if following is None else str(following)

    def count(self, filter: Filter) -> int:
        with self._reading() as shard:
            if filter.is_empty():
                return self.points
            self._want_indexes(filter)
            return int(shard.count(qe.CountRequest(filter=to_qdrant(filter), exact=True)))

    def count_terms(self, text: str) -> tuple[list[TermCount], int]:
        counted: dict[str, TermCount] = {}
        for term in self._analysis.terms(text):
            if term.term not in counted:
                counted[term.term] = TermCount(term.word, term.term, self._books.counts.of(term.id))
        return list(counted.values()), self._books.counts.points

    def _want_indexes(self, filter: Filter) -> None:
        for field, kind in wanted_indexes(filter):
            room = len(self._fields) + len(self._wanted_fields) < MAX_INDEXED_FIELDS
            if field not in self._fields and room:
                self._wanted_fields.setdefault(field, kind)

    @property
    def wants_indexes(self) -> bool:
        return bool(self._wanted_fields)

    def due_in_s(self, after_points: int, idle_s: float) -> float | None:
        """After how many seconds without a write there is something to maintain; None: nothing as it is."""
        now_s = time.monotonic()
        worth = self._worth_optimizing()
        much = self.unoptimized >= max(after_points, self.points // GROWTH) or self._logged > LONG_LOG_POINTS
        if self._wanted_fields or (worth and much) or len(self._books.stale) > FEW_STALE:
            due_s = now_s
        elif self._books.stale or worth:
            due_s = self._written_s + idle_s
        else:
            return None
        return max(0.0, max(due_s, self._not_before_s) - now_s)

    def _worth_optimizing(self) -> bool:
        enough = self.unoptimized * self.dimensions * 4 > shards.INDEXED_SEGMENT_KB * 1024
        return (enough and self.unoptimized > self.points // FRACTION) or self._logged > LONG_LOG_POINTS

    def maintain(self) -> bool:
        """Frees what nobody reads any more, makes wanted indexes, optimises; False where there was no need to.

        Searches go on meanwhile, and writes but for a moment.
        """
        self._not_before_s = time.monotonic() + PAUSE_AFTER_FAILURE_S
        with self._writing():
            self._books.discard_stale()
            if self.points <= FEW_POINTS:
                self._index_here()
            wanted = bool(self._wanted_fields) or self._worth_optimizing()
            if wanted and not self._has_room():
                return False
            self.lacking_bytes = 0
            if wanted:
                unoptimized, logged = self.unoptimized, self._logged
                successor, fields = self._copy()
        if wanted:
            try:
                with failures():
                    self._optimizer.run(successor, fields)
                    shard = qe.EdgeShard.load(str(successor))
                    self._catch_up(shard)
                    self._take_over(shard, successor.name)
            finally:
                self._touched = None
                self._remove_other_shards()
            self._have_indexes(fields)
            self.unoptimized -= unoptimized
            self._logged -= logged
        self._not_before_s = 0.0
        return wanted

    def _has_room(self) -> bool:
        """Whether optimising fits into memory. Asked again after a while; said once."""
        wanted = wanted_bytes(self.points, self.dimensions, self._books.counts.occurrences)
        room = room_bytes(self._tuning.memory_limit_bytes)
        if room is None or wanted <= room:
            return True
        if not self.lacking_bytes:
            log.warning(
                "no memory to optimise: searches are right, but slower; raise the service's memory limit",
                extra={"collection": self.name, "points": self.points, "wanted_bytes": wanted, "room_bytes": room},
            )
        self.lacking_bytes = wanted - room
        return False

    def _copy(self) -> tuple[Path, dict[str, str]]:
        """The copied shard, and the fields to index in it."""
        self._require_space(2 * shards.size_bytes(self._shard_directory), self._tuning.reserved_disk_bytes)
        log.info("optimising", extra={"collection": self.name, "unoptimized": self.unoptimized})
        fields = dict(list(self._wanted_fields.items()))
        successor = shards.copy_shard(self._shard_directory)
        self._touched = set()
        return successor, fields

    def _index_here(self) -> None:
        fields = dict(list(self._wanted_fields.items()))
        for field, kind in fields.items():
            self._shard.update(qe.UpdateOperation.create_field_index(field, index_of(kind)))
        self._have_indexes(fields)

    def _have_indexes(self, fields: Iterable[str]) -> None:
        self._fields.update(fields)
        for field in fields:
            self._wanted_fields.pop(field, None)

    def _catch_up(self, shard: qe.EdgeShard) -> None:
        """Brings into the optimised shard what was written meanwhile, until little is left."""
        while self._touched and len(self._touched) > FEW_TOUCHED:
            with self._writing():
                touched, self._touched = self._touched, set()
            shards.transfer(self._shard, shard, touched)

    def _take_over(self, shard: qe.EdgeShard, name: str) -> None:
        with self._writing():
            shards.transfer(self._shard, shard, self._touched or ())
            shards.sync_log(self._directory / name)
            description = replace(self._description, shard=name)
            try:
                description.write(self._directory)
            except BaseException:
                # Which of the two is in force is not known now. Both are whole: the next start takes either.
                self._refusal = EngineFailed(f"collection {self.name!r} needs a restart of the service")
                raise
            self._description = description
            self._shard = shard

    def close(self) -> None:
        """Makes everything durable, so that the next start has nothing to recover."""
        with self._writing():
            self._refusal = NotReady("the service is stopping")
            self._shard.flush()
            self._shard.close()
            self._books.close()

    def stop_optimizing(self) -> None:
        self._optimizer.stop()

    def destroy(self) -> None:
        """Removes the collection and its files; calls still reading it end as if it were there."""
        self._optimizer.stop()
        with self._writing():
            self._refusal = NotFound(f"there is no collection {self.name!r}")
            Description.remove(self._directory)
        shutil.rmtree(self._directory, ignore_errors=True)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[qe.EdgeShard]:
        if self._refusal is not None:
            raise self._refusal
        with failures():
            yield self._shard

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock, self._reading():
            yield


def _weight_bytes(point: Point) -> int:
    """About what a point takes on disk, log included."""
    attachments_bytes = sum(map(len, point.attachments.values()))
    vector_bytes = 4 * len(point.vector) if point.vector is not None else 0
    return 4 * (vector_bytes + len(point.text)) + 2 * attachments_bytes
