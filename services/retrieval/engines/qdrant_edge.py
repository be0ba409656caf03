"""The default engine: Qdrant's own shard, in process and durable, one directory a collection.

data_dir/lock                                  held by the one process that may open it
data_dir/collections/<name>/collection.json    dimensions and language; without it the directory is no collection
                           /shard              Qdrant's segments and write-ahead log
                           /attachments        LMDB
                           /term-counts.npz    only while nothing was written since
"""

import fcntl
import logging
import shutil
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from services.kit.errors import EngineFailed, InvalidInput, LedgeError, NotFound
from services.retrieval import metrics
from services.retrieval.config import RetrievalConfig
from services.retrieval.engine import Collection, Filter, Hit, Point, Query, Selection, TermCount
from services.retrieval.engines import qdrant_shard as shards
from services.retrieval.engines.qdrant_collection import QdrantCollection
from services.retrieval.engines.qdrant_description import Description
from services.retrieval.engines.qdrant_shard import Tuning

log = logging.getLogger("ledge.retrieval")
START_BYTES = 64 * 2**20
"""Free disk space without which nothing is opened."""
NEW_COLLECTION_BYTES = 64 * 2**20
"""Qdrant's log takes so much from the start."""


class QdrantEdge:
    """All collections under one directory. One thread of its own keeps them optimised."""

    name = "qdrant-edge"

    def __init__(self, config: RetrievalConfig) -> None:
        self._directory = config.data_dir / "collections"
        self._language = config.language
        self._max_collections = config.max_collections
        self._after_points = config.optimize_after_points
        self._idle_s = config.optimize_idle_s
        self._tuning = Tuning(
            links=config.hnsw_links,
            build_effort=config.hnsw_build_effort,
            search_effort=config.hnsw_search_effort,
            indexing_threads=config.indexing_threads,
            average_terms=config.average_terms,
            reserved_disk_bytes=config.reserved_disk_bytes,
            most_answer_bytes=config.max_message_bytes,
            memory_limit_bytes=config.memory_limit_bytes,
        )
        self._own(config.data_dir)
        self._changing = threading.Lock()
        self._broken: dict[str, str] = {}
        self._collections = self._open_all()
        self._work = threading.Condition()
        self._closing = False
        self._tell()
        self._maintenance = threading.Thread(target=self._maintain, name="retrieval-optimizer", daemon=True)
        self._maintenance.start()

    def _own(self, data_dir: Path) -> None:
        try:
            # What is kept here was said in documents: for nobody else on this machine.
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._directory.mkdir(exist_ok=True)
            self._lock = (data_dir / "lock").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shards.require_space(data_dir, 0, START_BYTES)
        except BlockingIOError:
            raise InvalidInput(
                f"another process has opened {data_dir}: stop it, or set LEDGE_DATA_DIR to another directory"
            ) from None
        except OSError as error:
            raise InvalidInput(f"LEDGE_DATA_DIR: {data_dir} cannot be used: {error.strerror}") from None

    def _open_all(self) -> dict[str, QdrantCollection]:
        found = sorted(path for path in self._directory.iterdir() if path.is_dir())
        for path in found:
            if not Description.is_in(path):
                shutil.rmtree(path, ignore_errors=True)
        names = [path.name for path in found if path.exists()]
        with ThreadPoolExecutor(4) as threads:
            opened = zip(names, threads.map(self._try_open, names), strict=True)
            return {name: collection for name, collection in opened if collection is not None}

    def _try_open(self, name: str) -> QdrantCollection | None:
        """None for one that cannot be read: the others are served, and calls for this one say why they fail."""
        try:
            return self._open(name)
        except Exception as error:
            self._broken[name] = error.message if isinstance(error, LedgeError) else repr(error)
            log.error("collection cannot be opened", extra={"collection": name, "reason": self._broken[name]})
            return None

    def _open(self, name: str) -> QdrantCollection:
        started_s = time.monotonic()
        collection = QdrantCollection(self._directory / name, name, self._tuning)
        load_s = round(time.monotonic() - started_s, 3)
        log.info("collection opened", extra={"collection": name, "points": collection.points, "load_s": load_s})
        return collection

    def create_collection(self, name: str, dimensions: int) -> bool:
        with self._changing:
            if name in self._broken:
                self._get(name)
            there = self._collections.get(name)
            if there is not None:
                if there.dimensions != dimensions:
                    raise InvalidInput(f"collection {name!r} exists with {there.dimensions} dimensions")
                return False
            if len(self._collections) >= self._max_collections:
                raise InvalidInput(f"there are {self._max_collections} collections, as many as may be: delete one")
            shards.require_space(self._directory, NEW_COLLECTION_BYTES, self._tuning.reserved_disk_bytes)
            QdrantCollection.create(self._directory / name, dimensions, self._language, self._tuning)
            self._collections = self._collections | {name: self._open(name)}
            return True

    def collections(self) -> Sequence[Collection]:
        there = self._collections
        return [Collection(name, there[name].dimensions, there[name].points) for name in sorted(there)]

    def dimensions(self, collection: str) -> int:
        return self._get(collection).dimensions

    def delete_collection(self, name: str) -> None:
        with self._changing:
            if name in self._broken:
                shutil.rmtree(self._directory / name)
                del self._broken[name]
                return
            collection = self._get(name)
            self._collections = {key: value for key, value in self._collections.items() if key != name}
            collection.destroy()

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        self._get(collection).upsert(points)
        self._wake()

    def delete(self, collection: str, ids: Sequence[str], filter: Filter | None) -> int:
        deleted = self._get(collection).delete(ids, filter)
        self._wake()
        return deleted

    def search(self, collection: str, query: Query) -> Sequence[Hit]:
        there = self._get(collection)
        hits = there.search(query)
        if there.wants_indexes:
            self._wake()
        return hits

    def scroll(
        self, collection: str, filter: Filter, limit: int, start: str | None, selection: Selection
    ) -> tuple[Sequence[Point], str | None]:
        there = self._get(collection)
        page = there.scroll(filter, limit, start, selection)
        if there.wants_indexes:
            self._wake()
        return page

    def count(self, collection: str, filter: Filter) -> int:
        there = self._get(collection)
        points = there.count(filter)
        if there.wants_indexes:
            self._wake()
        return points

    def count_terms(self, collection: str, text: str) -> tuple[Sequence[TermCount], int]:
        return self._get(collection).count_terms(text)

    def _get(self, name: str) -> QdrantCollection:
        try:
            return self._collections[name]
        except KeyError:
            if name in self._broken:
                raise EngineFailed(f"collection {name!r} cannot be opened: {self._broken[name]}") from None
            raise NotFound(f"there is no collection {name!r}") from None

    def close(self) -> None:
        with self._work:
            self._closing = True
            self._work.notify()
        for collection in self._collections.values():
            collection.stop_optimizing()
        self._maintenance.join()
        for collection in self._collections.values():
            collection.close()
        self._lock.close()

    def _wake(self) -> None:
        self._tell()
        with self._work:
            self._work.notify()

    def _tell(self) -> None:
        metrics.UNOPTIMIZED_POINTS.set(sum(collection.unoptimized for collection in self._collections.values()))
        metrics.LACKING_MEMORY_BYTES.set(max((each.lacking_bytes for each in self._collections.values()), default=0))

    def _maintain(self) -> None:
        """Optimises a collection once it is idle, or has changed much; one at a time."""
        while (collection := self._next()) is not None:
            self._optimize(collection)
            self._tell()

    def _next(self) -> QdrantCollection | None:
        """Waits for a collection that is due; None when the engine closes."""
        with self._work:
            while not self._closing:
                waits = [
                    (collection.due_in_s(self._after_points, self._idle_s), collection)
                    for collection in self._collections.values()
                ]
                due_in_s, first = min(
                    ((wait_s, each) for wait_s, each in waits if wait_s is not None),
                    key=lambda pair: pair[0],
                    default=(None, None),
                )
                if due_in_s == 0:
                    return first
                self._work.wait(due_in_s)
            return None

    def _optimize(self, collection: QdrantCollection) -> None:
        started_s = time.monotonic()
        metrics.OPTIMIZING.set(1)
        try:
            optimized = collection.maintain()
        except Exception as error:
            if collection.name in self._collections and not self._closing:
                # Searches are right without, only slower.
                reason = error.message if isinstance(error, LedgeError) else repr(error)
                log.error("cannot optimise", extra={"collection": collection.name, "reason": reason})
        else:
            if optimized:
                elapsed_s = time.monotonic() - started_s
                metrics.OPTIMIZE_SECONDS.observe(elapsed_s)
                log.info("optimised", extra={"collection": collection.name, "elapsed_s": round(elapsed_s, 2)})
        finally:
            metrics.OPTIMIZING.set(0)
