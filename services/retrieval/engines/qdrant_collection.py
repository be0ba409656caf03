"""One collection of the `qdrant-edge` engine: a shard of Qdrant, attachments beside it, and the table of term counts.

An upsert: attachments (LMDB, durable) ──► points (Qdrant's write-ahead log) ──► term counts (memory)
Whatever a crash leaves of attachments whose point was never written is swept at the next start.
"""

import contextlib
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as qe

from services.kit.errors import EngineFailed, InvalidInput, LedgeError, NotFound
from services.retrieval.analysis import Analysis
from services.retrieval.attachments import Attachments, Version
from services.retrieval.engine import Filter, Hit, Point, Query, Selection, TermCount
from services.retrieval.engines.qdrant_filter import indexes, to_qdrant
from services.retrieval.fusion import fuse
from services.retrieval.term_counts import TermCounts, sync_directory

DESCRIPTION = "collection.json"
"""What makes a directory a collection: written last when it is made, removed first when it is deleted."""
FORMAT = 1
DENSE = "dense"
TERMS = "terms"
FEW_STALE = 1000
PAGE = 1000
MAX_INDEXED_FIELDS = 64


@dataclass(frozen=True)
class Tuning:
    """How shards are built and searched."""

    links: int = 16
    build_effort: int = 128
    search_effort: int = 128
    indexing_threads: int = 1
    average_terms: float = 80.0


