"""How a chunk is kept in `retrieval`: a point with text, metadata, and an attachment that holds its segments.

Point.text is the headings, a line break, and the body, so that text search sees both; `body_start` tells
where the body begins. Point.vector is the mean of the segments' dense vectors: an encoding of the whole text besides
nearly doubles the encoder's work and finds no more (on the 81 answerable questions of the calibration set, hybrid:
recall@5 0.951 and recall@20 1.0 either way). Filters match `document`, `page`, `headings`, and the user's own as
`metadata.<key>`.

The attachment `segments`, little-endian, so that a question reads vectors instead of encoding passages again:

    header    version, dimensions, number of segments, number of groups, scale of rows, scale of dense
    segments  start, end, rows, group, kind          of each
    groups    rows, bytes of lead-in                 of each; group 0 is the headings, the others are lead-ins
    lead-ins  UTF-8, one after the other
    dense     int8 [segments × dimensions]           each segment encoded with its context
    rows      int8 [· × dimensions]                  token vectors: those of the groups, then those of the segments

What stands above several segments is kept once. Marks and the commonest English words have no row: no question
is answered by a comma or a "the" (a third of all rows; ranking is the same without).
"""

import struct
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from google.protobuf.struct_pb2 import Struct
from ledge.embedding.v1 import embedding_pb2
from ledge.model.v1 import model_pb2
from ledge.retrieval.v1 import retrieval_pb2
from numpy.typing import NDArray

from services.kit.errors import EngineFailed
from services.rag.contextual import contextual, heading_line
from services.rag.document import Chunk, Kind, Segment
from services.rag.encoding import CHUNK_FORMAT

VERSION = CHUNK_FORMAT
ATTACHMENT = "segments"
WITH_SEGMENTS = retrieval_pb2.Selection(text=True, metadata=True, attachments=[ATTACHMENT])
"""What a question selects."""
WITHOUT_SEGMENTS = retrieval_pb2.Selection(text=True, metadata=True)

_NAMESPACE = uuid.UUID("6d0f3bb0-6bd6-5d0c-9d06-8a3a9f0b3a51")
_HEADER = struct.Struct("<BHHHff")
_SEGMENT = np.dtype([("start", "<u4"), ("end", "<u4"), ("rows", "<u2"), ("group", "<u2"), ("kind", "u1")])
_GROUP = np.dtype([("rows", "<u2"), ("lead_in_bytes", "<u2")])
MAX_ROWS_BYTES = 900_000
"""Of the rows of one attachment. The rest of it is small, and `retrieval` takes 1 MiB in all."""

_KINDS = list(Kind)
_COMMON = frozenset(
    "a an and are as at be been being by but do does for from had has have he her his i if in into is it its my of on "
    "or our she so than that the their them then there these they this those to was we were which who will with would "
    "you your".split()
)


@dataclass(frozen=True, slots=True)
class Origin:
    """The document that chunks belong to."""

    document: str
    """Its name."""
    revision: str
    """Hex digest of all that its chunks are made from."""
    metadata: Struct
    """The user's own."""

    def point_id(self, index: int) -> str:
        """The same chunk has the same id whenever it is made, so writing it twice is writing it once."""
        return str(uuid.uuid5(_NAMESPACE, f"{self.document}\0{self.revision}\0{index}"))


def chunk_text(chunk: Chunk) -> tuple[str, int]:
    """The text that is indexed, and where the body begins in it."""
    line = heading_line(chunk.headings)
    return (f"{line}\n{chunk.body}", len(line) + 1) if line else (chunk.body, 0)


def segment_text(chunk: Chunk, segment: Segment) -> tuple[str, int, int]:
    """The text under which a segment is encoded, and where its lead-in and its own words begin."""
    return contextual(chunk.headings, chunk.text_of(segment), segment.lead_in)


def to_point(origin: Origin, chunk: Chunk, embeddings: Sequence[embedding_pb2.Embedding]) -> retrieval_pb2.Point:
    """The point of a chunk.

    Args:
        embeddings: dense and tokens (INT8) of `segment_text`, one a segment.
    """
    dense = np.stack([np.frombuffer(embedding.dense, "<f4") for embedding in embeddings])
    text, body_start = chunk_text(chunk)
    metadata = Struct()
    metadata.update(
        {
            "document": origin.document,
            "revision": origin.revision,
            "index": chunk.index,
            "headings": list(chunk.headings),
            "body_start": body_start,
        }
    )
    if chunk.page is not None:
        metadata["page"] = chunk.page
    if origin.metadata.fields:
        metadata.fields["metadata"].struct_value.CopyFrom(origin.metadata)
    return retrieval_pb2.Point(
        id=origin.point_id(chunk.index),
        vector=_mean(dense).astype("<f4").tobytes(),
        text=text,
        metadata=metadata,
        attachments={ATTACHMENT: _pack(chunk, embeddings, dense)},
    )


