"""The tts service as real processes, one an engine, and stubs that talk to them."""

import ctypes
from collections.abc import AsyncIterator, Callable, Iterator

import grpc
import pytest
from ledge.tts.v1 import tts_pb2_grpc as rpc

from tests.engines import a_process_each
from tests.processes import ServiceProcess

NEEDS = {"scripted": "soundfile", "flite": "soundfile", "piper": "piper"}
Start = Callable[[str], ServiceProcess]


def need_flite() -> None:
    """Skips where Debian's flite is missing."""
    try:
        ctypes.CDLL("libflite.so.1")
    except OSError:
        pytest.skip("flite is not installed: `make packages` installs it")


@pytest.fixture(scope="session")
def toy_store(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a service needs to speak with Piper's voices that tests make."""
    pytest.importorskip("piper")
    from tests.tts.toy_voice import make_store

    return make_store(tmp_path_factory.mktemp("piper"))


@pytest.fixture(scope="session")
def settings_of(request: pytest.FixtureRequest) -> Callable[[str], dict[str, str]]:
    """Engine → what it needs besides its name; skips where the machine lacks it."""

    def settings(engine: str) -> dict[str, str]:
        if engine == "flite":
            need_flite()
        store: dict[str, str] = request.getfixturevalue("toy_store") if engine == "piper" else {}
        return store

    return settings


@pytest.fixture(scope="session")
def start(settings_of: Callable[[str], dict[str, str]]) -> Iterator[Start]:
    with a_process_each("tts", NEEDS, settings_of) as start:
        yield start


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


@pytest.fixture
async def piper(start: Start) -> AsyncIterator[rpc.TtsServiceStub]:
    async with grpc.aio.insecure_channel(start("piper").address) as channel:
        yield rpc.TtsServiceStub(channel)
