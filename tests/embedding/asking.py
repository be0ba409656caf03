"""Short ways to ask an embedding service, and to read what it answers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from ledge.embedding.v1 import embedding_pb2 as pb
from ledge.embedding.v1 import embedding_pb2_grpc as rpc
from numpy.typing import NDArray

from services.kit.token_vectors import unpack

TOKENS = pb.Outputs(dense=True, tokens=True)


def dense(embedding: pb.Embedding) -> NDArray[np.float32]:
    return np.frombuffer(embedding.dense, "<f4")


def token_rows(embedding: pb.Embedding) -> NDArray[np.float32]:
    return unpack(embedding.tokens, embedding.tokens.dimensions, "the answer").to_float32()


async def embed(stub: rpc.EmbeddingServiceStub, texts: Sequence[str], **fields: Any) -> pb.EmbedResponse:
    response: pb.EmbedResponse = await stub.Embed(pb.EmbedRequest(inputs=texts, **fields))
    return response


async def vectors(stub: rpc.EmbeddingServiceStub, texts: Sequence[str], **fields: Any) -> NDArray[np.float32]:
    """The dense vectors, one a row."""
    return np.stack([dense(one) for one in (await embed(stub, texts, **fields)).embeddings])
