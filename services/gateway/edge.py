"""What holds for every HTTP request before any route sees it: id, key, size, number, trace, one log line."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Collection

from opentelemetry import context as otel_context
from opentelemetry import trace
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.config import GatewayConfig
from services.gateway.error_shapes import LIBRETRANSLATE
from services.gateway.errors import BodyRefused, ledge_error, refusal, response_of
from services.gateway.routes import page
from services.kit import telemetry
from services.kit.auth import Keys
from services.kit.context import LOCAL_ONLY_KEY, CallContext, enter_call, is_local_only, request_id_of
from services.kit.errors import Overloaded

log = logging.getLogger("ledge.gateway")
CLIENT_LEFT = 499
"""The status in logs and metrics of a request whose client did not wait for the answer."""
CLOSE = {"connection": "close"}
"""For answers that do not wait for the whole of a body."""
UPLOADS = frozenset({("POST", "/v1/documents"), ("PATCH", "/v1/documents")})
"""What takes files, which are never held in memory."""
AUDIO = frozenset({("POST", "/v1/audio/transcriptions"), ("POST", "/v1/audio/translations")})
KEY_IN_BODY = frozenset(LIBRETRANSLATE)
"""Whose clients send the key with the rest; where there is none in the header, the route looks at it."""
LINGER_S = 3.0
LINGER_BODIES = 16
"""How long, and how many times the largest body, is read and thrown away after a body was refused."""


class Edge:
    """ASGI middleware. Health paths need no key and count towards no limit.

    Args:
        paths: those that are served without a route of FastAPI's; metrics name no others.
    """

    def __init__(self, app: ASGIApp, config: GatewayConfig, paths: Collection[str]) -> None:
        self._app = app
        self._keys = Keys(config.keys())
        self._paths = frozenset(paths)
        self._max_body_bytes = config.max_body_bytes
        self._limits_bytes = {
            **dict.fromkeys(UPLOADS, config.max_upload_bytes),
            **dict.fromkeys(AUDIO, config.max_audio_bytes),
        }
        self._max_concurrent_calls = config.max_concurrent_calls
        self._timeout_s = config.call_timeout_s
        self._client_timeout_s = config.client_timeout_s
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A WebSocket is let in by its own door, which knows more kinds of key.
        if scope["type"] != "http" or scope["path"].startswith("/v1/health"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        otel_context.attach(telemetry.incoming_trace(headers))
        with telemetry.tracer().start_as_current_span(
            "gateway", kind=trace.SpanKind.SERVER, record_exception=False, set_status_on_exception=False
        ) as span:
            await self._serve(headers, scope, receive, send, span)

    async def _serve(self, headers: Headers, scope: Scope, receive: Receive, send: Send, span: trace.Span) -> None:
        started_s = time.monotonic()
        call = CallContext(started_s + self._timeout_s, request_id_of(headers.get("x-request-id", "")))
        enter_call(call)
        status = CLIENT_LEFT
        begun = False
        self._in_flight += 1
        telemetry.CALLS_IN_FLIGHT.labels("gateway").set(self._in_flight)

        async def send_told(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                begun = True
                status = message["status"]
                told = MutableHeaders(scope=message)
                told["x-request-id"] = call.request_id
                for name, value in call.notes.items():
                    told[f"ledge-{name}"] = value
            await send(message)

        try:
            limit_bytes = self._limits_bytes.get((scope["method"], scope["path"]), self._max_body_bytes)
            call = self._let_in(headers, call, limit_bytes, scope["path"])
            await self._app(scope, self._bounded(receive, call, limit_bytes), send_told)
        except BodyRefused as refused:
            await self._refuse_body(refused, scope, receive, send_told)
        except ClientDisconnect:
            status = CLIENT_LEFT
        except Exception as error:
            told = ledge_error(error)
            if not begun:
                await response_of(scope["path"], told)(scope, receive, send_told)
        finally:
            self._in_flight -= 1
            self._told(scope, call, status, time.monotonic() - started_s, span)

    def _told(self, scope: Scope, call: CallContext, status: int, elapsed_s: float, span: trace.Span) -> None:
        known = scope["path"] if scope["path"] in self._paths else "(none)"
        route = getattr(scope.get("route"), "path", known)
        span.update_name(f"gateway {route}")
        if status >= 500:
            span.set_status(trace.StatusCode.ERROR, str(status))
        telemetry.CALLS_IN_FLIGHT.labels("gateway").set(self._in_flight)
        telemetry.CALLS.labels("gateway", route, str(status)).inc()
        telemetry.CALL_SECONDS.labels("gateway", route).observe(elapsed_s)
        extra = {"route": route, "status": status, "elapsed_ms": round(elapsed_s * 1000, 1)}
        if call.tenant:
            extra["tenant"] = call.tenant
        log.info("call", extra=extra)

    def _let_in(self, headers: Headers, call: CallContext, limit_bytes: int, path: str) -> CallContext:
        """Checks what the headers alone tell, and enters the call with its tenant."""
        shown = headers.get("authorization", "")
        without_key = page.is_open(path) or (path in KEY_IN_BODY and not shown)
        tenant = "" if without_key else self._keys.tenant(shown)
        if self._in_flight > self._max_concurrent_calls:
            raise Overloaded(f"the gateway already serves {self._max_concurrent_calls} requests", retry_after_s=1)
        local_only = is_local_only(headers.get(LOCAL_ONLY_KEY, ""))
        call = CallContext(call.deadline_s, call.request_id, tenant, local_only=local_only)
        enter_call(call)
        # The HTTP parser lets only decimal numbers through.
        if int(headers.get("content-length", "0")) > limit_bytes:
            raise BodyRefused(413, _too_large(limit_bytes), CLOSE)
        return call

    async def _refuse_body(self, refused: BodyRefused, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, then reads on for a while: a client that is still sending may else lose the answer with the
        connection."""

        async def send_unfinished(message: Message) -> None:
            await send({**message, "more_body": True} if message["type"] == "http.response.body" else message)

        await refusal(scope["path"], str(refused.detail), refused.status_code, refused.headers)(
            scope, receive, send_unfinished
        )
        read_bytes = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while read_bytes < LINGER_BODIES * self._max_body_bytes:
                    message = await receive()
                    read_bytes += len(message.get("body", b""))
                    if not message.get("more_body", False):
                        break
        await send({"type": "http.response.body", "body": b""})

    def _bounded(self, receive: Receive, call: CallContext, limit_bytes: int) -> Receive:
        """Reads a body within its size and its time, and waits for no part of it for long."""
        read_bytes = 0
        whole = False

        async def receive_bounded() -> Message:
            nonlocal read_bytes, whole
            if whole:
                return await receive()
            try:
                async with asyncio.timeout(min(self._client_timeout_s, call.remaining_s() or 0)):
                    message = await receive()
            except TimeoutError:
                raise BodyRefused(408, "the request body did not come in time", CLOSE) from None
            read_bytes += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if read_bytes > limit_bytes:
                raise BodyRefused(413, _too_large(limit_bytes), CLOSE)
            return message

        return receive_bounded


def _too_large(limit_bytes: int) -> str:
    return f"the request body is larger than {limit_bytes} bytes"
