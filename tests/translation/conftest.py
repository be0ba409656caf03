"""The translation service as real processes, one an engine, and stubs that talk to them."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import grpc
import pytest
from ledge.translation.v1 import translation_pb2_grpc as rpc

from tests.engines import a_process_each
from tests.processes import ServiceProcess

NEEDS = {"scripted": "sentencex", "apertium": "sentencex", "ctranslate2": "ctranslate2"}
TOYS = {"toy-en-es": "marian", "toy-es-en": "marian", "toy-m2m": "m2m", "toy-madlad": "madlad"}
MODE = Path("/usr/share/apertium/modes/eng-spa.mode")
Start = Callable[[str], ServiceProcess]


def need_apertium() -> None:
    """Skips where Debian's apertium is missing."""
    if not MODE.exists():
        pytest.skip("apertium-eng-spa is not installed: `make packages` installs it")


@pytest.fixture(scope="session")
def toy_store(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a service needs to run models of all families with random weights, made here."""
    pytest.importorskip("sentencepiece")
    from services.cli.bench.random_translator import SHAPES, make_translator
    from services.cli.bench.random_whisper import make_catalogue

    folder = tmp_path_factory.mktemp("translators")
    for name, family in TOYS.items():
        make_translator(folder / name, family, SHAPES["micro"], seed=len(name))
    made = [folder / name for name in TOYS]
    return make_catalogue(folder, made, "translation", "ctranslate2") | {"LEDGE_MODEL": ",".join(TOYS)}


@pytest.fixture(scope="session")
def settings_of(request: pytest.FixtureRequest) -> Callable[[str], dict[str, str]]:
    """Engine → what it needs besides its name; skips where the machine lacks it."""

    def settings(engine: str) -> dict[str, str]:
        if engine == "apertium":
            need_apertium()
        store: dict[str, str] = request.getfixturevalue("toy_store") if engine == "ctranslate2" else {}
        return store

    return settings


@pytest.fixture(scope="session")
def start(settings_of: Callable[[str], dict[str, str]]) -> Iterator[Start]:
    with a_process_each("translation", NEEDS, settings_of) as start:
        yield start


@pytest.fixture(params=sorted(NEEDS))
def translation(request: pytest.FixtureRequest, start: Start) -> ServiceProcess:
    """Every engine in turn: what is tested with it is the contract."""
    return start(request.param)


@pytest.fixture
async def stub(translation: ServiceProcess) -> AsyncIterator[rpc.TranslationServiceStub]:
    async with grpc.aio.insecure_channel(translation.address) as channel:
        yield rpc.TranslationServiceStub(channel)


@pytest.fixture
async def apertium(start: Start) -> AsyncIterator[rpc.TranslationServiceStub]:
    async with grpc.aio.insecure_channel(start("apertium").address) as channel:
        yield rpc.TranslationServiceStub(channel)


@pytest.fixture
async def neural(start: Start) -> AsyncIterator[rpc.TranslationServiceStub]:
    """Models of random weights, whose every letter follows from their input."""
    async with grpc.aio.insecure_channel(start("ctranslate2").address) as channel:
        yield rpc.TranslationServiceStub(channel)


@pytest.fixture
async def scripted(start: Start) -> AsyncIterator[rpc.TranslationServiceStub]:
    async with grpc.aio.insecure_channel(start("scripted").address) as channel:
        yield rpc.TranslationServiceStub(channel)
