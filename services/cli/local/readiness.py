"""Whether services are ready, asked over gRPC's health protocol (the gateway: over HTTP)."""

import asyncio
import contextlib
from typing import Any

import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.cli.local.tls import channel_tls, http_context
from services.kit.client import open_channel

ASK_TIMEOUT_S = 2.0


async def is_ready(address: str, health_name: str | None, ops_url: str) -> bool:
    """True once the service answers calls. Any failure to ask is a no."""
    if health_name is None:
        async with _http(ops_url) as client:
            return await _ready_over_http(client)
    try:
        async with open_channel(address, **channel_tls()) as channel:
            return await _serving(channel, health_name)
    except grpc.aio.AioRpcError:
        return False


async def wait_until_ready(address: str, health_name: str | None, ops_url: str, pause_s: float = 0.1) -> None:
    """Returns as soon as the service is ready; the caller bounds the time."""
    if health_name is None:
        async with _http(ops_url) as client:
            while True:
                if await _ready_over_http(client):
                    return
                await asyncio.sleep(pause_s)
    async with open_channel(address, **channel_tls()) as channel:
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError):
                if await _serving(channel, health_name):
                    return
            await asyncio.sleep(pause_s)


async def _serving(channel: grpc.aio.Channel, health_name: str) -> bool:
    stub: Any = health_pb2_grpc.HealthStub(channel)  # the published stubs of this package name no methods
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=health_name), timeout=ASK_TIMEOUT_S)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _http(ops_url: str) -> httpx.AsyncClient:
    # Reading the system's authorities takes longer than the whole question: only where they are needed.
    verify = http_context() if ops_url.startswith("https:") else False
    return httpx.AsyncClient(base_url=ops_url, timeout=ASK_TIMEOUT_S, trust_env=False, verify=verify)


async def _ready_over_http(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/v1/health/ready")).status_code == 200
    except httpx.HTTPError:
        return False
