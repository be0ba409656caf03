"""The reranking service as real processes, one an engine, and stubs that talk to them."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec

import grpc
import pytest
from ledge.reranking.v1 import reranking_pb2_grpc as rpc

from tests.processes import ServiceProcess, service

NEEDS = {"scripted": "numpy", "late-interaction": "ctranslate2"}


@pytest.fixture(scope="session")
def start() -> Iterator[Callable[[str], ServiceProcess]]:
    """Engine to its running service, started when it is first asked for."""
    with ExitStack() as stack:
        running: dict[str, ServiceProcess] = {}

        def start(engine: str) -> ServiceProcess:
            if find_spec(NEEDS[engine]) is None:
                pytest.skip(f"{NEEDS[engine]} is not installed")
            if engine not in running:
                running[engine] = stack.enter_context(service("reranking", LEDGE_ENGINE=engine))
            return running[engine]

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
