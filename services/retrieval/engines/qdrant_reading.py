"""Reads the selected parts of points: texts and metadata from the shard, attachments from beside it."""

from collections.abc import Callable, Sequence
from typing import Any

import qdrant_edge as qe

from services.kit.errors import InvalidInput
from services.retrieval.attachments import Attachments
from services.retrieval.engine import Point, Selection
from services.retrieval.engines.qdrant_shard import DENSE, METADATA, TEXT, VERSION, restored, version_of

ATTEMPTS = 3
PIECE_POINTS = 50


def fetch(
    current: Callable[[], qe.EdgeShard],
    attachments: Attachments,
    ids: Sequence[str],
    selection: Selection,
    most_bytes: int,
) -> list[Point]:
    """Those of the points that are still there, in the order of `ids`.

    Args:
        current: gives the shard in force; another may take over between two reads.
        most_bytes: of texts, vectors and attachments together; past it InvalidInput.
    """
    points: list[Point] = []
    read_bytes = 0
    for start in range(0, len(ids), PIECE_POINTS):
        piece = _piece(current, attachments, ids[start : start + PIECE_POINTS], selection)
        points += piece
        read_bytes += sum(map(_size_bytes, piece))
        if read_bytes > most_bytes:
            raise InvalidInput(
                f"the points asked for take more than the {most_bytes} bytes that a message may have: "
                "lower the limit, or select less"
            )
    return points


def _piece(
    current: Callable[[], qe.EdgeShard], attachments: Attachments, ids: Sequence[Any], selection: Selection
) -> list[Point]:
    fields = [name for name, wanted in ((TEXT, selection.text), (METADATA, selection.metadata)) if wanted]
    fields += [VERSION] if selection.attachments else []
    vectors: Any = [DENSE] if selection.vector else False
    for _ in range(ATTEMPTS):
        records: list[Any] = current().retrieve(list(ids), fields or False, vectors)
        points = {str(record.id): restored(record, selection) for record in records}
        if not selection.attachments or _attach(points, records, attachments, selection.attachments):
            break
    return [points[id] for id in ids if id in points]


def _attach(points: dict[str, Point], records: Sequence[Any], attachments: Attachments, names: Sequence[str]) -> bool:
    """False where a point was replaced, and its old attachments discarded, since it was read."""
    versions = [(str(record.id), version) for record in records if (version := version_of(record)) is not None]
    for (id, _), parts in zip(versions, attachments.get(versions, names), strict=True):
        if parts is None:
            return False
        points[id].attachments.update(parts)
    return True


def _size_bytes(point: Point) -> int:
    vector_bytes = 0 if point.vector is None else 4 * len(point.vector)
    return len(point.text) + vector_bytes + sum(map(len, point.attachments.values()))
