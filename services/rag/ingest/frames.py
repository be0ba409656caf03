"""How a reader process and its parent talk: frames of four bytes length and a body, JSON or document bytes.

JSON and not pickle: what a hostile document makes of the process that reads it must not reach the parent as code.
"""

import json
import struct
from typing import Any

from services.rag.document import Chunk, Kind, Segment

LENGTH = struct.Struct("<I")
MAX_FRAME_BYTES = 32 * 2**20
CONTENT_BYTES = 2**18
"""Size of a frame of document bytes. An empty one ends the document."""


def frame(body: bytes) -> bytes:
    return LENGTH.pack(len(body)) + body


def frame_of(message: dict[str, Any]) -> bytes:
    return frame(json.dumps(message, ensure_ascii=False).encode())


def chunk_to_json(chunk: Chunk) -> list[Any]:
    segments = [[segment.start, segment.end, segment.kind, segment.lead_in] for segment in chunk.segments]
    return [chunk.index, chunk.page, chunk.headings, chunk.body, segments]


def chunk_from_json(value: Any) -> Chunk:
    """Raises ValueError, TypeError or KeyError for what is no chunk."""
    index, page, headings, body, segments = value
    made = tuple(Segment(int(start), int(end), Kind(kind), str(lead_in)) for start, end, kind, lead_in in segments)
    if not made or not all(0 <= segment.start < segment.end <= len(body) for segment in made):
        raise ValueError("a segment lies outside of its chunk")
    return Chunk(int(index), tuple(map(str, headings)), str(body), made, None if page is None else int(page))
