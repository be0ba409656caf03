"""What a collection is in a folder: its points in two files, a manifest with their sums, and how far a move has come.

    manifest.json    written last: a folder without it is not whole
    chunks.points    one `ledge.retrieval.v1.Point` after the other in the order of ids, each led by its length (varint)
    documents.points the same of the documents' records
    export.json, import-….json   how far a move has come, while it goes on

A file of points is never held in memory. What stands in it past what the checkpoint knows is cut off.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from google.protobuf import proto
from google.protobuf.message import DecodeError
from ledge.retrieval.v1 import retrieval_pb2 as pb

from services.kit.errors import EngineFailed, InvalidInput

FORMAT = 1
PARTS = ("chunks", "documents")
"""Chunks first: a record says that its document is complete."""
_READ_BYTES = 2**20


@dataclass(frozen=True)
class Part:
    """One of the two collections of `retrieval` that make one of documents."""

    dimensions: int
    points: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What the folder holds."""

    collection: str
    model: str
    """Id of the embedding model that the vectors are made by."""
    encoding: str
    """The same with the versions of what is kept of a chunk."""
    parts: dict[str, Part]
    format: int = FORMAT


class Folder:
    """A folder of one collection."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def points_file(self, part: str) -> Path:
        return self.path / f"{part}.points"

    def manifest(self) -> Manifest:
        """Raises InvalidInput where there is no whole collection."""
        path = self.path / "manifest.json"
        try:
            read = json.loads(path.read_text())
            if read.get("format") != FORMAT:
                raise InvalidInput(f"{path} is of format {read.get('format')}, and this release knows {FORMAT}")
            return Manifest(**{**read, "parts": {name: Part(**part) for name, part in read["parts"].items()}})
        except FileNotFoundError as error:
            begun = (self.path / "export.json").is_file()
            told = "its export has not ended: run it again" if begun else "there is no exported collection"
            raise InvalidInput(f"{self.path}: {told}") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidInput(f"{path} is no manifest of an exported collection") from error

    def write_manifest(self, manifest: Manifest) -> None:
        write_json(self.path / "manifest.json", asdict(manifest))

    def checked(self, part: str, wanted: Part) -> None:
        """Raises InvalidInput where the points are not those that the manifest tells of."""
        path = self.points_file(part)
        if not path.is_file():
            raise InvalidInput(f"{path} is missing")
        if (size := path.stat().st_size) != wanted.bytes or sha256_of(path) != wanted.sha256:
            raise InvalidInput(f"{path} is not what was exported ({size} of {wanted.bytes} bytes, or other ones)")

    def points(self, part: str, offset: int = 0) -> Iterator[tuple[pb.Point, int]]:
        """Each point, and where the next one begins.

        Raises:
            InvalidInput: the file is no file of points.
        """
        with self.points_file(part).open("rb") as file:
            file.seek(offset)
            try:
                # The library's own types name a message that may be None at the end of the file.
                while (point := proto.parse_length_prefixed(pb.Point, file)) is not None:  # type: ignore[arg-type]
                    yield point, file.tell()
            except (DecodeError, ValueError, EOFError) as error:
                raise InvalidInput(f"{self.points_file(part)} is no file of points, or is cut off") from error


def framed(point: pb.Point) -> bytes:
    """The point led by its length, the same bytes each time: maps have no order of their own."""
    content = point.SerializeToString(deterministic=True)
    length, rest = bytearray(), len(content)
    while rest > 0x7F:
        length.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes(length) + bytes([rest]) + content


def sha256_of(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            found.update(block)
    return found.hexdigest()


def write_json(path: Path, content: Any) -> None:
    """Whole or not at all, also when the power goes."""
    try:
        temporary = path.with_suffix(".part")
        with temporary.open("w") as file:
            json.dump(content, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise EngineFailed(f"{path} cannot be written: {error.strerror}") from error


def read_json(path: Path) -> dict[str, Any]:
    """Empty where there is none, or none that can be read."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
