"""Writes points into the message that is sent: one that is put into another is copied, and points are large."""

from ledge.retrieval.v1 import retrieval_pb2 as pb

from services.retrieval.engine import Hit, Point
from services.retrieval.messages import MAX_ATTACHMENT_NAME_BYTES, MAX_METADATA_BYTES, vector_bytes

CHARACTER_BYTES = 4
"""The most that a character takes in UTF-8."""
OTHER_BYTES = 256
"""More than a point takes for its id and scores, and for the tags and lengths of its fields."""
ATTACHMENT_BYTES = MAX_ATTACHMENT_NAME_BYTES + 32
"""More than an attachment takes beside its content."""


def write_point(point: Point, message: pb.Point) -> None:
    message.id = point.id
    message.text = point.text
    for name, content in point.attachments.items():
        message.attachments[name] = content
    if point.vector is not None:
        message.vector = vector_bytes(point.vector)
    if point.metadata:
        message.metadata.update(dict(point.metadata))


def write_hit(hit: Hit, message: pb.Hit) -> None:
    message.score = hit.score
    if hit.cosine is not None:
        message.cosine = min(1.0, max(-1.0, hit.cosine))
    write_point(hit.point, message.point)


def most_bytes(point: Point) -> int:
    """No fewer than the point takes in a message. To count them exactly is to write the message."""
    return (
        CHARACTER_BYTES * len(point.text)
        + sum(len(content) + ATTACHMENT_BYTES for content in point.attachments.values())
        + (0 if point.vector is None else 4 * len(point.vector))
        + (MAX_METADATA_BYTES if point.metadata else 0)
        + OTHER_BYTES
    )
