"""Prefixes that a model was trained with are put before texts by their type, and stay invisible to the caller."""

from collections.abc import AsyncIterator

import grpc
import numpy as np
import pytest
from ledge.embedding.v1 import embedding_pb2 as pb
from ledge.embedding.v1 import embedding_pb2_grpc as rpc

from tests.embedding.asking import TOKENS, embed, token_rows, vectors
from tests.processes import service


@pytest.fixture(params=["scripted", "ctranslate2"])
async def prefixed(request: pytest.FixtureRequest) -> AsyncIterator[rpc.EmbeddingServiceStub]:
    if request.param == "ctranslate2":
        pytest.importorskip("ctranslate2")
    with service("embedding", LEDGE_ENGINE=request.param, LEDGE_QUERY_PREFIX="query: ") as process:
        async with grpc.aio.insecure_channel(process.address) as channel:
            yield rpc.EmbeddingServiceStub(channel)


async def test_a_query_is_read_with_its_prefix_and_a_passage_without(prefixed: rpc.EmbeddingServiceStub) -> None:
    (query,) = await vectors(prefixed, ["the pump house"], input_type=pb.QUERY)
    passage, spelled_out = await vectors(prefixed, ["the pump house", "query: the pump house"], input_type=pb.PASSAGE)
    np.testing.assert_allclose(query, spelled_out, atol=1e-4)
    assert query @ passage < 0.999


async def test_the_prefix_has_no_rows_and_moves_no_offset(prefixed: rpc.EmbeddingServiceStub) -> None:
    text = "the pump house"
    (one,) = (await embed(prefixed, [text], input_type=pb.QUERY, outputs=TOKENS)).embeddings
    places = list(one.token_offsets)
    assert [text[start:end] for start, end in zip(places[::2], places[1::2], strict=True)] == text.split()
    assert len(token_rows(one)) == 3
