"""EmbeddingService over gRPC: checks the request, asks the engine, packs the vectors."""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
from ledge.embedding.v1 import embedding_pb2 as pb
from ledge.embedding.v1 import embedding_pb2_grpc as rpc
from ledge.model.v1 import model_pb2

from services.embedding.engine import Embedded, Engine, InputType
from services.kit import token_vectors
from services.kit.encoder.model_info import model_info
from services.kit.encoder.text import Truncation
from services.kit.errors import InvalidInput, NotFound

MAX_INPUTS = 2048
MAX_NAME_CHARACTERS = 96
"""Of a model's name, in an error; a status that holds megabytes does not arrive."""
INPUT_TYPES = {
    pb.INPUT_TYPE_UNSPECIFIED: InputType.PASSAGE,
    pb.QUERY: InputType.QUERY,
    pb.PASSAGE: InputType.PASSAGE,
}
TRUNCATIONS = {
    pb.TRUNCATE_UNSPECIFIED: Truncation.NONE,
    pb.NONE: Truncation.NONE,
    pb.START: Truncation.START,
    pb.END: Truncation.END,
}
ENCODINGS = {
    model_pb2.TokenVectors.ENCODING_UNSPECIFIED: token_vectors.INT8,
    model_pb2.TokenVectors.INT8: token_vectors.INT8,
    model_pb2.TokenVectors.FLOAT32: token_vectors.FLOAT32,
}
# Packing more vectors than this takes longer than going to a thread and back.
INLINE_VECTORS = 256
# What an answer takes beside its vectors: as a whole, for each text, and for the place of each token.
MESSAGE_BYTES, TEXT_BYTES, OFFSET_BYTES = 4096, 64, 10
DENSE_ONLY = pb.Outputs(dense=True)


class EmbeddingService(rpc.EmbeddingServiceServicer):
    """Answers `Embed` and `ListModels` for one engine."""

    def __init__(self, engine: Engine, max_message_bytes: int) -> None:
        self._engine = engine
        self._max_message_bytes = max_message_bytes
        self._model = engine.model

    def mount(self, server: Any) -> None:
        rpc.add_EmbeddingServiceServicer_to_server(self, server)

    def models(self) -> Sequence[model_pb2.ModelInfo]:
        return [model_info(self._model)]

    async def close(self) -> None:
        await self._engine.close()

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        return pb.ListModelsResponse(models=self.models())

    async def Embed(self, request: pb.EmbedRequest, context: Any) -> pb.EmbedResponse:
        texts = list(request.inputs)
        outputs = request.outputs if request.HasField("outputs") else DENSE_ONLY
        self._check(request, texts, outputs)
        embedded = await self._engine.embed(
            texts,
            INPUT_TYPES[request.input_type],
            TRUNCATIONS[request.truncate],
            max_token_rows=self._max_token_rows(len(texts), outputs) if outputs.tokens else None,
        )
        dimensions = request.dimensions if request.HasField("dimensions") else self._model.dimensions
        if sum(1 if one.tokens is None else len(one.tokens) for one in embedded) <= INLINE_VECTORS:
            return self._response(embedded, outputs, dimensions)
        return await asyncio.to_thread(self._response, embedded, outputs, dimensions)

    def _response(self, embedded: Sequence[Embedded], outputs: pb.Outputs, dimensions: int) -> pb.EmbedResponse:
        response = pb.EmbedResponse(model=self._model.id)
        for one in embedded:
            _pack(one, outputs, dimensions, response.embeddings.add())
            response.usage.prompt_tokens += one.token_count
        return response

    def _max_token_rows(self, texts: int, outputs: pb.Outputs) -> int:
        """How many token vectors an answer holds beside what it tells of each text."""
        element_bytes = 4 if outputs.token_encoding == token_vectors.FLOAT32 else 1
        dense_bytes = 4 * self._model.dimensions if outputs.dense else 0
        left_bytes = self._max_message_bytes - MESSAGE_BYTES - texts * (dense_bytes + TEXT_BYTES)
        return max(0, left_bytes) // (self._model.dimensions * element_bytes + OFFSET_BYTES)

    def _check(self, request: pb.EmbedRequest, texts: Sequence[str], outputs: pb.Outputs) -> None:
        if request.model not in ("", self._model.id):
            raise NotFound(
                f"no model {request.model[:MAX_NAME_CHARACTERS]!r} here; this service has {self._model.id!r}"
            )
        if not 1 <= len(texts) <= MAX_INPUTS:
            raise InvalidInput(f"{len(texts)} inputs; a request takes 1 to {MAX_INPUTS}")
        for index, text in enumerate(texts):
            if not text or text.isspace():
                raise InvalidInput(f"input {index} is empty")
        if request.HasField("dimensions") and not 1 <= request.dimensions <= self._model.dimensions:
            raise InvalidInput(f"{request.dimensions} dimensions; {self._model.id} has 1 to {self._model.dimensions}")
        if request.input_type not in INPUT_TYPES:
            raise InvalidInput(f"no input type has the number {request.input_type}")
        if request.truncate not in TRUNCATIONS:
            raise InvalidInput(f"no truncation has the number {request.truncate}")
        if outputs.token_encoding not in ENCODINGS:
            raise InvalidInput(f"no token encoding has the number {outputs.token_encoding}")
        if not (outputs.dense or outputs.tokens):
            raise InvalidInput("outputs asks for nothing: set dense, tokens or both")


def _pack(embedded: Embedded, outputs: pb.Outputs, dimensions: int, packed: pb.Embedding) -> None:
    packed.token_count = embedded.token_count
    packed.truncated = embedded.truncated
    if outputs.dense:
        packed.dense = _shortened(embedded, dimensions)
        packed.dimensions = dimensions
    if embedded.tokens is not None:
        packed.tokens.CopyFrom(token_vectors.pack(embedded.tokens, ENCODINGS[outputs.token_encoding]))
        packed.token_offsets.extend(place for offsets in embedded.offsets for place in offsets)


def _shortened(embedded: Embedded, dimensions: int) -> bytes:
    dense = embedded.dense
    if dimensions < len(dense):
        dense = dense[:dimensions]
        # Of a unit vector's few first elements nothing may be left to normalise.
        dense = dense / max(float(np.linalg.norm(dense)), 1e-12)
    return dense.astype("<f4", copy=False).tobytes()
