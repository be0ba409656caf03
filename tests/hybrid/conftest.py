"""A little and a big service, scripted, and a hybrid service over both, with a wire to the big one."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from ledge.hybrid.v1 import hybrid_pb2_grpc as hybrid_rpc
from ledge.llm.v1 import llm_pb2 as pb
from ledge.llm.v1 import llm_pb2_grpc as rpc

from tests.hybrid.wire import Wire, wire_to
from tests.processes import ServiceProcess, service

HERE = Path(__file__).parent
LITTLE = {"LEDGE_ENGINE": "scripted", "LEDGE_SCRIPT_FILE": str(HERE / "little.yaml"), "LEDGE_MODEL_ALIASES": "small"}
BIG = {"LEDGE_ENGINE": "scripted", "LEDGE_SCRIPT_FILE": str(HERE / "big.yaml"), "LEDGE_MODEL_ALIASES": "large"}


@dataclass(frozen=True)
class Pair:
    """The two models."""

    little: ServiceProcess
    big: ServiceProcess
    wire: Wire
    """On which the hybrid service reaches the big one."""


@dataclass(frozen=True)
class Told:
    """An answer, with what was told of it."""

    text: str
    finish: int
    model: str
    usage: pb.Usage
    notes: dict[str, str]

    @property
    def by(self) -> str:
        return self.notes["ledge-hybrid-answered-by"]

    @property
    def why(self) -> str:
        return self.notes["ledge-hybrid-why"]


@pytest.fixture(scope="session")
def models() -> Iterator[tuple[ServiceProcess, ServiceProcess]]:
    with service("llm", **LITTLE) as little, service("llm", **BIG) as big:
        yield little, big


@pytest.fixture(scope="session")
def pair(models: tuple[ServiceProcess, ServiceProcess]) -> Iterator[Pair]:
    with wire_to(models[1].address) as wire:
        yield Pair(*models, wire)


@contextmanager
def hybrid_over(little: str, big: str | None, **settings: str) -> Iterator[ServiceProcess]:
    addresses = {"LEDGE_LITTLE_ADDRESS": little} | ({"LEDGE_BIG_ADDRESS": big} if big else {})
    with service("hybrid", **{**addresses, **settings}) as process:
        yield process


@pytest.fixture(scope="session")
def hybrid(pair: Pair) -> Iterator[ServiceProcess]:
    """As the settings have it by default: local."""
    with hybrid_over(pair.little.address, pair.wire.address) as process:
        yield process


@asynccontextmanager
async def stub_of(process: ServiceProcess) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(process.address) as channel:
        yield rpc.LlmServiceStub(channel)


@asynccontextmanager
async def status_of(process: ServiceProcess) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(process.address) as channel:
        yield hybrid_rpc.HybridServiceStub(channel)


@pytest.fixture
async def llm(hybrid: ServiceProcess) -> AsyncIterator[Any]:
    async with stub_of(hybrid) as stub:
        yield stub


def chat(text: str, mode: str = "", **fields: Any) -> pb.ChatRequest:
    """A greedy chat; `fields` are those of Hybrid where it has them."""
    own = {name: fields.pop(name) for name in list(fields) if name in pb.Hybrid.DESCRIPTOR.fields_by_name}
    fields.setdefault("sampling", pb.Sampling(temperature=0, max_tokens=64))
    choice = pb.Hybrid(mode=pb.Hybrid.Mode.Value(mode.upper()) if mode else 0, **own)
    return pb.ChatRequest(messages=[pb.Message(role=pb.Message.USER, content=text)], hybrid=choice, **fields)


async def asked(stub: Any, request: pb.ChatRequest, **metadata: str) -> Told:
    """By the unary call."""
    call = stub.Chat(request, metadata=tuple(metadata.items()))
    answer = await call
    notes = {key: str(value) for key, value in await call.trailing_metadata()}
    choice = answer.choices[0]
    return Told(choice.message.content, choice.finish_reason, answer.model, answer.usage, notes)


async def streamed(stub: Any, request: pb.ChatRequest, **metadata: str) -> Told:
    """By the streamed one."""
    call = stub.ChatStream(pb.ChatStreamRequest(chat=request), metadata=tuple(metadata.items()))
    events = [event async for event in call]
    notes = {key: str(value) for key, value in await call.trailing_metadata()}
    last = events[-1]
    return Told("".join(event.delta for event in events), last.finish_reason, last.model, last.usage, notes)


BOTH_WAYS = pytest.mark.parametrize("ask", [asked, streamed])
