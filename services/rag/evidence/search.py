"""Finds passages: the question encoded, searched in every collection, and the hits reranked.

    encode ∥ count terms  ─►  search each collection  ─►  rerank (token vectors come with the hits)

A reranker that fails is done without: the passages then stay in the order of retrieval. Any other failure
passes through with its own status.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import grpc
import numpy as np
from ledge.embedding.v1 import embedding_pb2
from ledge.model.v1 import model_pb2
from ledge.rag.v1 import rag_pb2 as pb
from ledge.reranking.v1 import reranking_pb2
from ledge.retrieval.v1 import retrieval_pb2
from numpy.typing import NDArray

from services.kit.errors import step
from services.rag.chunk_record import WITH_SEGMENTS, WITHOUT_SEGMENTS, StoredChunk, from_point
from services.rag.collections import Collection
from services.rag.evidence.courtesies import bare
from services.rag.evidence.found import Found
from services.rag.evidence.question import Question, token_weights, understand
from services.rag.evidence.soft_coverage import SoughtWords, sought_words
from services.rag.peers import Peers
from services.rag.words import Words

OUTAGE_S = 2.0
"""How long a reranker that failed is left alone, so that questions do not wait for it one after the other."""
RERANK_TIMEOUT_S = 5.0
"""How long a reranker may take for the passages of one question before it is done without."""
_DONE_WITHOUT = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.UNKNOWN,
    }
)


@dataclass(frozen=True, slots=True)
class Scope:
    """Where and how to search."""

    collections: tuple[Collection, ...]
    filter: retrieval_pb2.Filter | None
    mode: "pb.RetrievalMode"

    @property
    def is_dense(self) -> bool:
        return bool(self.mode != pb.TEXT)

    @property
    def is_text(self) -> bool:
        return bool(self.mode != pb.DENSE)

    @property
    def is_reranked(self) -> bool:
        return self.mode in (pb.RETRIEVAL_MODE_UNSPECIFIED, pb.HYBRID_RERANKED)


@dataclass(frozen=True, slots=True)
class Query:
    """A question, encoded."""

    question: Question
    dense: bytes
    """Little-endian float32, length 1."""
    tokens: model_pb2.TokenVectors
    token_weights: Sequence[float]
    sought: SoughtWords
    model: str
    """Id of the encoder."""

    def vector(self) -> NDArray[np.float32]:
        return np.frombuffer(self.dense, "<f4")


class Search:
    """The steps of a search. Share it among all calls."""

    def __init__(self, peers: Peers, words: Words, clock: Callable[[], float] = time.monotonic) -> None:
        self._peers = peers
        self._words = words
        self._clock = clock
        self._rerank_after_s = 0.0

    async def encode(self, text: str, scope: Scope, asked_last: str | None = None) -> Query:
        """The question's vectors, and how rare its words are in the collections; see `understand`. Courtesies do not
        count."""
        text, asked_last = bare(text), bare(asked_last) if asked_last else asked_last
        embedding, counted = await asyncio.gather(self._embed(text), self._count_terms(text, scope.collections))
        counts, points = counted
        question = understand(text, self._words, counts, points, asked_last)
        encoded = embedding.embeddings[0]
        return Query(
            question,
            encoded.dense,
            encoded.tokens,
            token_weights(question, encoded.token_offsets),
            sought_words(question, encoded.tokens, encoded.token_offsets),
            embedding.model,
        )

    async def _embed(self, text: str) -> embedding_pb2.EmbedResponse:
        request = embedding_pb2.EmbedRequest(
            inputs=[text],
            input_type=embedding_pb2.QUERY,
            truncate=embedding_pb2.END,
            outputs=embedding_pb2.Outputs(dense=True, tokens=True),
        )
        with step("embedding"):
            response: embedding_pb2.EmbedResponse = await self._peers.embedding.Embed(request)
        return response

    async def _count_terms(self, text: str, collections: Sequence[Collection]) -> tuple[Counter[str], int]:
        with step("retrieval"):
            responses = await asyncio.gather(
                *(
                    self._peers.retrieval.CountTerms(
                        retrieval_pb2.CountTermsRequest(collection=collection.chunks, text=text)
                    )
                    for collection in collections
                )
            )
        counts: Counter[str] = Counter()
        for response in responses:
            counts.update({term.word: term.points for term in response.terms})
        return counts, sum(response.points for response in responses)

    async def retrieve(self, query: Query, scope: Scope, limit: int, *, with_segments: bool = True) -> list[Found]:
        """The best `limit` passages of all collections together, in the order of retrieval."""
        with step("retrieval"):
            responses = await asyncio.gather(
                *(
                    self._peers.retrieval.Search(
                        retrieval_pb2.SearchRequest(
                            collection=collection.chunks,
                            vector=query.dense if scope.is_dense else b"",
                            text=query.question.text if scope.is_text else "",
                            limit=limit,
                            filter=scope.filter,
                            selection=WITH_SEGMENTS if with_segments else WITHOUT_SEGMENTS,
                        )
                    )
                    for collection in scope.collections
                )
            )
        found = [
            Found(collection.name, from_point(hit.point), hit.score, hit.cosine)
            for collection, response in zip(scope.collections, responses, strict=True)
            for hit in response.hits
        ]
        if len(responses) > 1:
            found.sort(key=lambda passage: -passage.score)
        return found[:limit]

    async def rerank(self, query: Query, found: Sequence[Found]) -> list[Found] | None:
        """The passages best first, scored whole and by segments; None when they must be taken as they are."""
        if not found or self._clock() < self._rerank_after_s:
            return None if found else []
        request = reranking_pb2.RerankRequest(
            query=query.question.text,
            query_vectors=query.tokens,
            query_weights=query.token_weights,
            truncate=True,
        )
        for passage in found:
            _write(passage.chunk, request.passages.add())
        try:
            async with asyncio.timeout(RERANK_TIMEOUT_S):
                with step("reranking"):
                    response = await self._peers.reranking.Rerank(request)
        except TimeoutError:
            self._rerank_after_s = self._clock() + OUTAGE_S
            return None
        except grpc.aio.AioRpcError as error:
            if error.code() not in _DONE_WITHOUT:
                raise
            self._rerank_after_s = self._clock() + OUTAGE_S
            return None
        return [
            Found(
                found[result.index].collection,
                found[result.index].chunk,
                result.score,
                found[result.index].cosine,
                result.segment_scores,
            )
            for result in response.results
        ]


def _write(chunk: StoredChunk, passage: reranking_pb2.Passage) -> None:
    """Filled in where it is sent from: a message that is put into another is copied, vectors and all."""
    passage.text = chunk.body
    for segment in chunk.segments:
        told = passage.segments.add(text=chunk.body[segment.start : segment.end])
        chunk.write_token_vectors(segment, told.vectors)
