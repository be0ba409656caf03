"""Health of the gateway itself, and of the services behind it when asked."""

import asyncio
from typing import Any

import grpc
from fastapi import APIRouter, Request
from grpc_health.v1 import health_pb2
from starlette.responses import JSONResponse, Response

from services.gateway.peers import Peers

router = APIRouter()


@router.get("/v1/health")
async def health(request: Request, check_dependencies: bool = False) -> Response:
    """200 while the gateway serves; with `check_dependencies=true`, what each service behind it says."""
    body: dict[str, Any] = {"status": "ready", "message": "gateway is ready"}
    if check_dependencies:
        peers: Peers = request.app.state.peers
        states = await asyncio.gather(*(_state(name, stub) for name, stub in peers.health.items()))
        body["dependencies"] = dict(states)
        if any(state != "SERVING" for _, state in states):
            body["status"] = "degraded"
    return JSONResponse(body)


async def _state(name: str, stub: Any) -> tuple[str, str]:
    try:
        response = await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=2)
    except grpc.aio.AioRpcError as error:
        return name, error.code().name
    return name, health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)
