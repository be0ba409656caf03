"""A retrieval service for each engine, and a stub on it."""

import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from ledge.retrieval.v1 import retrieval_pb2 as pb
from ledge.retrieval.v1 import retrieval_pb2_grpc as rpc

from services.kit.client import open_channel
from tests.processes import ServiceProcess, service
from tests.retrieval.points import DIMENSIONS

_names = (f"test-{number}" for number in itertools.count())


@pytest.fixture(scope="module", params=["qdrant-edge", "memory"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    data_dir = tmp_path_factory.mktemp("retrieval")
    with service("retrieval", LEDGE_ENGINE=request.param, LEDGE_DATA_DIR=str(data_dir)) as process:
        yield process


@pytest.fixture
async def stub(running: ServiceProcess) -> AsyncIterator[Any]:
    async with open_channel(running.address) as channel:
        yield rpc.RetrievalServiceStub(channel)


@pytest.fixture
async def collection(stub: Any) -> str:
    """The name of an empty collection of its own."""
    name = next(_names)
    await stub.CreateCollection(pb.CreateCollectionRequest(name=name, dimensions=DIMENSIONS))
    return name
