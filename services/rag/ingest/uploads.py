"""Receives documents from a stream of requests, each into an unnamed temporary file, hashed on the way."""

import asyncio
import hashlib
import math
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

from google.protobuf.struct_pb2 import Struct, Value
from ledge.rag.v1 import rag_pb2 as pb

from services.kit.errors import EngineFailed, InvalidInput, TooSlow

MAX_NAME_CHARACTERS = 512
MAX_CONTENT_BYTES = 2**20
MAX_METADATA_BYTES = 16 * 1024
MAX_METADATA_DEPTH = 16


@dataclass(slots=True)
class Upload:
    """A document and the file it was received into."""

    name: str
    media_type: str
    metadata: Struct
    file: BinaryIO
    """Unnamed: it is gone when it is closed, and when the process dies."""
    size_bytes: int = 0
    sha256: bytes = b""
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def write(self, content: bytes) -> None:
        self._digest.update(content)
        self.size_bytes += len(content)
        with _room_for_it():
            self.file.write(content)

    def finish(self) -> None:
        self.sha256 = self._digest.digest()
        with _room_for_it():
            self.file.flush()

    def close(self) -> None:
        self.file.close()


@contextmanager
def _room_for_it() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EngineFailed(f"an uploaded document cannot be kept: {error.strerror}; set TMPDIR") from error


def new_upload(start: pb.DocumentStart) -> Upload:
    return Upload(start.name, start.media_type, start.metadata, tempfile.TemporaryFile())


def check_start(start: pb.DocumentStart) -> None:
    """Raises InvalidInput for a start that is wrong in itself."""
    if not 1 <= len(start.name) <= MAX_NAME_CHARACTERS or not start.name.isprintable():
        raise InvalidInput(f"a document's name is 1 to {MAX_NAME_CHARACTERS} printable characters")
    if len(start.sha256) not in (0, 32):
        raise InvalidInput(f"{start.name!r}: sha256 is 32 bytes, or absent")
    if start.metadata.ByteSize() > MAX_METADATA_BYTES:
        raise InvalidInput(f"{start.name!r}: metadata is larger than {MAX_METADATA_BYTES} bytes")
    fault = _metadata_fault(Value(struct_value=start.metadata), MAX_METADATA_DEPTH)
    if fault:
        raise InvalidInput(f"{start.name!r}: metadata {fault}")


def _metadata_fault(value: Value, depth: int) -> str:
    """What is wrong with user metadata; empty: nothing."""
    match value.WhichOneof("kind"):
        case "number_value":
            return "" if math.isfinite(value.number_value) else "holds a number that is not finite"
        case "struct_value":
            below: Iterable[Value] = value.struct_value.fields.values()
        case "list_value":
            below = value.list_value.values
        case _:
            return ""
    if not depth:
        return f"is nested more than {MAX_METADATA_DEPTH} deep"
    return next(filter(None, (_metadata_fault(one, depth - 1) for one in below)), "")


async def next_request(requests: AsyncIterator[pb.IngestRequest], idle_s: float | None) -> pb.IngestRequest | None:
    """The next message; None at the end.

    Raises:
        TooSlow: none came in time.
    """
    try:
        async with asyncio.timeout(idle_s):
            return await anext(requests, None)
    except TimeoutError:
        raise TooSlow(f"the client sent nothing for {idle_s:g} s in the middle of a document") from None
