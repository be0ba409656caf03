"""Uploads of documents: received into temporary files, handed to `rag`, followed until they are done.

receive (a slot is taken) ──► PENDING ──► FINISHED | FAILED (the slot is free; the outcome stays known for a while)

What runs and what is remembered are bounded. Both belong to this process: another gateway does not know them.
"""

import asyncio
import contextlib
import logging
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from google.protobuf import struct_pb2
from google.protobuf.json_format import ParseDict, ParseError
from ledge.rag.v1 import rag_pb2 as pb
from ledge.rag.v1 import rag_pb2_grpc as rpc
from starlette.datastructures import UploadFile

from services.gateway.errors import ledge_error
from services.gateway.streaming import cancelled_after
from services.kit.context import CallContext, current_call, enter_call
from services.kit.errors import EngineFailed, InvalidInput, LedgeError, NotReady, Overloaded

log = logging.getLogger("ledge.gateway")
PIECE_BYTES = 2**20
"""What one message of an ingest holds."""
MAX_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was received."""

    name: str
    file: UploadFile
    metadata: Mapping[str, Any]


@dataclass(slots=True)
class Upload:
    """What became of the documents of one upload."""

    tenant: str
    collection: str
    documents: Sequence[Document]
    """Until they are handed over."""
    names: Sequence[str] = field(init=False)
    state: Literal["PENDING", "FINISHED", "FAILED"] = "PENDING"
    results: dict[str, pb.DocumentResult] = field(default_factory=dict)
    """By document, as they are done."""
    error: LedgeError | None = None
    """Why it failed."""

    def __post_init__(self) -> None:
        self.names = [document.name for document in self.documents]


class Uploads:
    """Shared by all requests."""

    def __init__(self, rag: "rpc.RagServiceAsyncStub", max_at_once: int) -> None:
        self._rag = rag
        self._max_at_once = max_at_once
        self._busy = 0
        self._remembered: OrderedDict[str, Upload] = OrderedDict()
        self._running: dict[str, asyncio.Task[None]] = {}

    @contextlib.contextmanager
    def slot(self) -> Iterator["Slot"]:
        """A place for one upload, held until the block is left or, where it was kept, until its ingest is done.

        Raises:
            Overloaded: there is none.
        """
        if self._busy >= self._max_at_once:
            raise Overloaded(f"the gateway already takes in {self._max_at_once} uploads", retry_after_s=5)
        self._busy += 1
        slot = Slot()
        try:
            yield slot
        finally:
            if not slot.kept:
                self._busy -= 1

    async def ingest(self, upload: Upload) -> None:
        """Ingests the documents; says in `upload` what became of them.

        Raises:
            LedgeError: the ingest failed as a whole.
        """
        try:
            stream = self._rag.Ingest(_requests(upload))
            with cancelled_after(stream):
                async for response in stream:
                    if response.HasField("result"):
                        upload.results[response.result.name] = response.result
                    if response.HasField("summary"):
                        upload.state = "FINISHED"
            if upload.state != "FINISHED":
                raise EngineFailed("the ingest ended before it was done")
        except asyncio.CancelledError:
            upload.state, upload.error = "FAILED", NotReady("it was cut off: send the same documents again")
            raise
        except Exception as error:
            upload.state, upload.error = "FAILED", ledge_error(error)
            raise upload.error from error
        finally:
            for document in upload.documents:
                await document.file.close()
            upload.documents = ()

    def begin(self, upload: Upload, slot: "Slot") -> str:
        """Ingests in the background, and keeps the slot for it. Returns the id under which to ask."""
        slot.kept = True
        task_id = str(uuid.uuid4())
        self._remembered[task_id] = upload
        while len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)
        self._running[task_id] = asyncio.create_task(self._run(task_id, upload))
        return task_id

    def find(self, task_id: str, tenant: str) -> Upload | None:
        """An upload of this tenant; None where it is not known, or not any more."""
        upload = self._remembered.get(task_id)
        return upload if upload is not None and upload.tenant == tenant else None

    async def close(self, drain_s: float) -> None:
        """Lets what runs finish for so long, then cuts it off."""
        running = list(self._running.values())
        if running:
            await asyncio.wait(running, timeout=drain_s)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _run(self, task_id: str, upload: Upload) -> None:
        call = current_call()
        if call is not None:
            # The request is over, and its deadline with it.
            enter_call(CallContext(None, call.request_id, call.tenant, local_only=call.local_only))
        try:
            await self.ingest(upload)
        except LedgeError as error:
            log.warning("an upload failed", extra={"reason": error.reason})
        finally:
            self._busy -= 1
            del self._running[task_id]


@dataclass(slots=True)
class Slot:
    """A place for one upload."""

    kept: bool = False


async def _requests(upload: Upload) -> AsyncIterator[pb.IngestRequest]:
    yield pb.IngestRequest(config=pb.IngestConfig(collection=upload.collection))
    for document in upload.documents:
        start = pb.DocumentStart(name=document.name, size_bytes=document.file.size)
        if document.metadata:
            start.metadata.CopyFrom(struct_of(document.metadata))
        yield pb.IngestRequest(document=start)
        await document.file.seek(0)
        while piece := await document.file.read(PIECE_BYTES):
            yield pb.IngestRequest(content=piece)


def struct_of(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """Metadata as protobuf has it.

    Raises:
        InvalidInput: it nests too deeply, or holds what JSON does not.
    """
    try:
        return ParseDict(dict(values), struct_pb2.Struct())
    except (ParseError, ValueError, RecursionError) as error:
        raise InvalidInput("the metadata of a document is no JSON object, or nests too deeply") from error
