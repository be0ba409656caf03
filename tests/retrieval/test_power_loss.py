"""What is acknowledged has left the page cache, so that a machine may lose its power the moment after."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from services.retrieval.engine import Point
from services.retrieval.engines.qdrant_collection import QdrantCollection
from services.retrieval.engines.qdrant_shard import Tuning
from tests.retrieval.points import id_of

TUNING = Tuning(reserved_disk_bytes=0)


def digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest() if os.path.isfile(path) else ""


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Path → what it held when it was last synced. Syncing goes on as ever."""
    seen: dict[str, str] = {}
    fsync = os.fsync

    def watched(handle: int) -> None:
        path = os.readlink(f"/proc/self/fd/{handle}")
        seen[path] = digest(path)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", watched)
    return seen


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[QdrantCollection]:
    QdrantCollection.create(tmp_path / "c", 8, "english", TUNING)
    opened = QdrantCollection(tmp_path / "c", "c", TUNING)
    yield opened
    opened.close()


def log_of(folder: Path) -> list[str]:
    """The write-ahead log's files, and their directory."""
    (log,) = folder.glob("c/shard*/wal")
    return [str(log), *map(str, log.iterdir())]


def test_a_write_and_a_deletion_are_synced_before_they_return(
    collection: QdrantCollection, synced: dict[str, str], tmp_path: Path
) -> None:
    points = [Point(id_of(n), np.ones(8, np.float32), f"pump {n}") for n in range(1, 4)]
    for change in (lambda: collection.upsert(points), lambda: collection.delete([id_of(1)], None)):
        before = {path: digest(path) for path in log_of(tmp_path)}
        synced.clear()
        change()
        now = {path: digest(path) for path in log_of(tmp_path)}
        assert now != before, "the log holds nothing of it: the test proves nothing"
        assert {path: synced.get(path) for path in now} == now
