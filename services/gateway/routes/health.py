"""Health of the gateway itself, and of the services behind it when asked."""

import asyncio
from typing import Any

import grpc
from fastapi import APIRouter, Request
from grpc_health.v1 import health_pb2
from starlette.responses import JSONResponse, Response

from services.gateway.peers import Peers
from services.kit.ops import Status

router = APIRouter()
ASK_TIMEOUT_S = 2.0


@router.head("/v1/health", include_in_schema=False)
@router.get("/v1/health")
async def health(request: Request, check_dependencies: bool = False) -> Response:
    """200 while the gateway serves, 503 while it drains; `check_dependencies` adds what each service behind it says."""
    status: Status = request.app.state.status
    body: dict[str, Any] = {"status": "ready", "message": "gateway is ready"}
    if not status.ready:
        body = {"status": "not_ready", "message": f"gateway is {status.message}"}
    if check_dependencies:
        peers: Peers = request.app.state.peers
        states = await asyncio.gather(*(service_state(name, stub) for name, stub in peers.health.items()))
        body["dependencies"] = dict(zip(peers.health, states, strict=True))
        body |= _as_the_blueprint_has_it(body["dependencies"])
        if status.ready and any(state != "SERVING" for state in states):
            body["status"] = "degraded"
    return JSONResponse(body, 200 if status.ready else 503)


def _as_the_blueprint_has_it(states: dict[str, str]) -> dict[str, Any]:
    """The same for the RAG blueprint's page, which reads lists of services by kind. Addresses are not told."""
    services = [
        {"service": name, "url": "", "status": "healthy" if state == "SERVING" else "unhealthy", "latency_ms": 0}
        for name, state in states.items()
    ]
    return {"nim": services, "databases": [], "object_storage": [], "processing": [], "task_management": []}


async def service_state(name: str, stub: Any) -> str:
    """What a service says of its health, or why it says nothing."""
    try:
        response = await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=ASK_TIMEOUT_S)
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)
