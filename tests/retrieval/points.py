"""Points, filters and requests for the tests of retrieval."""

import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from ledge.retrieval.v1 import retrieval_pb2 as pb

DIMENSIONS = 8
RNG = np.random.default_rng(7)


def id_of(number: int) -> str:
    return str(uuid.UUID(int=number))


def vector(seed: int | None = None, dimensions: int = DIMENSIONS) -> npt.NDArray[np.float32]:
    rng = RNG if seed is None else np.random.default_rng(seed)
    row = rng.normal(size=dimensions)
    return np.asarray(row / np.linalg.norm(row), np.float32)


def point(
    number: int,
    text: str = "",
    metadata: Mapping[str, Any] | None = None,
    attachments: Mapping[str, bytes] | None = None,
    row: npt.NDArray[np.float32] | None = None,
) -> pb.Point:
    message = pb.Point(id=id_of(number), text=text, attachments=attachments or {})
    message.vector = (vector(number) if row is None else row).astype("<f4").tobytes()
    message.metadata.update(dict(metadata or {}))
    return message


def upsert(collection: str, *messages: Iterable[pb.Point]) -> Iterator[pb.UpsertRequest]:
    """One request a group of points; the first names the collection."""
    for index, points in enumerate(messages):
        yield pb.UpsertRequest(collection="" if index else collection, points=points)


def matching(field: str, *values: Any) -> pb.Condition:
    condition = pb.Condition()
    condition.match.field = field
    for value in values:
        entry = condition.match.any_of.add()
        if isinstance(value, bool):
            entry.bool_value = value
        elif isinstance(value, str):
            entry.string_value = value
        else:
            entry.number_value = value
    return condition


def within(field: str, **bounds: float) -> pb.Condition:
    return pb.Condition(range=pb.FieldRange(field=field, **bounds))
