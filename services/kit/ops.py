"""The management surface of every service, over HTTP: NIM's paths, the same everywhere.

GET /v1/health/live    200 while the process runs
GET /v1/health/ready   200 once the model is loaded, 503 before and while draining
GET /v1/models         what is served, as OpenAI lists it
GET /v1/metadata       version, models and their licences
GET /v1/version        release and contract version
GET /v1/manifest       the settings in force, secrets left out
GET /v1/license        the licence of the suite
GET /v1/metrics        Prometheus
"""

import asyncio
import contextlib
import math
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, cast

import uvicorn
from ledge.model.v1 import model_pb2
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.kit.auth import Keys
from services.kit.config import ServiceConfig, refuse
from services.kit.errors import Unauthenticated
from services.kit.http_connection import connections

LICENCE = "Apache-2.0"
MAX_CONNECTIONS = 256
"""At a time, of the management surface."""


def release() -> str:
    """The version of the installed suite."""
    return metadata.version("ledge")


@dataclass
class Status:
    """What the management surface tells; the server keeps it up to date."""

    service: str
    config: ServiceConfig
    ready: bool = False
    message: str = "loading"
    models: Callable[[], Sequence[model_pb2.ModelInfo]] = field(default=lambda: ())


def routes(status: Status) -> list[Route]:
    """The management routes, for an app of their own or beside a door's."""

    async def live(_: Request) -> Response:
        return JSONResponse({"object": "health.response", "message": f"{status.service} is live", "status": "live"})

    async def ready(_: Request) -> Response:
        body = {
            "object": "health.response",
            "message": f"{status.service} is {'ready' if status.ready else status.message}",
            "status": "ready" if status.ready else "not_ready",
            "ready": status.ready,
        }
        return JSONResponse(body, status_code=200 if status.ready else 503)

    async def models(_: Request) -> Response:
        return JSONResponse({"object": "list", "data": [openai_model(model) for model in status.models()]})

    async def about(_: Request) -> Response:
        return JSONResponse(metadata_of(status.service, status.models()))

    async def version(_: Request) -> Response:
        return JSONResponse({"release": release(), "api": "1.0.0"})

    async def manifest(_: Request) -> Response:
        return JSONResponse({"service": status.service, "settings": public_settings(status.config)})

    async def licence(_: Request) -> Response:
        return JSONResponse(licences_of(status.models()))

    return [
        Route("/v1/health/live", live),
        Route("/v1/health/ready", ready),
        Route("/v1/models", models),
        Route("/v1/metadata", about),
        Route("/v1/version", version),
        Route("/v1/manifest", manifest),
        Route("/v1/license", licence),
        Route("/v1/metrics", metrics),
    ]


async def metrics(_: Request) -> Response:
    """All metrics of this process, in Prometheus' text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def metadata_of(service: str, models: Sequence[model_pb2.ModelInfo]) -> dict[str, Any]:
    """What a service is and runs, as NIM tells it."""
    return {
        "version": release(),
        "service": service,
        "modelInfo": [{"shortName": model.id, "modelUrl": "", "engine": model.engine} for model in models],
        "licenseInfo": licences_of(models),
        "assetInfo": [],
    }


def licences_of(models: Sequence[model_pb2.ModelInfo]) -> dict[str, Any]:
    """The suite's licence, and each model's."""
    return {"name": LICENCE, "models": {model.id: model.licence for model in models}}


def openai_model(model: model_pb2.ModelInfo) -> dict[str, Any]:
    """A model as OpenAI's `/v1/models` lists it, with the fields NIM adds."""
    return {
        "id": model.id,
        "object": "model",
        "created": 0,
        "owned_by": "ledge",
        "root": model.id,
        "parent": None,
        "max_model_len": model.max_context_tokens or None,
        "aliases": list(model.aliases),
        "engine": model.engine,
        "license": model.licence,
    }


def public_settings(config: ServiceConfig) -> dict[str, Any]:
    """The settings with every secret replaced by whether it is set."""
    settings: dict[str, Any] = {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        settings[name] = "(set)" if isinstance(value, SecretStr) else value if _plain(value) else str(value)
    return settings


def _plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | bool | list | dict)