class QdrantCollection:
    """Reads from any threads; writes one after another."""

    def __init__(self, directory: Path, name: str, tuning: Tuning) -> None:
        description = json.loads((directory / DESCRIPTION).read_text())
        if description["format"] != FORMAT:
            raise InvalidInput(f"collection {name!r} was written by another release (format {description['format']})")
        self.name = name
        self.dimensions: int = description["dimensions"]
        self._directory = directory
        self._tuning = tuning
        self._analysis = Analysis(description["language"], tuning.average_terms)
        self._lock = threading.Lock()
        with _failures():
            self._shard = qe.EdgeShard.load(str(directory / "shard"))
            self._fields = set(self._shard.info().payload_schema)
            self._points = self._shard.count(qe.CountRequest(exact=True))
        self._wanted_fields: dict[str, Any] = {}
        self._attachments = Attachments(directory / "attachments")
        self._stale: list[Version] = []
        self._retired = False
        self._last_version = time.time_ns()
        counts = TermCounts.load(directory)
        self._counts_saved = counts is not None
        self._counts = counts or self._recover()
        self.unoptimized = 0 if counts is not None else self._points
        """Points written or removed since the last optimising."""
        self.written_s = time.monotonic()

    @staticmethod
    def create(directory: Path, dimensions: int, language: str, tuning: Tuning) -> None:
        """Makes the directory of an empty collection; replaces one that was never finished."""
        shutil.rmtree(directory, ignore_errors=True)
        shard = directory / "shard"
        shard.mkdir(parents=True)
        config = qe.EdgeConfig(
            vectors={DENSE: qe.EdgeVectorParams(size=dimensions, distance=qe.Distance.Cosine)},
            sparse_vectors={TERMS: qe.EdgeSparseVectorParams(modifier=qe.Modifier.Idf)},
            hnsw_config=qe.HnswIndexConfig(
                m=tuning.links,
                ef_construct=tuning.build_effort,
                full_scan_threshold=10_000,
                max_indexing_threads=tuning.indexing_threads,
            ),
            wal_enabled=True,
        )
        with _failures():
            qe.EdgeShard.create(str(shard), config).close()
        TermCounts().save(directory)
        incoming = directory / f"{DESCRIPTION}.part"
        with incoming.open("w") as file:
            json.dump({"format": FORMAT, "dimensions": dimensions, "language": language}, file)
            file.flush()
            os.fsync(file.fileno())
        incoming.replace(directory / DESCRIPTION)
        sync_directory(directory)

    @property
    def points(self) -> int:
        return self._points

    def upsert(self, points: Sequence[Point]) -> None:
        points = list({point.id: point for point in points}.values())
        weights = [self._analysis.weigh(point.text) for point in points]
        with self._writing():
            replaced = self._of(self._shard.retrieve([point.id for point in points], ["version"], [TERMS]))
            versions: dict[str, Version] = {}
            for point in points:
                if point.attachments:
                    self._last_version = max(self._last_version + 1, time.time_ns())
                    versions[point.id] = (point.id, self._last_version)
            if versions:
                self._attachments.put((versions[p.id], p.attachments) for p in points if p.attachments)
            self._unsave_counts()
            stored = [
                _stored(point, terms, versions.get(point.id)) for point, terms in zip(points, weights, strict=True)
            ]
            try:
                self._shard.update(qe.UpdateOperation.upsert_points(stored))
            except Exception:
                self._stale += versions.values()
                raise
            self._forget(replaced)
            for terms in weights:
                if terms:
                    self._counts.add(terms)
            self._wrote(len(points), len(points) - len(replaced))

    def delete(self, ids: Sequence[str], filter: Filter | None) -> int:
        with self._writing():
            gone = self._of(self._shard.retrieve(list(ids), ["version"], [TERMS])) if ids else {}
            if filter is not None:
                for page in self._pages(to_qdrant(filter), ["version"], [TERMS]):
                    gone |= self._of(page)
                self._want_indexes(filter)
            if gone:
                self._unsave_counts()
                self._shard.update(qe.UpdateOperation.delete_points(list(gone)))
                self._forget(gone)
                self._wrote(len(gone), -len(gone))
            return len(gone)

    def search(self, query: Query) -> list[Hit]:
        with self._reading():
            self._want_indexes(query.filter)
            terms = self._analysis.weigh_query(query.text) if query.text else []
            if query.vector is None:
                found = self._query(_text_request(query, terms, query.limit))
                cosines: dict[str, float] = {}
            elif not query.text:
                found = self._query(self._dense_request(query, query.limit))
                cosines = dict(found)
            else:
                found, cosines = self._fused(query, terms)
            points = {point.id: point for point in self._fetch([id for id, _ in found], query.selection)}
            return [Hit(points[id], score, cosines.get(id)) for id, score in found if id in points]

    def _fused(self, query: Query, terms: list[int]) -> tuple[list[tuple[str, float]], dict[str, float]]:
        dense = self._query(self._dense_request(query, query.candidates))
        text = self._query(_text_request(query, terms, query.candidates))
        fused = fuse([[id for id, _ in dense], [id for id, _ in text]])
        cosines = dict(dense)
        if query.min_cosine is None:
            fused = fused[: query.limit]
        missing: Any = {id for id, _ in fused if id not in cosines}
        if missing:
            among = qe.Filter(must=[qe.HasIdCondition(missing)])
            request = qe.QueryRequest(limit=len(missing), query=_nearest(query), filter=among, params=_EXACT)
            cosines |= dict(self._query(request))
        if query.min_cosine is not None:
            fused = [(id, score) for id, score in fused if cosines.get(id, -2.0) >= query.min_cosine]
        return fused[: query.limit], cosines

    def _dense_request(self, query: Query, limit: int) -> qe.QueryRequest:
        params = _EXACT if query.exact else qe.SearchParams(hnsw_ef=max(self._tuning.search_effort, limit))
        return qe.QueryRequest(
            limit=limit,
            query=_nearest(query),
            filter=to_qdrant(query.filter),
            params=params,
            score_threshold=query.min_cosine,
            with_payload=False,
            with_vector=False,
        )

    def _query(self, request: qe.QueryRequest | None) -> list[tuple[str, float]]:
        """Ids and scores, best first; ties in the order of ids."""
        if request is None:
            return []
        return [(id, -score) for score, id in sorted((-hit.score, str(hit.id)) for hit in self._shard.query(request))]

    def _fetch(self, ids: Sequence[str], selection: Selection) -> list[Point]:
        """The selected parts of those points that are still there, in the order of `ids`."""
        if not ids:
            return []
        fields = [name for name in ("text", "metadata") if getattr(selection, name)]
        fields += ["version"] if selection.attachments else []
        vectors: Any = [DENSE] if selection.vector else False
        while True:
            records = self._shard.retrieve(list(ids), fields or False, vectors)
            points = {str(record.id): _point(record, selection) for record in records}
            if selection.attachments and not self._attach(points, records, selection.attachments):
                continue
            return [points[id] for id in ids if id in points]

    def _attach(self, points: dict[str, Point], records: Sequence[Any], names: Sequence[str]) -> bool:
        """False where a point was replaced and its old attachments discarded after it was read."""
        versions = [(str(record.id), record.payload["version"]) for record in records if "version" in record.payload]
        for (id, _), parts in zip(versions, self._attachments.get(versions, names), strict=True):
            if parts is None:
                return False
            points[id].attachments.update(parts)  # type: ignore[attr-defined]
        return True

    def scroll(
        self, filter: Filter, limit: int, start: str | None, selection: Selection
    ) -> tuple[list[Point], str | None]:
        with self._reading():
            self._want_indexes(filter)
            request = qe.ScrollRequest(
                offset=start, limit=limit, filter=to_qdrant(filter), with_payload=False, with_vector=False
            )
            records, following = self._shard.scroll(request)
            page = self._fetch([str(record.id) for record in records], selection)
            return page, None if following is None else str(following)

    def count(self, filter: Filter) -> int:
        with self._reading():
            if filter.is_empty():
                return self._points
            self._want_indexes(filter)
            return int(self._shard.count(qe.CountRequest(filter=to_qdrant(filter), exact=True)))

    def count_terms(self, text: str) -> tuple[list[TermCount], int]:
        distinct = {term.term: term for term in reversed(list(self._analysis.terms(text)))}
        terms = [TermCount(term.word, term.term, self._counts.of(term.id)) for term in distinct.values()]
        terms.reverse()
        return terms, self._counts.points

    def maintain(self) -> None:
        """Frees what nobody reads any more, makes wanted indexes, optimises, flushes. Searches go on meanwhile."""
        with self._writing():
            self._make_indexes()
            self._discard_stale()
            changed, self.unoptimized = self.unoptimized, 0
        try:
            self._shard.optimize()
            self._shard.flush()
        except Exception:
            self.unoptimized += changed
            raise

    @property
    def wants_maintenance(self) -> bool:
        return bool(self.unoptimized or self._wanted_fields or self._stale)

    def close(self) -> None:
        """Makes everything durable, so that the next start has nothing to recover."""
        with self._writing():
            self._retired = True
            self._discard_stale()
            self._shard.flush()
            if not self._counts_saved:
                self._counts.save(self._directory)
            self._shard.close()
            self._attachments.close()

    def destroy(self) -> None:
        """Removes the collection and its files; calls still reading it end as if it were there."""
        with self._writing():
            self._retired = True
            (self._directory / DESCRIPTION).unlink()
            sync_directory(self._directory)
        shutil.rmtree(self._directory, ignore_errors=True)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        if self._retired:
            raise NotFound(f"there is no collection {self.name!r}")
        with _failures():
            yield

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock, self._reading():
            yield

    def _wrote(self, changed: int, added: int) -> None:
        self._points += added
        self.unoptimized += changed
        self.written_s = time.monotonic()

    def _unsave_counts(self) -> None:
        if self._counts_saved:
            TermCounts.forget(self._directory)
            self._counts_saved = False

    def _of(self, records: Sequence[Any]) -> dict[str, tuple[list[int], int | None]]:
        """What must be forgotten with each point: its terms and the version of its attachments."""
        return {str(record.id): (_terms(record), (record.payload or {}).get("version")) for record in records}

    def _forget(self, points: dict[str, tuple[list[int], int | None]]) -> None:
        for id, (terms, version) in points.items():
            if terms:
                self._counts.remove(terms)
            if version is not None:
                self._stale.append((id, version))
        if len(self._stale) > FEW_STALE:
            self._discard_stale()

    def _discard_stale(self) -> None:
        if self._stale:
            self._attachments.discard(self._stale)
            self._stale.clear()

    def _recover(self) -> TermCounts:
        """Counts terms again and finds attachments of no point, after a stop that was no clean one."""
        counts = TermCounts()
        attached: set[Version] = set()
        for page in self._pages(None, ["version"], [TERMS]):
            for id, (terms, version) in self._of(page).items():
                if terms:
                    counts.add(terms)
                if version is not None:
                    attached.add((id, version))
        self._stale += [version for version in self._attachments.versions() if version not in attached]
        return counts

    def _pages(self, filter: qe.Filter | None, payload: list[str], vectors: list[str]) -> Iterator[list[Any]]:
        start = None
        while True:
            request = qe.ScrollRequest(
                offset=start, limit=PAGE, filter=filter, with_payload=payload, with_vector=vectors
            )
            records, start = self._shard.scroll(request)
            yield records
            if start is None:
                return

    def _want_indexes(self, filter: Filter) -> None:
        for key, index in indexes(filter):
            if key not in self._fields and len(self._fields) < MAX_INDEXED_FIELDS:
                self._wanted_fields.setdefault(key, index)

    def _make_indexes(self) -> None:
        while self._wanted_fields and len(self._fields) < MAX_INDEXED_FIELDS:
            key, index = self._wanted_fields.popitem()
            self._shard.update(qe.UpdateOperation.create_field_index(key, index))
            self._fields.add(key)
        self._wanted_fields.clear()


