"""Serves one stream of documents: receives the next while earlier ones are stored, reports each.

requests ──► uploads (files) ──► storing (a task a document) ──► events
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field

from ledge.rag.v1 import rag_pb2 as pb

from services.kit.errors import InvalidInput
from services.rag.collections import Collection, collection
from services.rag.document_record import revision
from services.rag.ingest.storing import Outcome, Stored, Storing
from services.rag.ingest.uploads import MAX_CONTENT_BYTES, Upload, check_start, new_upload, next_request

MAX_EVENTS = 64
_OUTCOMES = {
    Outcome.STORED: pb.DocumentResult.STORED,
    Outcome.UNCHANGED: pb.DocumentResult.UNCHANGED,
    Outcome.REPLACED: pb.DocumentResult.REPLACED,
    Outcome.REJECTED: pb.DocumentResult.REJECTED,
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What ingests may take."""

    document_bytes: int
    documents_in_flight: int
    """Being received or stored at a time, over all calls."""
    idle_s: float
    """Longest wait for the client's next message in the middle of a document."""


class Ingester:
    """Shared by all ingests of an event loop."""

    def __init__(self, storing: Storing, limits: Limits) -> None:
        self._storing = storing
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.documents_in_flight)

    async def create(self, collection: Collection) -> bool:
        """Makes the collection when it is not there. False: it was."""
        return await self._storing.create(collection)

    async def ingest(self, requests: AsyncIterator[pb.IngestRequest]) -> AsyncGenerator[pb.IngestResponse]:
        """Serves one stream.

        Raises:
            InvalidInput: the stream breaks the contract. A bad document does not: it is reported and left out.
            TooSlow: the client stopped in the middle of a document.
            Whatever a peer answered, when it fails.
        """
        events: asyncio.Queue[pb.IngestResponse] = asyncio.Queue(MAX_EVENTS)
        stream = _Stream(self._storing, self._limits, self._slots, events)
        running = asyncio.create_task(stream.run(requests))
        next_event = asyncio.create_task(events.get())
        try:
            while not running.done() or next_event.done():
                await asyncio.wait((next_event, running), return_when=asyncio.FIRST_COMPLETED)
                if next_event.done():
                    event = next_event.result()
                    next_event = asyncio.create_task(events.get())
                    yield event
            next_event.cancel()
            while not events.empty():
                yield events.get_nowait()
            await running
        except BaseExceptionGroup as group:
            raise _first(group) from None
        finally:
            for task in (running, next_event):
                task.cancel()
            await asyncio.gather(running, next_event, return_exceptions=True)


@dataclass(slots=True)
class _Stream:
    """The state of one stream."""

    storing: Storing
    limits: Limits
    slots: asyncio.Semaphore
    events: "asyncio.Queue[pb.IngestResponse]"
    collection: Collection = field(init=False)
    encoding: str = field(init=False)
    upload: Upload | None = None
    """The document being received. None: none was begun, or its content is not wanted."""
    begun: bool = False
    expected_sha256: bytes = b""
    summary: pb.IngestSummary = field(default_factory=pb.IngestSummary)

    async def run(self, requests: AsyncIterator[pb.IngestRequest]) -> None:
        first = await next_request(requests, None)
        if first is None or first.WhichOneof("request") != "config":
            raise InvalidInput("the first message must be `config`")
        self.collection = collection(first.config.collection)
        self.encoding = await self.storing.prepare(self.collection)
        try:
            async with asyncio.TaskGroup() as group:
                while request := await next_request(requests, self.limits.idle_s if self.upload else None):
                    match request.WhichOneof("request"):
                        case "document":
                            self._hand_over(group)
                            await self._begin(request.document)
                        case "content":
                            await self._receive(request.content)
                        case "config":
                            raise InvalidInput("`config` is the first message, and only the first")
                        case _:
                            raise InvalidInput("a message holds neither `document` nor `content`")
                self._hand_over(group)
        finally:
            self._drop()
        await self.events.put(pb.IngestResponse(summary=self.summary))

    async def _begin(self, start: pb.DocumentStart) -> None:
        check_start(start)
        self.begun = True
        self.expected_sha256 = start.sha256
        known = self._refused(start.size_bytes)
        if known is None and start.sha256:
            known = await self.storing.unchanged(self.collection, start.name, self._revision(start, start.sha256))
        if known is None:
            await self.slots.acquire()
            self.upload = new_upload(start)
        if start.sha256:
            wanted = pb.DocumentWanted(name=start.name, wanted=known is None)
            await self.events.put(pb.IngestResponse(wanted=wanted))
        if known is not None:
            await self._report(start.name, known)

    async def _receive(self, content: bytes) -> None:
        if not self.begun:
            raise InvalidInput("`content` came before any `document`")
        if len(content) > MAX_CONTENT_BYTES:
            raise InvalidInput(f"a `content` message is at most {MAX_CONTENT_BYTES} bytes")
        if self.upload is None:
            return
        refused = self._refused(self.upload.size_bytes + len(content))
        if refused is not None:
            name = self.upload.name
            self._drop()
            await self._report(name, refused)
        else:
            self.upload.write(content)

    def _refused(self, size_bytes: int) -> Stored | None:
        if size_bytes <= self.limits.document_bytes:
            return None
        reason = f"it is larger than {self.limits.document_bytes} bytes (LEDGE_MAX_DOCUMENT_BYTES)"
        return Stored(Outcome.REJECTED, reason=reason)

    def _revision(self, document: pb.DocumentStart | Upload, sha256: bytes) -> str:
        return revision(sha256, document.metadata, document.media_type, self.encoding)

    def _drop(self) -> None:
        """Forgets the document being received."""
        if self.upload is not None:
            self.upload.close()
            self.upload = None
            self.slots.release()

    def _hand_over(self, group: asyncio.TaskGroup) -> None:
        """The document being received is complete: stores it beside the stream."""
        if self.upload is not None:
            group.create_task(self._store(self.upload, self.expected_sha256))
            self.upload = None

    async def _store(self, upload: Upload, expected_sha256: bytes) -> None:
        async def progress(pages: int, chunks: int) -> None:
            told = pb.IngestProgress(name=upload.name, pages=pages, chunks=chunks)
            await self.events.put(pb.IngestResponse(progress=told))

        try:
            upload.finish()
            if expected_sha256 and upload.sha256 != expected_sha256:
                reason = "its content is not what its SHA-256 promised; was it changed while it was sent?"
                stored = Stored(Outcome.REJECTED, reason=reason)
            elif not upload.size_bytes:
                stored = Stored(Outcome.REJECTED, reason="the file is empty")
            else:
                stored = await self.storing.store(
                    self.collection, upload, self._revision(upload, upload.sha256), progress
                )
            await self._report(upload.name, stored)
        finally:
            upload.close()
            self.slots.release()

    async def _report(self, name: str, stored: Stored) -> None:
        result = pb.DocumentResult(
            name=name,
            outcome=_OUTCOMES[stored.outcome],
            reason=stored.reason,
            pages=stored.pages,
            chunks=stored.chunks,
        )
        summary = self.summary
        match stored.outcome:
            case Outcome.STORED:
                summary.stored += 1
            case Outcome.UNCHANGED:
                summary.unchanged += 1
            case Outcome.REPLACED:
                summary.replaced += 1
            case Outcome.REJECTED:
                summary.rejected += 1
        summary.pages += stored.pages
        summary.chunks += stored.chunks
        await self.events.put(pb.IngestResponse(result=result))


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended the others."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
