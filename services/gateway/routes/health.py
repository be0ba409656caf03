"""Health of the gateway itself, and of the services behind it when asked."""

import asyncio
import time
from collections.abc import Iterable
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
        answers = await asyncio.gather(*(_asked(name, stub) for name, stub in peers.health.items()))
        body["dependencies"] = {name: state for name, state, _ in answers}
        body |= _as_the_blueprint_has_it(answers)
        if status.ready and any(state != "SERVING" for _, state, _ in answers):
            body["status"] = "degraded"
    return JSONResponse(body, 200 if status.ready else 503)


async def _asked(name: str, stub: Any) -> tuple[str, str, float]:
    """A service's name, what it says of its health, and after how many milliseconds."""
    asked_s = time.monotonic()
    state = await service_state(name, stub)
    return name, state, round((time.monotonic() - asked_s) * 1000, 1)


def _as_the_blueprint_has_it(answers: Iterable[tuple[str, str, float]]) -> dict[str, Any]:
    """The same for the RAG blueprint's page, which reads lists of services by kind. Addresses are not told."""
    services = [
        {"service": name, "url": "", "status": "healthy" if state == "SERVING" else "unhealthy", "latency_ms": ms}
        for name, state, ms in answers
    ]
    return {"nim": services, "databases": [], "object_storage": [], "processing": [], "task_management": []}


async def service_state(name: str, stub: Any) -> str:
    """What a service says of its health, or why it says nothing."""
    try:
        request = health_pb2.HealthCheckRequest(service=name)
        response = await stub.Check(request, timeout=ASK_TIMEOUT_S, wait_for_ready=False)
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)
