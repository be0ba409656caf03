"""A shard of Qdrant on disk: how it is made, what a point looks like in it, and how its failures are told.

Every call of qdrant-edge holds Python's global lock, so calls are kept short: a
write is cut into pieces, and whatever takes seconds is left to a process of its
own (`qdrant_optimizer`).
"""

import contextlib
import os
import shutil
import subprocess
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import qdrant_edge as qe

from services.kit.errors import EngineFailed, LedgeError
from services.retrieval.engine import Metadata, Point, Selection

DENSE = "dense"
TERMS = "terms"
TEXT = "text"
METADATA = "metadata"
SWITCHES = "switches"
"""The booleans of the metadata as strings, "site.open=true": qdrant-edge 0.9 matches True as the number 1."""
VERSION = "version"
"""Of the point's attachments; only where it has some."""

PIECE_POINTS = 100
"""Points that one call writes: about 4 ms of the global lock."""
PAGE_POINTS = 1000
SEGMENTS = 2
INDEXED_SEGMENT_KB = 2000
"""Vectors of a segment, in KB, from which on optimising gives it an HNSW graph. Scanning fewer is as fast."""


@dataclass(frozen=True)
class Tuning:
    """How shards are built and searched."""

    links: int = 16
    build_effort: int = 128
    search_effort: int = 128
    indexing_threads: int = 1
    average_terms: float = 80.0
    reserved_disk_bytes: int = 256 * 2**20
    most_answer_bytes: int = 16 * 2**20
    memory_limit_bytes: int | None = None


def require_space(directory: Path, wanted_bytes: int, reserved_bytes: int) -> None:
    """Raises EngineFailed where a write of so many bytes would eat into the reserve."""
    status = os.statvfs(directory)
    free_bytes = status.f_bavail * status.f_frsize
    if free_bytes < wanted_bytes + reserved_bytes:
        raise EngineFailed(
            f"the disk is full: {free_bytes // 2**20} MiB are free, and {reserved_bytes // 2**20} MiB of them reserved "
            "(LEDGE_RESERVED_DISK_BYTES); make room, then send what was not acknowledged again"
        )


def size_bytes(directory: Path) -> int:
    """What the files in a directory take on disk."""
    return sum(path.stat().st_blocks * 512 for path in directory.rglob("*") if path.is_file())


def create_shard(directory: Path, dimensions: int, tuning: Tuning) -> None:
    directory.mkdir(parents=True)
    config = qe.EdgeConfig(
        vectors={DENSE: qe.EdgeVectorParams(size=dimensions, distance=qe.Distance.Cosine)},
        sparse_vectors={TERMS: qe.EdgeSparseVectorParams()},
        hnsw_config=qe.HnswIndexConfig(
            m=tuning.links,
            ef_construct=tuning.build_effort,
            full_scan_threshold=INDEXED_SEGMENT_KB,
            max_indexing_threads=tuning.indexing_threads,
        ),
        optimizers=qe.EdgeOptimizersConfig(
            default_segment_number=SEGMENTS, indexing_threshold=INDEXED_SEGMENT_KB, vacuum_min_vector_number=1000
        ),
        wal_enabled=True,
    )
    with failures():
        qe.EdgeShard.create(str(directory), config).close()


def write(shard: qe.EdgeShard, points: Sequence[qe.Point]) -> None:
    for start in range(0, len(points), PIECE_POINTS):
        shard.update(qe.UpdateOperation.upsert_points(list(points[start : start + PIECE_POINTS])))


def remove(shard: qe.EdgeShard, ids: Sequence[str]) -> None:
    for start in range(0, len(ids), PAGE_POINTS):
        shard.update(qe.UpdateOperation.delete_points(list(ids[start : start + PAGE_POINTS])))


