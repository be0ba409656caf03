"""The gRPC face of retrieval: checks, hands to the engine, answers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeVar

from ledge.model.v1 import model_pb2
from ledge.retrieval.v1 import retrieval_pb2 as pb
from ledge.retrieval.v1 import retrieval_pb2_grpc as rpc

from services.kit.errors import InvalidInput
from services.retrieval import answers, messages
from services.retrieval.engine import Engine, Point
from services.retrieval.lane import Lane

Response = TypeVar("Response", pb.SearchResponse, pb.ScrollResponse)
PAGE_TOKEN_BYTES = 64
"""More than a token takes in a page."""
WRITE_THREADS = 4
"""Writes to one collection wait for each other; so many may wait before another collection has to."""


class RetrievalService(rpc.RetrievalServiceServicer):
    """Handlers over one engine. Reads and writes queue apart, so that an ingest never holds up a search."""

    def __init__(self, engine: Engine, search_threads: int, max_waiting_calls: int, most_answer_bytes: int) -> None:
        self._engine = engine
        self._most_answer_bytes = most_answer_bytes
        self._reads = Lane("retrieval-read", search_threads, max_waiting_calls)
        self._writes = Lane("retrieval-write", WRITE_THREADS, max_waiting_calls)

    def mount(self, server: Any) -> None:
        rpc.add_RetrievalServiceServicer_to_server(self, server)

    def models(self) -> Sequence[model_pb2.ModelInfo]:
        return [model_pb2.ModelInfo(id="bm25", engine=self._engine.name)]

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._writes.close()
        self._reads.close()
        self._engine.close()

    async def CreateCollection(self, request: pb.CreateCollectionRequest, _context: Any) -> pb.CreateCollectionResponse:
        name = messages.new_name(request.name)
        dimensions = messages.new_dimensions(request.dimensions)
        created = await self._writes.run(self._engine.create_collection, name, dimensions)
        return pb.CreateCollectionResponse(created=created)

    async def ListCollections(self, _request: pb.ListCollectionsRequest, _context: Any) -> pb.ListCollectionsResponse:
        found = await self._reads.run(self._engine.collections)
        return pb.ListCollectionsResponse(
            collections=[
                pb.Collection(name=each.name, dimensions=each.dimensions, points=each.points) for each in found
            ]
        )

    async def DeleteCollection(self, request: pb.DeleteCollectionRequest, _context: Any) -> pb.DeleteCollectionResponse:
        await self._writes.run(self._engine.delete_collection, request.name)
        return pb.DeleteCollectionResponse()

    async def Upsert(self, requests: AsyncIterator[pb.UpsertRequest], _context: Any) -> pb.UpsertResponse:
        collection = ""
        dimensions = written = 0
        async for request in requests:
            if not dimensions:
                collection = request.collection
                dimensions = self._engine.dimensions(collection)
            elif request.collection:
                raise InvalidInput("collection: only the first message names it")
            if len(request.points) > messages.MAX_POINTS_A_MESSAGE:
                raise InvalidInput(f"points: more than {messages.MAX_POINTS_A_MESSAGE} in a message")
            if request.points:
                await self._writes.run(self._write, collection, request, dimensions)
                written += len(request.points)
        if not dimensions:
            raise InvalidInput("collection: no message names it")
        return pb.UpsertResponse(written=written)

    def _write(self, collection: str, request: pb.UpsertRequest, dimensions: int) -> None:
        self._engine.upsert(collection, messages.points_of(request.points, dimensions))

    async def Delete(self, request: pb.DeleteRequest, _context: Any) -> pb.DeleteResponse:
        ids = messages.ids_of(request.ids)
        filter = messages.filter_of(request.filter)
        if not ids and filter.is_empty():
            raise InvalidInput("a deletion needs ids, a filter, or both")
        deleted = await self._writes.run(
            self._engine.delete, request.collection, ids, None if filter.is_empty() else filter
        )
        return pb.DeleteResponse(deleted=deleted)

    async def Search(self, request: pb.SearchRequest, _context: Any) -> pb.SearchResponse:
        return await self._reads.run(self._search, request)

    def _search(self, request: pb.SearchRequest) -> pb.SearchResponse:
        query = messages.query_of(request, self._engine.dimensions(request.collection))
        hits = self._engine.search(request.collection, query)
        response = pb.SearchResponse()
        for hit in hits:
            answers.write_hit(hit, response.hits.add())
        return self._fitting(response, [hit.point for hit in hits])

    async def Scroll(self, request: pb.ScrollRequest, _context: Any) -> pb.ScrollResponse:
        return await self._reads.run(self._scroll, request)

    def _scroll(self, request: pb.ScrollRequest) -> pb.ScrollResponse:
        points, following = self._engine.scroll(
            request.collection,
            messages.filter_of(request.filter),
            messages.limit_of(request.limit if request.HasField("limit") else 100),
            messages.start_of(request.page_token),
            messages.selection_of(request.selection if request.HasField("selection") else None),
        )
        response = pb.ScrollResponse(next_page_token=following or "")
        for point in points:
            answers.write_point(point, response.points.add())
        return self._fitting(response, points)

    def _fitting(self, response: Response, points: Sequence[Point]) -> Response:
        """The response, where it is no larger than a message may be."""
        if sum(map(answers.most_bytes, points)) + PAGE_TOKEN_BYTES <= self._most_answer_bytes:
            return response
        if (size_bytes := response.ByteSize()) > self._most_answer_bytes:
            raise InvalidInput(
                f"the answer takes {size_bytes} bytes, more than the {self._most_answer_bytes} of a message: "
                "lower the limit, or select less"
            )
        return response

    async def Count(self, request: pb.CountRequest, _context: Any) -> pb.CountResponse:
        filter = messages.filter_of(request.filter)
        return pb.CountResponse(points=await self._reads.run(self._engine.count, request.collection, filter))

    async def CountTerms(self, request: pb.CountTermsRequest, _context: Any) -> pb.CountTermsResponse:
        if len(request.text) > messages.MAX_QUERY_CHARACTERS:
            raise InvalidInput(f"text: longer than {messages.MAX_QUERY_CHARACTERS} characters")
        terms, points = await self._reads.run(self._engine.count_terms, request.collection, request.text)
        counts = [pb.TermCount(word=each.word, term=each.term, points=each.points) for each in terms]
        return pb.CountTermsResponse(terms=counts, points=points)
