"""The embedding service as real processes, one an engine, and stubs that talk to them."""

from collections.abc import AsyncIterator, Callable, Iterator

import grpc
import pytest
from ledge.embedding.v1 import embedding_pb2_grpc as rpc

from tests.engines import a_process_each, rows
from tests.processes import ServiceProcess

NEEDS = {"scripted": "numpy", "ctranslate2": "ctranslate2", "sentence-transformers": "sentence_transformers"}


@pytest.fixture(scope="session")
def start() -> Iterator[Callable[[str], ServiceProcess]]:
    with a_process_each("embedding", NEEDS) as start:
        yield start


@pytest.fixture(params=rows(sorted(NEEDS)))
def embedding(request: pytest.FixtureRequest, start: Callable[[str], ServiceProcess]) -> ServiceProcess:
    """Every engine in turn: what is tested with it is the contract."""
    return start(request.param)


@pytest.fixture
def default_embedding(start: Callable[[str], ServiceProcess]) -> ServiceProcess:
    """The engine that is used unless told otherwise."""
    return start("ctranslate2")


@pytest.fixture
async def stub(embedding: ServiceProcess) -> AsyncIterator[rpc.EmbeddingServiceStub]:
    async with grpc.aio.insecure_channel(embedding.address) as channel:
        yield rpc.EmbeddingServiceStub(channel)


@pytest.fixture
async def default_stub(default_embedding: ServiceProcess) -> AsyncIterator[rpc.EmbeddingServiceStub]:
    async with grpc.aio.insecure_channel(default_embedding.address) as channel:
        yield rpc.EmbeddingServiceStub(channel)