def _mean(dense: NDArray[np.float32]) -> NDArray[np.float32]:
    """Length 1. Vectors that cancel each other out leave the first."""
    mean: NDArray[np.float32] = dense.mean(axis=0)
    length = float(np.linalg.norm(mean))
    return mean / length if length > 0 else dense[0]


def _pack(chunk: Chunk, embeddings: Sequence[embedding_pb2.Embedding], dense: NDArray[np.float32]) -> bytes:
    dimensions = embeddings[0].dimensions
    # Far more than a sentence has, but with very long vectors or very many segments.
    most_rows = MAX_ROWS_BYTES // dimensions // (2 * len(embeddings) + 1)
    scale = max((embedding.tokens.scale for embedding in embeddings), default=1.0) or 1.0
    segments = np.zeros(len(chunk.segments), _SEGMENT)
    own: list[NDArray[np.int8]] = []
    lead_ins = [""]
    groups: list[NDArray[np.int8]] = [np.zeros((0, dimensions), np.int8)]
    for place, (segment, embedding) in enumerate(zip(chunk.segments, embeddings, strict=True)):
        text, lead_in_start, own_start = segment_text(chunk, segment)
        rows, starts = _rows(text, embedding, scale)
        if place == 0:
            groups[0] = rows[starts < lead_in_start][:most_rows]
        group = lead_ins.index(segment.lead_in) if segment.lead_in in lead_ins else len(lead_ins)
        if group == len(lead_ins):
            lead_ins.append(segment.lead_in)
            groups.append(rows[(starts >= lead_in_start) & (starts < own_start)][:most_rows])
        own.append(rows[starts >= own_start][:most_rows])
        segments[place] = (segment.start, segment.end, len(own[-1]), group, _KINDS.index(segment.kind))
    dense_scale = float(np.abs(dense).max()) / 127 or 1.0
    encoded = [lead_in.encode() for lead_in in lead_ins]
    group_table = np.array([(len(rows), len(text)) for rows, text in zip(groups, encoded, strict=True)], _GROUP)
    return b"".join(
        [
            _HEADER.pack(VERSION, dimensions, len(segments), len(groups), scale, dense_scale),
            segments.tobytes(),
            group_table.tobytes(),
            *encoded,
            np.rint(dense / dense_scale).astype(np.int8).tobytes(),
            *(rows.tobytes() for rows in (*groups, *own)),
        ]
    )


def _rows(text: str, embedding: embedding_pb2.Embedding, scale: float) -> tuple[NDArray[np.int8], NDArray[np.uint32]]:
    """The rows worth keeping, quantised by `scale`, and where in the text each begins."""
    offsets = np.array(embedding.token_offsets, np.uint32).reshape(-1, 2)
    rows = np.frombuffer(embedding.tokens.data, np.int8).reshape(-1, embedding.tokens.dimensions)
    kept = np.fromiter((_tells(text, start, end) for start, end in offsets.tolist()), bool, len(offsets))
    rows, starts = rows[kept], offsets[kept, 0]
    if embedding.tokens.scale != scale:
        rows = np.rint(rows * np.float32(embedding.tokens.scale / scale)).astype(np.int8)
    return rows, starts


def _tells(text: str, start: int, end: int) -> bool:
    """Whether a token is worth a row."""
    token = text[start:end]
    if not any(map(str.isalnum, token)):
        return False
    inside = text[max(0, start - 1) : start].isalnum() or text[end : end + 1].isalnum()
    return inside or token.lower() not in _COMMON


class StoredSegment(NamedTuple):
    """A segment as it was stored; see `StoredChunk` for its vectors."""

    start: int
    end: int
    kind: Kind
    lead_in: str
    group: int
    first_row: int
    rows: int


