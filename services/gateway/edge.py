"""What holds for every HTTP request before any route sees it: id, key, size, number, trace, one log line."""

import logging
import time

from opentelemetry import context as otel_context
from opentelemetry import trace
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.config import GatewayConfig
from services.gateway.errors import body_of, response_of
from services.kit import telemetry
from services.kit.auth import Keys
from services.kit.context import CallContext, enter_call, request_id_of
from services.kit.errors import LedgeError, Overloaded

log = logging.getLogger("ledge.gateway")


class Edge:
    """ASGI middleware. Health paths need no key and count towards no limit."""

    def __init__(self, app: ASGIApp, config: GatewayConfig) -> None:
        self._app = app
        self._keys = Keys(config.keys())
        self._max_body_bytes = config.max_body_bytes
        self._max_concurrent_calls = config.max_concurrent_calls
        self._timeout_s = config.call_timeout_s
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/v1/health"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        otel_context.attach(telemetry.incoming_trace(dict(headers)))
        with telemetry.tracer().start_as_current_span(f"gateway {scope['path']}", kind=trace.SpanKind.SERVER):
            await self._serve(headers, scope, receive, send)

    async def _serve(self, headers: Headers, scope: Scope, receive: Receive, send: Send) -> None:
        started_s = time.monotonic()
        request_id = request_id_of(headers.get("x-request-id", ""))
        status = 499
        self._in_flight += 1
        telemetry.CALLS_IN_FLIGHT.labels("gateway").set(self._in_flight)

        async def send_told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        try:
            refusal = self._refusal(headers, request_id)
            if refusal is not None:
                await refusal(scope, receive, send_told)
                return
            await self._app(scope, self._bounded(receive), send_told)
        except ClientDisconnect:
            status = 499
        finally:
            self._in_flight -= 1
            elapsed_s = time.monotonic() - started_s
            route = getattr(scope.get("route"), "path", "(none)")
            telemetry.CALLS_IN_FLIGHT.labels("gateway").set(self._in_flight)
            telemetry.CALLS.labels("gateway", route, str(status)).inc()
            telemetry.CALL_SECONDS.labels("gateway", route).observe(elapsed_s)
            log.info("call", extra={"route": route, "status": status, "elapsed_ms": round(elapsed_s * 1000, 1)})

    def _refusal(self, headers: Headers, request_id: str) -> Response | None:
        """Checks what can be checked from the headers, and enters the call."""
        call = CallContext(time.monotonic() + self._timeout_s, request_id)
        enter_call(call)
        try:
            tenant = self._keys.tenant(headers.get("authorization", ""))
            if self._in_flight > self._max_concurrent_calls:
                raise Overloaded(f"the gateway already serves {self._max_concurrent_calls} requests", retry_after_s=1)
        except LedgeError as error:
            return response_of(error)
        enter_call(CallContext(call.deadline_s, request_id, tenant))
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self._max_body_bytes:
            return JSONResponse(body_of(self._too_large(), 413), 413, headers={"connection": "close"})
        return None

    def _too_large(self) -> str:
        return f"the request body is larger than {self._max_body_bytes} bytes"

    def _bounded(self, receive: Receive) -> Receive:
        read_bytes = 0

        async def receive_bounded() -> Message:
            nonlocal read_bytes
            message = await receive()
            read_bytes += len(message.get("body", b""))
            if read_bytes > self._max_body_bytes:
                raise HTTPException(413, self._too_large())
            return message

        return receive_bounded