class QuietServer(uvicorn.Server):
    """uvicorn without signal handlers: the service has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int, setting: str, *, client_timeout_s: float = 60) -> socket.socket:
    """Binds a TCP port at once; a busy one ends the process with a sentence that says what to do.

    Args:
        client_timeout_s: after this long a connection is cut whose other end is gone, or takes nothing of what is sent.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio else leaves Nagle's algorithm on: 40 ms to every answer.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit these (tcp(7)).
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, math.ceil(client_timeout_s * 1000))
    try:
        bound.bind((host.strip("[]"), port))
    except OSError as error:
        bound.close()
        refuse([f"cannot listen on {host}:{port} ({error.strerror}): stop what uses it, or set {setting}"])
    bound.listen(512)
    bound.setblocking(False)
    return bound


def http_server(
    app: ASGIApp,
    *,
    drain_s: float = 5,
    tls: ServiceConfig | None = None,
    ask_for_certificates: bool = True,
    client_timeout_s: float = 60,
    max_connections: int = MAX_CONNECTIONS,
    too_many: Callable[[str], Response] | None = None,
    websocket: type[asyncio.Protocol] | None = None,
    max_websocket_message_bytes: int = 2**20,
    is_leaving: Callable[[], bool] = lambda: False,
) -> uvicorn.Server:
    """A uvicorn server for `app`; run it with `serve(sockets=[listen(…)])`, end it with `should_exit = True`.

    Args:
        drain_s: how long requests in flight may take to finish.
        tls: settings whose certificate it shows.
        ask_for_certificates: whether clients must show one, where `tls` names their authorities.
        client_timeout_s: how long a connection may go without a whole head of a request.
        max_connections: past it only health is answered.
        too_many: path → what all else is then told.
        websocket: uvicorn's protocol of upgraded connections; None: none is upgraded.
        is_leaving: while it is so a connection is closed after its next answer, so that clients which keep theirs make
            the next elsewhere instead of finding it cut.
    """
    refusal = too_many or (lambda path: JSONResponse({"error": f"all {max_connections} connections are taken"}, 503))
    settings: dict[str, Any] = {}
    if tls is not None and tls.tls_cert_file is not None:
        settings = {"ssl_certfile": tls.tls_cert_file, "ssl_keyfile": tls.tls_key_file}
        if ask_for_certificates and tls.tls_client_ca_file is not None:
            settings |= {"ssl_ca_certs": str(tls.tls_client_ca_file), "ssl_cert_reqs": ssl.CERT_REQUIRED}
    return QuietServer(
        uvicorn.Config(
            _left(app, is_leaving),
            lifespan="off",
            http=cast(Any, connections(client_timeout_s, max_connections, _crowded(app, refusal))),
            ws=websocket or "none",
            ws_max_size=max_websocket_message_bytes,
            # What is sent is base64 of audio, which hardly shrinks.
            ws_per_message_deflate=False,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=math.ceil(drain_s),
            server_header=False,
            **settings,
        )
    )


def _crowded(app: ASGIApp, refusal: Callable[[str], Response]) -> ASGIApp:
    """The app for a connection past the bound: health, or the refusal; then the connection is closed."""

    async def crowded(scope: Scope, receive: Receive, send: Send) -> None:
        answer = app if scope["path"].startswith("/v1/health") else refusal(scope["path"])
        await answer(scope, receive, _last(send))

    return crowded


def _left(app: ASGIApp, is_leaving: Callable[[], bool]) -> ASGIApp:
    """The app, whose answers are the last on their connection once the server is leaving."""

    async def left(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, _last(send) if scope["type"] == "http" and is_leaving() else send)

    return left


def _last(send: Send) -> Send:
    async def send_last(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["connection"] = "close"
        await send(message)

    return send_last


def ops_app(status: Status) -> Starlette:
    """The management surface as an app of its own; where keys are configured, all but health wants one."""
    keys = Keys(status.config.keys())

    class Guard:
        def __init__(self, app: ASGIApp) -> None:
            self._app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and not scope["path"].startswith("/v1/health/"):
                try:
                    keys.tenant(Headers(scope=scope).get("authorization", ""))
                except Unauthenticated as error:
                    await JSONResponse({"error": error.message}, status_code=error.http)(scope, receive, send)
                    return
            await self._app(scope, receive, send)

    return Starlette(routes=routes(status), middleware=[Middleware(Guard)])
