"""Stores one received document: read, encoded and written a part at a time, so that its size does not matter.

It counts as stored when its record says so, and that is written last. Old chunks of a changed document are
deleted after that, so that at no time it has none. What was cut off goes on where it stopped.
"""

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from enum import StrEnum

import grpc

from services.kit.errors import InvalidInput
from services.rag import chunk_record, document_record
from services.rag.chunk_record import Origin
from services.rag.collections import Collection
from services.rag.document import Chunk
from services.rag.document_record import DocumentRecord
from services.rag.ingest.chunking import estimated_tokens
from services.rag.ingest.passage_encoding import PassageEncoder
from services.rag.ingest.readers import Part, Readers
from services.rag.ingest.uploads import Upload
from services.rag.library import Library

BATCHES_IN_FLIGHT = 3
"""Of one document: one being encoded, one being written, one ready."""

Progress = Callable[[int, int], Awaitable[None]]
"""Told pages read and chunks stored so far."""


class Outcome(StrEnum):
    STORED = "stored"
    UNCHANGED = "unchanged"
    REPLACED = "replaced"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a document."""

    outcome: Outcome
    pages: int = 0
    chunks: int = 0
    reason: str = ""


class Storing:
    """Shared by all ingests of an event loop; documents of one name take turns.

    Args:
        batch_tokens: about how many tokens are encoded in one call.
    """

    def __init__(self, library: Library, encoder: PassageEncoder, readers: Readers, batch_tokens: int) -> None:
        self._library = library
        self._encoder = encoder
        self._readers = readers
        self._batch_tokens = batch_tokens
        self._locks: weakref.WeakValueDictionary[tuple[str, str], asyncio.Lock] = weakref.WeakValueDictionary()

    async def prepare(self, collection: Collection) -> str:
        """Makes the collection when it is not there; says how its chunks are encoded."""
        encoding, dimensions = await self._encoder.encoding()
        await self._library.create(collection, dimensions)
        return encoding

    async def create(self, collection: Collection) -> bool:
        """Makes the collection when it is not there. False: it was."""
        _, dimensions = await self._encoder.encoding()
        return await self._library.create(collection, dimensions)

    async def unchanged(self, collection: Collection, name: str, revision: str) -> Stored | None:
        """The outcome of a document that is there already as it would become; None: it has to be stored."""
        complete, pending = await self._library.find(collection, name)
        if complete is None or complete.revision != revision or pending is not None:
            return None
        return Stored(Outcome.UNCHANGED, complete.pages, complete.chunks)

    async def store(self, collection: Collection, upload: Upload, revision: str, progress: Progress) -> Stored:
        """Stores a document, or says that there is nothing to do, or that it cannot be read."""
        lock = self._locks.setdefault((collection.name, upload.name), asyncio.Lock())
        async with lock:
            complete, pending = await self._library.find(collection, upload.name)
            if complete is not None and complete.revision == revision:
                if pending is not None:
                    await self._clean_up(collection, upload.name, revision)
                return Stored(Outcome.UNCHANGED, complete.pages, complete.chunks)
            record = DocumentRecord(
                name=upload.name,
                revision=revision,
                media_type=upload.media_type,
                sha256=upload.sha256,
                size_bytes=upload.size_bytes,
                pages=0,
                chunks=0,
                ingested_at=document_record.now(),
                metadata=upload.metadata,
                complete=False,
            )
            resumed = pending is not None and pending.revision == revision
            there = await self._library.written(collection, upload.name, revision) if resumed else set()
            await self._library.write(collection, record)
            try:
                record = await self._store_chunks(collection, upload, record, there, progress)
            except InvalidInput as error:
                await self._clean_up(collection, upload.name, complete.revision if complete else "")
                return Stored(Outcome.REJECTED, reason=error.message)
            await self._library.write(collection, record)
            if complete is not None or pending is not None:
                await self._clean_up(collection, upload.name, revision)
            else:
                await self._library.delete_records(collection, upload.name, complete=False)
            outcome = Outcome.STORED if complete is None else Outcome.REPLACED
            return Stored(outcome, record.pages, record.chunks)

    async def _clean_up(self, collection: Collection, name: str, revision: str) -> None:
        """Leaves nothing of a document but one revision, and no pending record."""
        await self._library.delete_chunks(collection, name, but=revision)
        await self._library.delete_records(collection, name, complete=False)

    async def _store_chunks(
        self, collection: Collection, upload: Upload, record: DocumentRecord, there: set[str], progress: Progress
    ) -> DocumentRecord:
        origin = Origin(record.name, record.revision, record.metadata)
        pages = chunks = 0
        media_type = record.media_type
        writing: deque[asyncio.Task[int]] = deque()

        async def write(batch: list[Chunk]) -> int:
            try:
                points = await self._encoder.points(origin, batch)
                await self._library.write_chunks(collection, points)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
                    raise
                # Something in this document; it must not end the ingest of others.
                raise InvalidInput(f"it cannot be stored: {error.details()}") from error
            return len(batch)

        async def finish_oldest() -> None:
            nonlocal chunks
            chunks += await writing[0]
            writing.popleft()
            await progress(pages, chunks)

        try:
            async with aclosing(self._readers.read(upload.file, upload.name, upload.media_type)) as parts:
                async for batch, part in self._batches(parts):
                    pages, media_type = part.pages, part.media_type
                    new = [chunk for chunk in batch if origin.point_id(chunk.index) not in there]
                    chunks += len(batch) - len(new)
                    if new:
                        writing.append(asyncio.create_task(write(new)))
                    while len(writing) >= BATCHES_IN_FLIGHT:
                        await finish_oldest()
            while writing:
                await finish_oldest()
        except InvalidInput:
            # What is on its way must have arrived before it can be deleted.
            await asyncio.gather(*writing, return_exceptions=True)
            raise
        finally:
            for task in writing:
                task.cancel()
            await asyncio.gather(*writing, return_exceptions=True)
        return replace(record, pages=pages, chunks=chunks, media_type=media_type, complete=True)

    async def _batches(self, parts: AsyncIterator[Part]) -> AsyncIterator[tuple[list[Chunk], Part]]:
        """Gathers chunks into batches; the last one may be empty and tells all pages."""
        batch: list[Chunk] = []
        tokens = 0
        part = Part((), 0, "")
        async for part in parts:
            for chunk in part.chunks:
                cost = sum(estimated_tokens(chunk_record.segment_text(chunk, segment)[0]) for segment in chunk.segments)
                if batch and tokens + cost > self._batch_tokens:
                    yield batch, part
                    batch, tokens = [], 0
                batch.append(chunk)
                tokens += cost
        yield batch, part
