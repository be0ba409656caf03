"""A probe service in this process, and what talks to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from ledge.llm.v1 import llm_pb2 as pb
from ledge.llm.v1 import llm_pb2_grpc as rpc

from services.kit.client import Channel, connect
from services.kit.config import ServiceConfig
from services.kit.server import Server
from tests.kit.probe import Probe, ask

NAME = "ledge.llm.v1.LlmService"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def health(channel: grpc.aio.Channel, name: str = NAME) -> int:
    """What the health service says of a name."""
    response = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name))
    return int(response.status)


@dataclass
class Serving:
    server: Server
    probe: Probe
    channel: Channel
    stub: Any

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    async def order(self, order: str, **kwargs: Any) -> str:
        response = await self.stub.Chat(ask(order), **kwargs)
        return str(response.choices[0].message.content)


@asynccontextmanager
async def serving(client: ServiceConfig | None = None, **settings: Any) -> AsyncIterator[Serving]:
    """Starts a probe on a free port; the channel is the kit's own."""
    config = ServiceConfig(**{"settle_s": 0, "drain_s": 5, **settings})
    server = Server("probe", config, pb.DESCRIPTOR)
    await server.start()
    probe = Probe(client or config)

    async def build() -> Probe:
        return probe

    await server.load(build)
    channel = connect(f"127.0.0.1:{server.port}", client or ServiceConfig(), pb.DESCRIPTOR)
    try:
        yield Serving(server, probe, channel, rpc.LlmServiceStub(channel))
    finally:
        await channel.close()
        await server.stop()


async def failure_of(call: Any) -> grpc.aio.AioRpcError:
    """The status that a call fails with; fails the test if it succeeds."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("the call succeeded")
