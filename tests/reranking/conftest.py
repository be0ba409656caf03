"""The reranking service as real processes, one an engine, and stubs that talk to them."""

from collections.abc import AsyncIterator, Callable, Iterator

import grpc
import pytest
from ledge.reranking.v1 import reranking_pb2_grpc as rpc

from tests.engines import a_process_each
from tests.processes import ServiceProcess

NEEDS = {"scripted": "numpy", "late-interaction": "ctranslate2"}


@pytest.fixture(scope="session")
def start() -> Iterator[Callable[[str], ServiceProcess]]:
    with a_process_each("reranking", NEEDS) as start:
        yield start


@pytest.fixture(params=sorted(NEEDS))
def reranking(request: pytest.FixtureRequest, start: Callable[[str], ServiceProcess]) -> ServiceProcess:
    """Every engine in turn: what is tested with it is the contract."""
    return start(request.param)


@pytest.fixture
def late_interaction(start: Callable[[str], ServiceProcess]) -> ServiceProcess:
    return start("late-interaction")


@pytest.fixture
async def stub(reranking: ServiceProcess) -> AsyncIterator[rpc.RerankingServiceStub]:
    async with grpc.aio.insecure_channel(reranking.address) as channel:
        yield rpc.RerankingServiceStub(channel)


@pytest.fixture
async def late(late_interaction: ServiceProcess) -> AsyncIterator[rpc.RerankingServiceStub]:
    async with grpc.aio.insecure_channel(late_interaction.address) as channel:
        yield rpc.RerankingServiceStub(channel)
