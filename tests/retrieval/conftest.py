"""A retrieval service for each engine, and a stub on it."""

import itertools
import os
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from ledge.retrieval.v1 import retrieval_pb2 as pb
from ledge.retrieval.v1 import retrieval_pb2_grpc as rpc

from services.kit.client import open_channel
from tests.processes import ServiceProcess, service
from tests.retrieval.points import DIMENSIONS

_names = (f"test-{number}" for number in itertools.count())


@pytest.fixture(scope="module", params=["qdrant-edge", "qdrant", "qdrant-server", "memory"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    settings = {"LEDGE_ENGINE": request.param, "LEDGE_DATA_DIR": str(tmp_path_factory.mktemp("retrieval"))}
    if request.param.startswith("qdrant") and request.param != "qdrant-edge" and find_spec("qdrant_client") is None:
        pytest.skip("the extra `qdrant` is not installed")
    if request.param == "qdrant-server":
        if "QDRANT_URL" not in os.environ:
            pytest.skip("QDRANT_URL names no server")
        settings |= {"LEDGE_ENGINE": "qdrant", "LEDGE_QDRANT_URL": os.environ["QDRANT_URL"]}
    with service("retrieval", **settings) as process:
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
