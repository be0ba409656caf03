"""Whether services are ready, asked over gRPC's health protocol (the gateway: over HTTP)."""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any

import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.kit.client import open_channel
from services.kit.errors import InvalidInput

ASK_TIMEOUT_S = 2.0


def tls_authorities() -> bytes | None:
    """The certificate authorities that LEDGE_TLS_CA_FILE names; given, services are called over TLS."""
    name = os.environ.get("LEDGE_TLS_CA_FILE")
    if not name:
        return None
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise InvalidInput(f"LEDGE_TLS_CA_FILE: {name}: {error.strerror}") from error


async def is_ready(address: str, health_name: str | None, ops_url: str) -> bool:
    """True once the service answers calls. Any failure to ask is a no."""
    if health_name is None:
        return await _ready_over_http(ops_url)
    try:
        async with open_channel(address, ca=tls_authorities()) as channel:
            return await _serving(channel, health_name)
    except grpc.aio.AioRpcError:
        return False


async def wait_until_ready(address: str, health_name: str | None, ops_url: str, pause_s: float = 0.1) -> None:
    """Returns as soon as the service is ready; the caller bounds the time."""
    if health_name is None:
        while True:
            if await _ready_over_http(ops_url):
                return
            await asyncio.sleep(pause_s)
    async with open_channel(address, ca=tls_authorities()) as channel:
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError):
                if await _serving(channel, health_name):
                    return
            await asyncio.sleep(pause_s)


async def _serving(channel: grpc.aio.Channel, health_name: str) -> bool:
    stub: Any = health_pb2_grpc.HealthStub(channel)  # the published stubs of this package name no methods
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=health_name), timeout=ASK_TIMEOUT_S)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def _ready_over_http(ops_url: str) -> bool:
    async with httpx.AsyncClient(timeout=ASK_TIMEOUT_S, trust_env=False, verify=False) as client:  # noqa: S501
        try:
            return (await client.get(f"{ops_url}/v1/health/ready")).status_code == 200
        except httpx.HTTPError:
            return False
