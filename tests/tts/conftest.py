"""The tts service as real processes, one an engine, and stubs that talk to them."""

import ctypes
from collections.abc import AsyncIterator, Callable, Iterator

import grpc
import pytest
from ledge.tts.v1 import tts_pb2_grpc as rpc

from tests.engines import a_process_each
from tests.processes import ServiceProcess

NEEDS = {"scripted": "soundfile", "flite": "soundfile"}
Start = Callable[[str], ServiceProcess]


def need_flite() -> None:
    """Skips where Debian's flite is missing."""
    try:
        ctypes.CDLL("libflite.so.1")
    except OSError:
        pytest.skip("flite is not installed: `make packages` installs it")


@pytest.fixture(scope="session")
def start() -> Iterator[Start]:
    with a_process_each("tts", NEEDS) as start:

        def with_programs(engine: str) -> ServiceProcess:
            if engine == "flite":
                need_flite()
            return start(engine)

        yield with_programs


@pytest.fixture(params=sorted(NEEDS))
def tts(request: pytest.FixtureRequest, start: Start) -> ServiceProcess:
    """Every engine in turn: what is tested with it is the contract."""
    return start(request.param)


@pytest.fixture
async def stub(tts: ServiceProcess) -> AsyncIterator[rpc.TtsServiceStub]:
    async with grpc.aio.insecure_channel(tts.address) as channel:
        yield rpc.TtsServiceStub(channel)


@pytest.fixture
async def scripted(start: Start) -> AsyncIterator[rpc.TtsServiceStub]:
    """Tones, of which a test can tell which words they are."""
    async with grpc.aio.insecure_channel(start("scripted").address) as channel:
        yield rpc.TtsServiceStub(channel)


@pytest.fixture
async def flite(start: Start) -> AsyncIterator[rpc.TtsServiceStub]:
    async with grpc.aio.insecure_channel(start("flite").address) as channel:
        yield rpc.TtsServiceStub(channel)
