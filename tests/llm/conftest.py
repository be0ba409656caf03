"""The services under test: one process an engine, shared by all tests but those that fill a queue or end a service."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from ledge.llm.v1 import llm_pb2 as pb
from ledge.llm.v1 import llm_pb2_grpc as rpc

from services.kit.errors import NotFound
from services.kit.models import ModelStore, ModelStoreConfig
from tests.processes import ServiceProcess, service

SCRIPT = Path(__file__).parent / "script.yaml"
MODEL = "smollm2-135m-instruct"
ENGINES = ("scripted", "llamacpp")
SETTINGS = {
    "scripted": {"LEDGE_SCRIPT_FILE": str(SCRIPT), "LEDGE_SLOTS": "16", "LEDGE_CONTEXT_TOKENS": "2048"},
    "llamacpp": {
        "LEDGE_SLOTS": "4",
        "LEDGE_CONTEXT_TOKENS": "512",
        "LEDGE_BATCH_TOKENS": "64",
        # As the profile has it: the machine is shared.
        "OMP_WAIT_POLICY": "passive",
    },
}


@dataclass(frozen=True)
class Served:
    """A running service and its engine's name."""

    engine: str
    process: ServiceProcess


def require(engine: str) -> None:
    """Skips where the engine is not installed, or offline without its model; else the model must be there."""
    if engine != "llamacpp":
        return
    if find_spec("xllamacpp") is None:
        pytest.skip("the extra `llm` is not installed")
    try:
        ModelStore.from_environment().require(MODEL)
    except NotFound as error:
        if not ModelStoreConfig().offline:
            raise
        pytest.skip(f"offline: {error.message}")


@contextmanager
def running(engine: str, **settings: str) -> Iterator[Served]:
    require(engine)
    with service("llm", **{"LEDGE_ENGINE": engine, **SETTINGS[engine], **settings}) as process:
        yield Served(engine, process)


@asynccontextmanager
async def connected(served: Served) -> AsyncIterator[Any]:
    """A stub. The types of generated stubs say nothing of `aio`, hence Any."""
    async with grpc.aio.insecure_channel(served.process.address) as channel:
        yield rpc.LlmServiceStub(channel)


@pytest.fixture(scope="session")
def started() -> Iterator[Callable[[str], Served]]:
    """Starts each engine's service once, when it is first wanted."""
    with ExitStack() as stack:
        services: dict[str, Served] = {}

        def start(engine: str) -> Served:
            if engine not in services:
                services[engine] = stack.enter_context(running(engine))
            return services[engine]

        yield start


@pytest.fixture(params=ENGINES)
def served(request: pytest.FixtureRequest, started: Callable[[str], Served]) -> Served:
    """Each engine in turn."""
    return started(request.param)


@pytest.fixture
async def llm(served: Served) -> AsyncIterator[Any]:
    async with connected(served) as stub:
        yield stub


@pytest.fixture
async def scripted(started: Callable[[str], Served]) -> AsyncIterator[Any]:
    async with connected(started("scripted")) as stub:
        yield stub


@pytest.fixture
async def llamacpp(started: Callable[[str], Served]) -> AsyncIterator[Any]:
    async with connected(started("llamacpp")) as stub:
        yield stub


def user(text: str) -> pb.Message:
    return pb.Message(role=pb.Message.USER, content=text)


def chat(text: str, **fields: Any) -> pb.ChatRequest:
    """A short, greedy chat of one message."""
    fields.setdefault("sampling", pb.Sampling(temperature=0, max_tokens=8))
    return pb.ChatRequest(messages=[user(text)], **fields)


def stream(text: str, **fields: Any) -> pb.ChatStreamRequest:
    return pb.ChatStreamRequest(chat=chat(text, **fields))


async def refused(call: Any) -> Any:
    """The error that a call, unary or streamed, ends with; it must not end well."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await (_last(call) if isinstance(call, grpc.aio.UnaryStreamCall) else call)
    return caught.value


async def _last(call: Any) -> Any:
    return [event async for event in call][-1]


async def until(ops_url: str, metric: str, value: float) -> None:
    """Asks the service's metrics until one has this value; each answer is the wait for the next question."""
    async with asyncio.timeout(20), httpx.AsyncClient() as http:
        while f"\n{metric} {value:.1f}\n" not in (await http.get(f"{ops_url}/v1/metrics")).text:
            pass
