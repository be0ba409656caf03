"""Documents sent to `rag`: which files a path means, what they are called, and the conversation of an ingest.

For each document its name and SHA-256 go first; its bytes follow only if the service wants them, so that a second
ingest of the same files sends nothing.
"""

import asyncio
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from ledge.rag.v1 import rag_pb2 as pb
from ledge.rag.v1 import rag_pb2_grpc as rpc

from services.kit.errors import EngineFailed, InvalidInput

ENDINGS = (".pdf", ".docx", ".html", ".htm", ".md", ".markdown", ".txt")
"""What is taken from a directory. A file that is named itself is sent whatever it is called."""
PIECE_BYTES = 512 * 1024
CUT_OFF = (
    "the service ended the ingest before all documents were sent: `ledge logs rag` tells why; "
    "the same command goes on where this one stopped"
)


@dataclass(frozen=True)
class LocalDocument:
    """A file, and the name that citations will show."""

    name: str
    path: Path
    size_bytes: int


@dataclass
class Selection:
    """The files that some paths mean."""

    documents: list[LocalDocument] = field(default_factory=list)
    passed_over: int = 0
    """Files of a directory that are no documents, by their ending."""


def select(paths: Sequence[Path]) -> Selection:
    """Files stand for themselves and are called by their file name, those of a directory by their path inside it.

    Raises:
        InvalidInput: a path that is not there or cannot be read; two documents of one name.
    """
    selection = Selection()
    for path in paths:
        if path.is_dir():
            _add_directory(selection, path)
        elif path.is_file():
            selection.documents.append(LocalDocument(path.name, path, path.stat().st_size))
        else:
            raise InvalidInput(f"{path}: there is no such file or directory")
    by_name: dict[str, Path] = {}
    for document in selection.documents:
        other = by_name.setdefault(document.name, document.path)
        if other.resolve() != document.path.resolve():
            raise InvalidInput(
                f"{other} and {document.path} would both be called {document.name!r}: ingest the folder above them"
            )
    selection.documents = list({document.name: document for document in selection.documents}.values())
    return selection


def _add_directory(selection: Selection, directory: Path) -> None:
    for folder, subfolders, files in os.walk(directory):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(files):
            path = Path(folder) / name
            if name.startswith(".") or not path.is_file():
                continue
            if path.suffix.lower() not in ENDINGS:
                selection.passed_over += 1
                continue
            shown = path.relative_to(directory).as_posix()
            selection.documents.append(LocalDocument(shown, path, path.stat().st_size))


@dataclass
class Watch:
    """What an ingest tells while it works. Each is called in the event loop."""

    on_sent: Callable[[LocalDocument, int], None] = lambda document, sent_bytes: None
    on_progress: Callable[[pb.IngestProgress], None] = lambda progress: None
    on_result: Callable[[pb.DocumentResult], None] = lambda result: None


async def upload(
    rag: "rpc.RagServiceAsyncStub", documents: Sequence[LocalDocument], collection: str, watch: Watch
) -> list[pb.DocumentResult]:
    """Ingests documents; answers with one result each, those that could not be read here included."""
    return await _Upload(rag, collection, watch).run(documents)


class _Upload:
    """One ingest; used once."""

    def __init__(self, rag: "rpc.RagServiceAsyncStub", collection: str, watch: Watch) -> None:
        self._call: Any = rag.Ingest()
        self._collection = collection
        self._watch = watch
        self._answers: dict[str, asyncio.Future[bool]] = {}
        self._results: list[pb.DocumentResult] = []

    async def run(self, documents: Sequence[LocalDocument]) -> list[pb.DocumentResult]:
        reading = asyncio.create_task(self._read())
        writing = asyncio.create_task(self._write(documents))
        try:
            await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
            failure = writing.exception() if writing.done() else None
            if failure is not None and not isinstance(failure, asyncio.InvalidStateError | grpc.aio.AioRpcError):
                raise failure
            # Why a call has ended, and so cannot be written to, reading tells.
            await reading
            if not writing.done() or failure is not None:
                raise EngineFailed(CUT_OFF)
            return self._results
        finally:
            self._call.cancel()
            for task in (reading, writing):
                task.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)

    async def _write(self, documents: Sequence[LocalDocument]) -> None:
        await self._call.write(pb.IngestRequest(config=pb.IngestConfig(collection=self._collection)))
        for document in documents:
            try:
                digest = await asyncio.to_thread(_sha256, document.path)
            except OSError as error:
                self._reject(document, f"cannot be read: {error.strerror}")
                continue
            if await self._is_wanted(document, digest):
                await self._send(document)
        await self._call.done_writing()

    async def _is_wanted(self, document: LocalDocument, digest: bytes) -> bool:
        self._answers[document.name] = asyncio.get_running_loop().create_future()
        start = pb.DocumentStart(name=document.name, size_bytes=document.size_bytes, sha256=digest)
        await self._call.write(pb.IngestRequest(document=start))
        return await self._answers[document.name]

    async def _send(self, document: LocalDocument) -> None:
        sent_bytes = 0
        with document.path.open("rb") as file:
            while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
                await self._call.write(pb.IngestRequest(content=piece))
                sent_bytes += len(piece)
                self._watch.on_sent(document, sent_bytes)

    async def _read(self) -> None:
        async for response in self._call:
            match response.WhichOneof("event"):
                case "wanted":
                    answer = self._answers.get(response.wanted.name)
                    if answer is not None and not answer.done():
                        answer.set_result(response.wanted.wanted)
                case "progress":
                    self._watch.on_progress(response.progress)
                case "result":
                    self._settle(response.result)

    def _settle(self, result: pb.DocumentResult) -> None:
        # A document refused by its size or name gets a result and no other word.
        answer = self._answers.get(result.name)
        if answer is not None and not answer.done():
            answer.set_result(False)
        self._results.append(result)
        self._watch.on_result(result)

    def _reject(self, document: LocalDocument, reason: str) -> None:
        self._settle(pb.DocumentResult(name=document.name, outcome=pb.DocumentResult.REJECTED, reason=reason))


def _sha256(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
