"""One file on its way into the store: resumed where it stopped, never longer than it may be, hashed as it comes."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO, Self

from services.kit.models.catalog import ModelFile
from services.kit.models.source import SourceFailed

CHUNK_BYTES = 1 << 20


class IncomingFile:
    """A context manager over the partial file at `partial`, which is kept when the block is left early.

    `report` hears the bytes that are there after every write. Not to be shared between threads.
    """

    def __init__(self, partial: Path, file: ModelFile, report: Callable[[int], None]) -> None:
        self.partial = partial
        self.file = file
        self._report = report

    def __enter__(self) -> Self:
        self.partial.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: what was reported is in the file, so a killed process loses nothing that it had counted.
        self._out: BinaryIO = self.partial.open("r+b" if self.partial.exists() else "w+b", buffering=0)
        self._hash = hashlib.sha256()
        self.size_bytes = 0
        while chunk := self._out.read(CHUNK_BYTES):
            self._hash.update(chunk)
            self.size_bytes += len(chunk)
        if self.size_bytes > self.file.size_bytes:
            self.restart()
        self._report(self.size_bytes)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.close()
        if not self.size_bytes:
            self.partial.unlink(missing_ok=True)

    @property
    def is_complete(self) -> bool:
        return self.size_bytes == self.file.size_bytes

    @property
    def is_right(self) -> bool:
        return self.is_complete and self._hash.hexdigest() == self.file.sha256

    def write(self, chunk: bytes) -> None:
        """Raises SourceFailed, and keeps nothing, when the file grows past its size in the catalogue."""
        if self.size_bytes + len(chunk) > self.file.size_bytes:
            self.restart()
            raise SourceFailed(f"{self.file.path} is longer than the catalogue's {self.file.size_bytes} bytes")
        view = memoryview(chunk)
        while view:
            view = view[self._out.write(view) :]
        self._hash.update(chunk)
        self.size_bytes += len(chunk)
        self._report(self.size_bytes)

    def restart(self) -> None:
        self._out.seek(0)
        self._out.truncate()
        self._hash = hashlib.sha256()
        self.size_bytes = 0

    def copy_from(self, stream: IO[bytes]) -> None:
        """From the first byte to the last of `stream`. Raises SourceFailed when that is not the file."""
        self.restart()
        # In pieces of what is still allowed, plus one byte to notice a stream that goes on.
        while chunk := stream.read(min(CHUNK_BYTES, self.file.size_bytes - self.size_bytes + 1)):
            self.write(chunk)
        self.check()

    def check(self) -> None:
        """Raises SourceFailed, and keeps nothing, when the bytes are not those of the catalogue."""
        if self.is_right:
            return
        if not self.is_complete:
            reason = f"{self.file.path} ends after {self.size_bytes} of {self.file.size_bytes} bytes"
        else:
            reason = f"{self.file.path} has the wrong content: its sha256 is {self._hash.hexdigest()}"
        self.restart()
        raise SourceFailed(reason)
