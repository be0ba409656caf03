"""Translates ledge.rag.v1: protobuf in, documents and answers out."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from ledge.model.v1 import model_pb2
from ledge.rag.v1 import rag_pb2 as pb
from ledge.rag.v1 import rag_pb2_grpc as rpc

from services.kit.errors import InvalidInput
from services.rag.agent import Agent
from services.rag.answer.asked import Reader
from services.rag.collections import collection
from services.rag.ingest.ingester import Ingester
from services.rag.ingest.readers import Readers
from services.rag.library import Library
from services.rag.peers import Peers

MAX_LISTED = 1000
DEFAULT_LISTED = 100


class RagService(rpc.RagServiceServicer):
    """The handlers. Everything they hold is shared by all calls."""

    def __init__(
        self, peers: Peers, readers: Readers, library: Library, ingester: Ingester, agent: Agent, reader: Reader
    ) -> None:
        self._peers = peers
        self._readers = readers
        self._library = library
        self._ingester = ingester
        self._agent = agent
        self._reader = reader

    async def Ingest(
        self, request_iterator: AsyncIterator[pb.IngestRequest], context: Any
    ) -> AsyncIterator[pb.IngestResponse]:
        async with aclosing(self._ingester.ingest(request_iterator)) as events:
            async for event in events:
                yield event

    async def ListDocuments(self, request: pb.ListDocumentsRequest, context: Any) -> pb.ListDocumentsResponse:
        limit = request.limit if request.HasField("limit") else DEFAULT_LISTED
        if not 1 <= limit <= MAX_LISTED:
            raise InvalidInput(f"limit is 1 to {MAX_LISTED}")
        records, next_page_token = await self._library.page(collection(request.collection), limit, request.page_token)
        documents = [
            pb.Document(
                name=record.name,
                media_type=record.media_type,
                sha256=record.sha256,
                size_bytes=record.size_bytes,
                pages=record.pages,
                chunks=record.chunks,
                ingested_at=record.ingested_at,
                metadata=record.metadata if record.metadata.fields else None,
            )
            for record in records
        ]
        return pb.ListDocumentsResponse(documents=documents, next_page_token=next_page_token)

    async def DeleteDocument(self, request: pb.DeleteDocumentRequest, context: Any) -> pb.DeleteDocumentResponse:
        if not request.name:
            raise InvalidInput("which document? `name` is empty")
        return pb.DeleteDocumentResponse(
            chunks=await self._library.delete(collection(request.collection), request.name)
        )

    async def CreateCollection(self, request: pb.CreateCollectionRequest, context: Any) -> pb.CreateCollectionResponse:
        return pb.CreateCollectionResponse(created=await self._ingester.create(collection(request.name)))

    async def ListCollections(self, request: pb.ListCollectionsRequest, context: Any) -> pb.ListCollectionsResponse:
        held = await self._library.collections()
        return pb.ListCollectionsResponse(
            collections=[pb.Collection(name=it.name, documents=it.documents, chunks=it.chunks) for it in held]
        )

    async def DeleteCollection(self, request: pb.DeleteCollectionRequest, context: Any) -> pb.DeleteCollectionResponse:
        if not request.name:
            raise InvalidInput("which collection? `name` is empty")
        await self._library.drop(collection(request.name))
        return pb.DeleteCollectionResponse()

    async def Search(self, request: pb.SearchRequest, context: Any) -> pb.SearchResponse:
        found, degraded = await self._agent.search(self._reader.search(request))
        return pb.SearchResponse(passages=found, degraded=degraded)

    async def Answer(self, request: pb.AnswerRequest, context: Any) -> AsyncIterator[pb.AnswerResponse]:
        async with aclosing(self._agent.answer(self._reader.answer(request))) as events:
            async for event in events:
                yield event

    def mount(self, server: Any) -> None:
        rpc.add_RagServiceServicer_to_server(self, server)

    def models(self) -> Sequence[model_pb2.ModelInfo]:
        return ()

    async def close(self) -> None:
        await self._readers.close()
        await self._peers.close()