_EXACT = qe.SearchParams(exact=True)


def _nearest(query: Query) -> qe.Query:
    vector: Any = query.vector
    return qe.Query.Nearest(vector, using=DENSE)


def _text_request(query: Query, terms: list[int], limit: int) -> qe.QueryRequest | None:
    if not terms:
        return None
    sparse = qe.SparseVector(indices=terms, values=[1.0] * len(terms))
    return qe.QueryRequest(
        limit=limit,
        query=qe.Query.Nearest(sparse, using=TERMS),
        filter=to_qdrant(query.filter),
        with_payload=False,
        with_vector=False,
    )


def _stored(point: Point, terms: dict[int, float], version: Version | None) -> qe.Point:
    vectors: dict[str, Any] = {DENSE: point.vector}
    if terms:
        vectors[TERMS] = qe.SparseVector(indices=list(terms), values=list(terms.values()))
    payload: dict[str, Any] = {"text": point.text, "metadata": dict(point.metadata)}
    if version is not None:
        payload["version"] = version[1]
    return qe.Point(id=point.id, vector=vectors, payload=payload)


def _terms(record: Any) -> list[int]:
    sparse = (record.vector or {}).get(TERMS)
    return list(sparse.indices) if sparse is not None else []


def _point(record: Any, selection: Selection) -> Point:
    payload = record.payload or {}
    vector = np.asarray(record.vector[DENSE], np.float32) if selection.vector else None
    return Point(str(record.id), vector, payload.get("text", ""), payload.get("metadata", {}), {})


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except LedgeError:
        raise
    except OSError as error:
        raise EngineFailed(f"the collection's files: {error.strerror}") from error
    except Exception as error:
        # qdrant-edge raises bare exceptions; their message is all there is.
        if "No space left" in str(error):
            raise EngineFailed("the disk is full; nothing of this message was written") from error
        raise EngineFailed(f"qdrant-edge: {error}") from error
