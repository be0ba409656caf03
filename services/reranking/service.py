"""RerankingService over gRPC: checks the request, asks the engine, answers best first."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from ledge.model.v1 import model_pb2
from ledge.reranking.v1 import reranking_pb2 as pb
from ledge.reranking.v1 import reranking_pb2_grpc as rpc

from services.kit import token_vectors
from services.kit.encoder.model_info import model_info
from services.kit.encoder.text import Vectors
from services.kit.errors import InvalidInput, NotFound
from services.reranking.engine import Engine, Passage, Query, Segment

MAX_PASSAGES = 1000
MAX_NAME_CHARACTERS = 96
"""Of a model's name, in an error; a status that holds megabytes does not arrive."""
MAX_SEGMENTS = 20_000
"""Of all passages of a request together."""


class RerankingService(rpc.RerankingServiceServicer):
    """Answers `Rerank` and `ListModels` for one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._model = engine.model

    def mount(self, server: Any) -> None:
        rpc.add_RerankingServiceServicer_to_server(self, server)

    def models(self) -> Sequence[model_pb2.ModelInfo]:
        return [model_info(self._model)]

    async def close(self) -> None:
        await self._engine.close()

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        return pb.ListModelsResponse(models=self.models())

    async def Rerank(self, request: pb.RerankRequest, context: Any) -> pb.RerankResponse:
        self._check(request)
        passages = [self._passage(passage, f"passage {index}") for index, passage in enumerate(request.passages)]
        scores = await self._engine.score(self._query(request), passages, truncate=request.truncate)
        order = sorted(range(len(scores)), key=lambda index: -scores[index].passage)
        if request.HasField("top_n"):
            order = order[: request.top_n]
        return pb.RerankResponse(
            model=self._model.id,
            results=[
                pb.RerankResult(
                    index=index,
                    score=scores[index].passage,
                    segment_scores=scores[index].segments,
                    relevance=self._model.relevance(scores[index].passage),
                )
                for index in order
            ],
        )

    def _check(self, request: pb.RerankRequest) -> None:
        if request.model not in ("", self._model.id):
            raise NotFound(
                f"no model {request.model[:MAX_NAME_CHARACTERS]!r} here; this service has {self._model.id!r}"
            )
        if not 1 <= len(request.passages) <= MAX_PASSAGES:
            raise InvalidInput(f"{len(request.passages)} passages; a request takes 1 to {MAX_PASSAGES}")
        segments = sum(len(passage.segments) for passage in request.passages)
        if segments > MAX_SEGMENTS:
            raise InvalidInput(f"{segments} segments; a request takes up to {MAX_SEGMENTS}")
        if request.query_weights and not request.HasField("query_vectors"):
            raise InvalidInput("query weights belong to the rows of query vectors, and there are none")
        if request.HasField("top_n") and not request.top_n:
            raise InvalidInput("top_n is 0; leave it out for all, or ask for at least 1")

    def _query(self, request: pb.RerankRequest) -> Query:
        vectors = None
        if request.HasField("query_vectors") and self._model.dimensions is not None:
            vectors = token_vectors.unpack(request.query_vectors, self._model.dimensions, "the query")
            if not len(vectors.rows):
                raise InvalidInput("the query: there is no row in its vectors")
        if vectors is None and not request.query.strip():
            raise InvalidInput("the query is empty")
        if vectors is None or not request.query_weights:
            return Query(request.query, vectors)
        return Query(request.query, vectors, _weights(request.query_weights, len(vectors.rows)))

    def _passage(self, passage: pb.Passage, name: str) -> Passage:
        if not passage.segments:
            if not passage.text.strip():
                raise InvalidInput(f"{name} is empty")
            return Passage(passage.text)
        return Passage(passage.text, [self._segment(part, name, j) for j, part in enumerate(passage.segments)])

    def _segment(self, segment: pb.Segment, passage: str, index: int) -> Segment:
        if segment.HasField("vectors") and self._model.dimensions is not None:
            name = f"{passage}, segment {index}"
            return Segment(segment.text, token_vectors.unpack(segment.vectors, self._model.dimensions, name))
        if not segment.text.strip():
            raise InvalidInput(f"{passage}, segment {index} is empty")
        return Segment(segment.text)


def _weights(given: Sequence[float], rows: int) -> Vectors:
    weights = np.array(given, np.float32)
    if len(weights) != rows:
        raise InvalidInput(f"{len(weights)} query weights for {rows} rows of query vectors")
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise InvalidInput("the query weights must be finite, not negative, and not all zero")
    return weights
