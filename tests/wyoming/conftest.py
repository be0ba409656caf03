"""The wyoming door before scripted speech services, all real processes, and the protocol's own client."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager

import pytest
from wyoming.client import AsyncTcpClient

from tests.gateway.suite import PEER_KEY, Suite, whole_suite
from tests.processes import ServiceProcess, service

Connect = Callable[[], AbstractAsyncContextManager[AsyncTcpClient]]
READ_TIMEOUT_S = 20.0
NOWHERE = "127.0.0.1:1"


@pytest.fixture(scope="session")
def asr() -> Iterator[ServiceProcess]:
    with service("asr", LEDGE_ENGINE="scripted") as running:
        yield running


@pytest.fixture(scope="session")
def tts() -> Iterator[ServiceProcess]:
    with service("tts", LEDGE_ENGINE="scripted") as running:
        yield running


@contextmanager
def a_door(asr: str = NOWHERE, tts: str = NOWHERE, rag: str = NOWHERE, **settings: str) -> Iterator[ServiceProcess]:
    addresses = {"LEDGE_ASR_ADDRESS": asr, "LEDGE_TTS_ADDRESS": tts, "LEDGE_RAG_ADDRESS": rag}
    with service("wyoming", **addresses, **settings) as running:
        yield running


@asynccontextmanager
async def client_of(door: ServiceProcess) -> AsyncIterator[AsyncTcpClient]:
    host, _, port = door.address.rpartition(":")
    async with AsyncTcpClient(host, int(port), read_timeout=READ_TIMEOUT_S) as client:
        yield client


@pytest.fixture(scope="session")
def door(asr: ServiceProcess, tts: ServiceProcess) -> Iterator[ServiceProcess]:
    with a_door(asr.address, tts.address) as running:
        yield running


@pytest.fixture
async def client(door: ServiceProcess) -> AsyncIterator[AsyncTcpClient]:
    async with client_of(door) as client:
        yield client


@pytest.fixture(scope="session")
def documents() -> Iterator[Suite]:
    with whole_suite() as running:
        yield running


@pytest.fixture(scope="session")
def answering_door(documents: Suite) -> Iterator[ServiceProcess]:
    with a_door(rag=documents.others["rag"].address, LEDGE_PEER_API_KEY=PEER_KEY) as running:
        yield running
