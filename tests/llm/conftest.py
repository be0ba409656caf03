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
from tests.engines import rows
from tests.gateway.suite import KEY, gateway_and_llm
from tests.processes import START_TIMEOUT_S, ServiceProcess, service
from tests.torch.store import ADAPTER, made_store

SCRIPT = Path(__file__).parent / "script.yaml"
MODEL = "smollm2-135m-instruct"
ENGINES = ("scripted", "llamacpp")
"""Those that generate in this process, where a queue can be filled and a process ended."""
ALL_ENGINES = (*ENGINES, "openai", "vllm")
VLLM_START_TIMEOUT_S = 300.0
SETTINGS = {
    "scripted": {"LEDGE_SCRIPT_FILE": str(SCRIPT), "LEDGE_SLOTS": "16", "LEDGE_CONTEXT_TOKENS": "2048"},
    "llamacpp": {
        "LEDGE_SLOTS": "4",
        "LEDGE_CONTEXT_TOKENS": "512",
        "LEDGE_BATCH_TOKENS": "64",
        # As the profile has it: the machine is shared.
        "OMP_WAIT_POLICY": "passive",
    },
    # Another process of the suite, behind its own gateway, is the server; `running` tells where.
    "openai": {"LEDGE_UPSTREAM_DIALECT": "ledge", "LEDGE_SLOTS": "16", "LEDGE_CONTEXT_TOKENS": "2048"},
    "vllm": {
        "LEDGE_MODEL": "smollm2-135m-instruct-safetensors",
        "LEDGE_SLOTS": "64",
        "LEDGE_CONTEXT_TOKENS": "512",
        "LEDGE_KV_CACHE_BYTES": str(512 * 2**20),
        "LEDGE_ADAPTERS": f"tank={ADAPTER}",
        # Two at a time, so that tests can fill vLLM's own queue; uncompiled, so that it starts sooner.
        "LEDGE_VLLM_ARGUMENTS": '{"max_num_seqs": 2, "enforce_eager": true}',
    },
}


NOT_OVER_HTTP = {
    "test_token_ids_are_continued_like_their_text",
    "test_tokenised_messages_are_as_many_tokens_as_their_prompt",
    "test_a_prompt_that_does_not_fit_says_both_lengths",
    "test_a_prompt_of_megabytes_is_refused_before_it_is_read_whole",
    "test_template_arguments_reach_the_template_or_do_no_harm",
}
"""What a Ledge behind its own gateway does not offer: tokens, arguments for the template, bodies of megabytes."""


@dataclass(frozen=True)
class Served:
    """A running service and its engine's name."""

    engine: str
    process: ServiceProcess


def require(engine: str) -> None:
    """Skips where the engine is not installed, or offline without its model; else the model must be there."""
    if engine == "vllm" and find_spec("vllm") is None:
        pytest.skip("vLLM has an environment of its own: run `make test-torch`")
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
    if engine == "openai":
        with gateway_and_llm(SETTINGS["scripted"]) as suite:
            upstream = {"LEDGE_UPSTREAM_URL": f"{suite.url}/v1", "LEDGE_UPSTREAM_API_KEY": KEY}
            with service("llm", **{"LEDGE_ENGINE": engine, **SETTINGS[engine], **upstream, **settings}) as process:
                yield Served(engine, process)
        return
    stored = made_store() if engine == "vllm" else {}
    told = {"LEDGE_ENGINE": engine, **SETTINGS[engine], **stored, **settings}
    timeout_s = VLLM_START_TIMEOUT_S if engine == "vllm" else START_TIMEOUT_S
    with service("llm", timeout_s, **told) as process:
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


@pytest.fixture(params=rows(ALL_ENGINES))
def served(request: pytest.FixtureRequest, started: Callable[[str], Served]) -> Served:
    """Each engine in turn."""
    if request.param == "openai" and getattr(request.node, "originalname", "") in NOT_OVER_HTTP:
        pytest.skip("a gateway does not offer it")
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
async def vllm(started: Callable[[str], Served]) -> AsyncIterator[Any]:
    async with connected(started("vllm")) as stub:
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
