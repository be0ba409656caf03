"""The asr service as real processes, one an engine, and stubs that talk to them."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import grpc
import pytest
from ledge.asr.v1 import asr_pb2_grpc as rpc

from services.cli.bench.random_whisper import SHAPES, make_catalogue, make_whisper
from tests.engines import a_process_each
from tests.processes import ServiceProcess

NEEDS = {"scripted": "faster_whisper", "pocketsphinx": "pocketsphinx", "faster-whisper": "faster_whisper"}
SCRIPT = "please open the window before the meeting begins"
HEARD = "one two three four five six seven eight nine ten gate tower river pump hill"
Start = Callable[[str], ServiceProcess]


@pytest.fixture(scope="session")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings that make the service run the smallest of Whispers, which says `SCRIPT` to whatever it hears."""
    folder = tmp_path_factory.mktemp("whisper")
    make_whisper(folder / "whisper-micro", SHAPES["micro"], SCRIPT.split())
    return make_catalogue(folder, [folder / "whisper-micro"]) | {"LEDGE_MODEL": "whisper-micro"}


@pytest.fixture(scope="session")
def hearing_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whose words depend on what it hears."""
    directory = tmp_path_factory.mktemp("hearing") / "whisper-hearing"
    make_whisper(directory, SHAPES["micro"], HEARD.split(), hears=True)
    return directory


@pytest.fixture(scope="session")
def hearing(hearing_model: Path) -> dict[str, str]:
    """Settings that make the service run it."""
    settings = make_catalogue(hearing_model.parent, [hearing_model])
    return settings | {"LEDGE_ENGINE": "faster-whisper", "LEDGE_MODEL": hearing_model.name}


@pytest.fixture(scope="session")
def start(whisper: dict[str, str]) -> Iterator[Start]:
    with a_process_each("asr", NEEDS, lambda engine: whisper if engine == "faster-whisper" else {}) as start:
        yield start


@pytest.fixture(params=sorted(NEEDS))
def asr(request: pytest.FixtureRequest, start: Start) -> ServiceProcess:
    """Every engine in turn: what is tested with it is the contract."""
    return start(request.param)


@pytest.fixture
async def stub(asr: ServiceProcess) -> AsyncIterator[rpc.AsrServiceStub]:
    async with grpc.aio.insecure_channel(asr.address) as channel:
        yield rpc.AsrServiceStub(channel)


@pytest.fixture(params=["scripted", "faster-whisper"])
def quick_asr(request: pytest.FixtureRequest, start: Start) -> ServiceProcess:
    """The engines that take long audio in no time, in turn."""
    return start(request.param)


@pytest.fixture
async def quick(quick_asr: ServiceProcess) -> AsyncIterator[rpc.AsrServiceStub]:
    async with grpc.aio.insecure_channel(quick_asr.address) as channel:
        yield rpc.AsrServiceStub(channel)


@pytest.fixture
async def scripted(start: Start) -> AsyncIterator[rpc.AsrServiceStub]:
    async with grpc.aio.insecure_channel(start("scripted").address) as channel:
        yield rpc.AsrServiceStub(channel)


@pytest.fixture
async def pocketsphinx(start: Start) -> AsyncIterator[rpc.AsrServiceStub]:
    async with grpc.aio.insecure_channel(start("pocketsphinx").address) as channel:
        yield rpc.AsrServiceStub(channel)
