"""EmbeddingService over gRPC: checks the request, asks the engine, packs the vectors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from ledge.embedding.v1 import embedding_pb2 as pb
from ledge.embedding.v1 import embedding_pb2_grpc as rpc
from ledge.model.v1 import model_pb2

from services.embedding.engine import Embedded, Engine, InputType
from services.kit import token_vectors
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
DENSE_ONLY = pb.Outputs(dense=True)


class EmbeddingService(rpc.EmbeddingServiceServicer):
    """Answers `Embed` and `ListModels` for one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._model = engine.model

    def mount(self, server: Any) -> None:
        rpc.add_EmbeddingServiceServicer_to_server(self, server)

    def models(self) -> Sequence[model_pb2.ModelInfo]:
        model = self._model
        info = model_pb2.ModelInfo(
            id=model.id,
            engine=model.engine,
            licence=model.licence,
            max_context_tokens=model.max_tokens,
            dimensions=model.dimensions,
        )
        if model.commercial_use is not None:
            info.commercial_use = model.commercial_use
        return [info]

    async def close(self) -> None:
        await self._engine.close()

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        return pb.ListModelsResponse(models=self.models())

    async def Embed(self, request: pb.EmbedRequest, context: Any) -> pb.EmbedResponse:
        outputs = request.outputs if request.HasField("outputs") else DENSE_ONLY
        self._check(request, outputs)
        embedded = await self._engine.embed(
            request.inputs, INPUT_TYPES[request.input_type], TRUNCATIONS[request.truncate], tokens=outputs.tokens
        )
        dimensions = request.dimensions if request.HasField("dimensions") else self._model.dimensions
        return pb.EmbedResponse(
            model=self._model.id,
            embeddings=[_packed(one, outputs, dimensions) for one in embedded],
            usage=pb.Usage(prompt_tokens=sum(one.token_count for one in embedded)),
        )

    def _check(self, request: pb.EmbedRequest, outputs: pb.Outputs) -> None:
        if request.model not in ("", self._model.id):
            raise NotFound(
                f"no model {request.model[:MAX_NAME_CHARACTERS]!r} here; this service has {self._model.id!r}"
            )
        if not 1 <= len(request.inputs) <= MAX_INPUTS:
            raise InvalidInput(f"{len(request.inputs)} inputs; a request takes 1 to {MAX_INPUTS}")
        for index, text in enumerate(request.inputs):
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


def _packed(embedded: Embedded, outputs: pb.Outputs, dimensions: int) -> pb.Embedding:
    packed = pb.Embedding(token_count=embedded.token_count, truncated=embedded.truncated)
    if outputs.dense:
        packed.dense = _shortened(embedded, dimensions)
        packed.dimensions = dimensions
    if embedded.tokens is not None:
        packed.tokens.CopyFrom(token_vectors.pack(embedded.tokens, ENCODINGS[outputs.token_encoding]))
        packed.token_offsets.extend(place for offsets in embedded.offsets for place in offsets)
    return packed


def _shortened(embedded: Embedded, dimensions: int) -> bytes:
    dense = embedded.dense
    if dimensions < len(dense):
        dense = dense[:dimensions]
        # Of a unit vector's few first elements nothing may be left to normalise.
        dense = dense / max(float(np.linalg.norm(dense)), 1e-12)
    return dense.astype("<f4", copy=False).tobytes()