def sync_log(directory: Path) -> None:
    """Makes what was written durable even through a loss of power: qdrant-edge leaves its log to the page cache."""
    log = directory / "wal"
    for path in (*log.iterdir(), log):
        with contextlib.suppress(FileNotFoundError):
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def pages(
    shard: qe.EdgeShard, filter: qe.Filter | None, payload: Sequence[str], vectors: Sequence[str]
) -> Iterator[list[Any]]:
    """All records that match, in the order of ids."""
    start = None
    while True:
        request = qe.ScrollRequest(
            offset=start, limit=PAGE_POINTS, filter=filter, with_payload=list(payload), with_vector=list(vectors)
        )
        records, start = shard.scroll(request)
        yield records
        if start is None:
            return


def stored(point: Point, terms: Mapping[int, float], version: int | None) -> qe.Point:
    """A point as the shard keeps it."""
    vectors: dict[str, Any] = {DENSE: point.vector}
    if terms:
        vectors[TERMS] = qe.SparseVector(indices=list(terms), values=list(terms.values()))
    payload: dict[str, Any] = {TEXT: point.text, METADATA: dict(point.metadata)}
    if told := list(switches(point.metadata)):
        payload[SWITCHES] = told
    if version is not None:
        payload[VERSION] = version
    return qe.Point(id=point.id, vector=vectors, payload=payload)


def switch(path: str, value: bool) -> str:
    return f"{path}={'true' if value else 'false'}"


def switches(metadata: Metadata, prefix: str = "") -> Iterator[str]:
    """The booleans of metadata, as a filter asks for them."""
    for name, value in metadata.items():
        if "." in name:
            continue  # a filter's path cannot name it
        path = f"{prefix}{name}"
        for element in value if isinstance(value, list) else (value,):
            if isinstance(element, bool):
                yield switch(path, element)
        if isinstance(value, Mapping):
            yield from switches(value, f"{path}.")


def restored(record: Any, selection: Selection) -> Point:
    """The selected parts of a point, attachments aside."""
    payload = record.payload or {}
    vector = array("f", record.vector[DENSE]) if selection.vector else None
    return Point(str(record.id), vector, payload.get(TEXT, ""), payload.get(METADATA, {}), {})


def terms_of(record: Any) -> list[int]:
    sparse = (record.vector or {}).get(TERMS)
    return list(sparse.indices) if sparse is not None else []


def version_of(record: Any) -> int | None:
    return (record.payload or {}).get(VERSION)


def copy_shard(directory: Path) -> Path:
    """Copies `name-3` to `name-4`, as a crash would leave it now: its log brings it up to date when it is loaded."""
    name, _, number = directory.name.partition("-")
    successor = directory.with_name(f"{name}-{int(number or 0) + 1}")
    shutil.rmtree(successor, ignore_errors=True)
    # cp knows holes and shared extents, and runs without the global lock.
    command = ["cp", "-a", "--reflink=auto", "--sparse=auto", str(directory), str(successor)]
    copied = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - our own paths
    if copied.returncode:
        shutil.rmtree(successor, ignore_errors=True)
        raise EngineFailed(f"the shard cannot be copied: {copied.stderr.decode(errors='replace').strip()}")
    return successor


def transfer(source: qe.EdgeShard, target: qe.EdgeShard, touched: Iterable[str]) -> None:
    """Makes these points in `target` what they are in `source`, or are no more."""
    ids: list[Any] = list(touched)
    for start in range(0, len(ids), PIECE_POINTS):
        piece = ids[start : start + PIECE_POINTS]
        records: list[Any] = source.retrieve(piece, True, True)
        write(target, [qe.Point(record.id, record.vector, record.payload) for record in records])
        there = {str(record.id) for record in records}
        remove(target, [id for id in piece if id not in there])


@contextlib.contextmanager
def failures() -> Iterator[None]:
    """Tells the failures of qdrant-edge as errors of the suite."""
    try:
        yield
    except LedgeError:
        raise
    except OSError as error:
        raise EngineFailed(f"the collection's files: {error.strerror}") from error
    except Exception as error:
        # qdrant-edge raises bare exceptions; their message is all there is.
        raise EngineFailed(f"qdrant-edge: {error}") from error