@dataclass(frozen=True)
class StoredChunk:
    """A chunk as a question finds it. Vectors are read only when asked for."""

    id: str
    document: str
    headings: tuple[str, ...]
    page: int | None
    body: str
    index: int
    metadata: Struct
    """The user's own."""
    attachment: bytes = b""

    @cached_property
    def _layout(self) -> tuple[tuple[StoredSegment, ...], list[tuple[int, int]], int, float, int, float, int]:
        version, dimensions, segment_count, group_count, scale, dense_scale = _HEADER.unpack_from(self.attachment)
        if version != VERSION:
            raise EngineFailed(f"document {self.document!r} was stored in another format: ingest it again")
        place = _HEADER.size
        table = np.frombuffer(self.attachment, _SEGMENT, segment_count, place)
        place += table.nbytes
        groups = np.frombuffer(self.attachment, _GROUP, group_count, place)
        place += groups.nbytes
        lead_ins, group_rows, row = [], [], 0
        for rows, lead_in_bytes in groups.tolist():
            lead_ins.append(self.attachment[place : place + lead_in_bytes].decode())
            place += lead_in_bytes
            group_rows.append((row, rows))
            row += rows
        segments = []
        for start, end, rows, group, kind in table.tolist():
            segments.append(StoredSegment(start, end, _KINDS[kind], lead_ins[group], group, row, rows))
            row += rows
        dense_place = place
        rows_place = dense_place + segment_count * dimensions
        return tuple(segments), group_rows, dimensions, scale, rows_place, dense_scale, dense_place

    @property
    def segments(self) -> tuple[StoredSegment, ...]:
        return self._layout[0] if self.attachment else ()

    def dense(self) -> NDArray[np.float32]:
        """One vector a segment, encoded with its context: [segments × dimensions], length about 1."""
        segments, _, dimensions, _, _, dense_scale, place = self._layout
        packed = np.frombuffer(self.attachment, np.int8, len(segments) * dimensions, place)
        return packed.reshape(-1, dimensions) * np.float32(dense_scale)

    def token_rows(self) -> NDArray[np.float32]:
        """All token vectors, each of length about 1: [rows × dimensions]. `rows_of` says whose they are."""
        _, _, dimensions, scale, place, _, _ = self._layout
        return np.frombuffer(self.attachment, np.int8, offset=place).reshape(-1, dimensions) * np.float32(scale)

    def rows_of(self, segment: StoredSegment) -> list[slice]:
        """Where the rows of the segment's headings, of its lead-in if it has one, and its own are."""
        return [slice(first, first + rows) for first, rows in self._spans_of(segment)]

    def _spans_of(self, segment: StoredSegment) -> list[tuple[int, int]]:
        """The same as first row and number of rows."""
        groups = self._layout[1]
        own = (segment.first_row, segment.rows)
        return [groups[0], groups[segment.group], own] if segment.group else [groups[0], own]

    def greatest(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The greatest of some values of all token vectors over those of each segment: its own, its headings' and its
        lead-in's.

        Args:
            values: [rows × values], none below 0.

        Returns:
            [segments × values].
        """
        segments, groups = self.segments, self._layout[1]
        of_groups = np.array([values[first : first + rows].max(axis=0, initial=0.0) for first, rows in groups])
        # Rows of segments follow one another, those of the last one end the table.
        padded = np.vstack([values, np.zeros((1, values.shape[1]))])
        own = np.maximum.reduceat(padded, [segment.first_row for segment in segments], axis=0)
        own[[not segment.rows for segment in segments]] = 0.0
        greatest: NDArray[np.float64] = np.maximum(own, of_groups[[segment.group for segment in segments]])
        np.maximum(greatest, of_groups[0], out=greatest)
        return greatest

    def write_token_vectors(self, segment: StoredSegment, vectors: model_pb2.TokenVectors) -> model_pb2.TokenVectors:
        """Fills in, and gives back, the segment's token vectors, with those of its headings and lead-in before them."""
        _, _, dimensions, scale, place, _, _ = self._layout
        vectors.data = b"".join(
            [
                self.attachment[place + first * dimensions : place + (first + rows) * dimensions]
                for first, rows in self._spans_of(segment)
            ]
        )
        vectors.dimensions = dimensions
        vectors.encoding = model_pb2.TokenVectors.INT8
        vectors.scale = scale
        return vectors


def from_point(point: retrieval_pb2.Point) -> StoredChunk:
    """Reads what `to_point` made; without the attachment the chunk has no segments."""
    fields = point.metadata.fields
    return StoredChunk(
        id=point.id,
        document=fields["document"].string_value,
        headings=tuple(value.string_value for value in fields["headings"].list_value.values),
        page=int(fields["page"].number_value) if "page" in fields else None,
        body=point.text[int(fields["body_start"].number_value) :],
        index=int(fields["index"].number_value),
        metadata=fields["metadata"].struct_value if "metadata" in fields else Struct(),
        attachment=point.attachments.get(ATTACHMENT, b""),
    )
