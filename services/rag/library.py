"""The documents of a collection as `retrieval` keeps them: found, listed, written, deleted. Holds nothing itself."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

import grpc
from ledge.retrieval.v1 import retrieval_pb2

from services.kit.errors import NotFound, step
from services.rag import document_record
from services.rag.collections import Collection, field_is
from services.rag.document_record import DocumentRecord
from services.rag.patience import patiently
from services.rag.peers import Peers

_SCROLL_POINTS = 1000
_COMPLETE = retrieval_pb2.Filter(must=[field_is("state", "complete")])


@dataclass(frozen=True, slots=True)
class Holdings:
    """A collection, and how much is in it."""

    name: str
    documents: int
    """Those that are wholly stored."""
    chunks: int


class Library:
    """Shared by all calls."""

    def __init__(self, peers: Peers) -> None:
        self._retrieval = peers.retrieval

    async def create(self, collection: Collection, dimensions: int) -> bool:
        """Makes the collection when it is not there. False: it was."""
        created = False
        for name, length in ((collection.chunks, dimensions), (collection.documents, document_record.DIMENSIONS)):
            request = retrieval_pb2.CreateCollectionRequest(name=name, dimensions=length)
            with step("retrieval"):
                created = (await self._retrieval.CreateCollection(request)).created
        return created

    async def collections(self) -> list[Holdings]:
        """Every collection of documents, in the order of names."""
        with step("retrieval"):
            response = await self._retrieval.ListCollections(retrieval_pb2.ListCollectionsRequest())
        points = {found.name: found.points for found in response.collections}
        return [
            Holdings(name, await self._complete(found), points[name])
            for name in points
            if (found := Collection(name)).documents in points
        ]

    async def _complete(self, collection: Collection) -> int:
        request = retrieval_pb2.CountRequest(collection=collection.documents, filter=_COMPLETE)
        try:
            with step("retrieval"):
                return int((await self._retrieval.Count(request)).points)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                # Deleted since it was listed.
                return 0
            raise

    async def drop(self, collection: Collection) -> None:
        """Removes a collection with all its documents.

        Raises:
            NotFound: no such collection.
        """
        missing = 0
        # Records first: a document whose record outlived its chunks would pass for stored.
        for name in (collection.documents, collection.chunks):
            try:
                with step("retrieval"):
                    await self._retrieval.DeleteCollection(retrieval_pb2.DeleteCollectionRequest(name=name))
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.NOT_FOUND:
                    raise
                missing += 1
        if missing == 2:
            raise NotFound(f"there is no collection {collection.name!r}")

    async def find(self, collection: Collection, name: str) -> tuple[DocumentRecord | None, DocumentRecord | None]:
        """The complete record of a document and its pending one, where there are such."""
        request = retrieval_pb2.ScrollRequest(
            collection=collection.documents,
            filter=retrieval_pb2.Filter(must=[field_is("document", name)]),
            limit=2,
            selection=retrieval_pb2.Selection(metadata=True),
        )
        with step("retrieval"):
            points = (await self._retrieval.Scroll(request)).points
        records = {record.complete: record for record in map(document_record.from_point, points)}
        return records.get(True), records.get(False)

    async def write(self, collection: Collection, record: DocumentRecord) -> None:
        await self._upsert(collection.documents, [document_record.to_point(record)])

    async def write_chunks(self, collection: Collection, points: Sequence[retrieval_pb2.Point]) -> None:
        """Durable when it returns."""
        await self._upsert(collection.chunks, points)

    async def _upsert(self, name: str, points: Sequence[retrieval_pb2.Point]) -> None:
        async def requests() -> AsyncIterator[retrieval_pb2.UpsertRequest]:
            yield retrieval_pb2.UpsertRequest(collection=name)
            yield retrieval_pb2.UpsertRequest(points=points)

        with step("retrieval"):
            await patiently(lambda: self._retrieval.Upsert(requests()))

    async def written(self, collection: Collection, name: str, revision: str) -> set[str]:
        """Ids of the chunks that are there of one revision of a document."""
        ids: set[str] = set()
        request = retrieval_pb2.ScrollRequest(
            collection=collection.chunks,
            filter=retrieval_pb2.Filter(must=[field_is("document", name), field_is("revision", revision)]),
            limit=_SCROLL_POINTS,
            selection=retrieval_pb2.Selection(),
        )
        while True:
            with step("retrieval"):
                response = await self._retrieval.Scroll(request)
            ids.update(point.id for point in response.points)
            if not response.next_page_token:
                return ids
            request.page_token = response.next_page_token

    async def delete_chunks(
        self, collection: Collection, name: str, *, of: str | None = None, but: str | None = None
    ) -> int:
        """Deletes chunks of a document: those of one revision, those of all others but one, or all. Says how many."""
        condition = retrieval_pb2.Filter(must=[field_is("document", name)])
        if of is not None:
            condition.must.append(field_is("revision", of))
        if but is not None:
            condition.must_not.append(field_is("revision", but))
        request = retrieval_pb2.DeleteRequest(collection=collection.chunks, filter=condition)
        with step("retrieval"):
            return int((await self._retrieval.Delete(request)).deleted)

    async def delete_records(self, collection: Collection, name: str, *, complete: bool = True) -> int:
        """Deletes the pending record of a document and, unless told otherwise, the complete one."""
        ids = [document_record.record_id(name, complete=False)]
        if complete:
            ids.append(document_record.record_id(name, complete=True))
        with step("retrieval"):
            response = await self._retrieval.Delete(
                retrieval_pb2.DeleteRequest(collection=collection.documents, ids=ids)
            )
        return int(response.deleted)

    async def delete(self, collection: Collection, name: str) -> int:
        """Removes a document and says how many chunks it had.

        Raises:
            NotFound: no such document or collection.
        """
        try:
            # Chunks first: what is interrupted here is still listed, and can be deleted again.
            chunks = await self.delete_chunks(collection, name)
            records = await self.delete_records(collection, name)
        except grpc.aio.AioRpcError as error:
            _no_collection(error, collection)
        if not chunks and not records:
            raise NotFound(f"there is no document {name!r} in the collection {collection.name!r}")
        return chunks

    async def page(self, collection: Collection, limit: int, page_token: str) -> tuple[list[DocumentRecord], str]:
        """Complete documents, page by page, and the token of the next page.

        Raises:
            NotFound: no such collection.
        """
        request = retrieval_pb2.ScrollRequest(
            collection=collection.documents,
            filter=_COMPLETE,
            limit=limit,
            page_token=page_token,
            selection=retrieval_pb2.Selection(metadata=True),
        )
        try:
            with step("retrieval"):
                response = await self._retrieval.Scroll(request)
        except grpc.aio.AioRpcError as error:
            _no_collection(error, collection)
        return list(map(document_record.from_point, response.points)), response.next_page_token


def _no_collection(error: grpc.aio.AioRpcError, collection: Collection) -> NoReturn:
    if error.code() is grpc.StatusCode.NOT_FOUND:
        raise NotFound(f"there is no collection {collection.name!r}") from error
    raise error
