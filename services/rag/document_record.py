"""What is kept of a document beside its chunks: a record while it is being stored, and another once it is complete.

    (nothing) ──► pending ──chunks──► complete, pending ──old chunks deleted──► complete

A crash leaves a pending record behind, so whatever chunks were written are found again: by the same document
sent again, which goes on where it stopped, and by its deletion. Both are points with a vector of one element.
"""

import hashlib
import json
import struct
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from ledge.retrieval.v1 import retrieval_pb2

DIMENSIONS = 1
_VECTOR = struct.pack("<f", 1.0)
_NAMESPACE = uuid.UUID("0e9b4f53-1a35-5a3c-8a0b-3c0f4f6f2f1e")
_PENDING = "pending"
_COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """A document as the collection knows it."""

    name: str
    revision: str
    media_type: str
    sha256: bytes
    size_bytes: int
    pages: int
    chunks: int
    ingested_at: str
    """RFC 3339, UTC."""
    metadata: Struct
    complete: bool


def revision(sha256: bytes, metadata: Struct, media_type: str, encoding: str) -> str:
    """Hex digest of all that a document's chunks are made from: equal means that there is nothing to do.

    Args:
        media_type: as declared by the client.
        encoding: names the model and the formats that chunks are stored in.
    """
    user = json.dumps(MessageToDict(metadata), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256("\0".join([sha256.hex(), user, media_type, encoding]).encode()).hexdigest()[:32]


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def record_id(name: str, *, complete: bool) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{_COMPLETE if complete else _PENDING}\0{name}"))


def to_point(record: DocumentRecord) -> retrieval_pb2.Point:
    metadata = Struct()
    metadata.update(
        {
            "document": record.name,
            "state": _COMPLETE if record.complete else _PENDING,
            "revision": record.revision,
            "media_type": record.media_type,
            "sha256": record.sha256.hex(),
            "size_bytes": record.size_bytes,
            "pages": record.pages,
            "chunks": record.chunks,
            "ingested_at": record.ingested_at,
        }
    )
    if record.metadata.fields:
        metadata.fields["metadata"].struct_value.CopyFrom(record.metadata)
    return retrieval_pb2.Point(id=record_id(record.name, complete=record.complete), vector=_VECTOR, metadata=metadata)


def from_point(point: retrieval_pb2.Point) -> DocumentRecord:
    fields = point.metadata.fields
    return DocumentRecord(
        name=fields["document"].string_value,
        revision=fields["revision"].string_value,
        media_type=fields["media_type"].string_value,
        sha256=bytes.fromhex(fields["sha256"].string_value),
        size_bytes=int(fields["size_bytes"].number_value),
        pages=int(fields["pages"].number_value),
        chunks=int(fields["chunks"].number_value),
        ingested_at=fields["ingested_at"].string_value,
        metadata=fields["metadata"].struct_value if "metadata" in fields else Struct(),
        complete=fields["state"].string_value == _COMPLETE,
    )
