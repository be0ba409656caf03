"""Everything that holds for each gRPC call: key, limits, deadline, trace, timings, errors, metrics, one log line."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from opentelemetry import context as otel_context
from opentelemetry import trace

from services.kit import telemetry
from services.kit.auth import Keys
from services.kit.config import ServiceConfig
from services.kit.context import (
    LOCAL_ONLY_KEY,
    REQUEST_ID_KEY,
    TENANT_KEY,
    CallContext,
    enter_call,
    is_local_only,
    request_id_of,
)
from services.kit.errors import (
    DETAILS_KEY,
    EngineFailed,
    InvalidInput,
    LedgeError,
    Overloaded,
    TooSlow,
    from_rpc,
    to_details,
    upstream_details,
)

log = logging.getLogger("ledge.server")
HEALTH = "/grpc.health.v1.Health/"
NO_DEADLINE_S = 1e8
"""gRPC reports a date in the far future for a call without a deadline."""


class Calls(grpc.aio.ServerInterceptor):
    """The one interceptor of a server. Health passes it by: it needs no key and counts towards no limit.

    A streaming handler is read, and its messages are written, in one task: whatever
    ends the call (the client, the deadline, the drain) ends the handler at once and
    in order, and is counted as what it was.
    """

    def __init__(self, service: str, config: ServiceConfig) -> None:
        self._service = service
        self._slack_s = config.deadline_slack_s
        self._limit = config.max_concurrent_calls
        self._keys = Keys(config.keys())
        self._in_flight = 0
        self._in_flight_gauge = telemetry.CALLS_IN_FLIGHT.labels(service)
        self._mean_s = 0.1
        self._wrapped: dict[str, Any] = {}

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        method: str = details.method
        handler = await continuation(details)
        if handler is None or method.startswith(HEALTH):
            return handler
        known = self._wrapped.get(method)
        if known is None or known[0] is not handler:
            known = self._wrapped[method] = (handler, self._wrap(handler, method.rpartition("/")[2]))
        return known[1]

    def _wrap(self, handler: Any, method: str) -> Any:
        parse = handler.request_deserializer or bytes
        read: Callable[[Any], Any] = _each_parsed(parse) if handler.request_streaming else _parsed(parse)
        if handler.response_streaming:
            answers = handler.stream_stream or handler.unary_stream

            async def stream(request: Any, context: Any) -> None:
                async with (
                    self._call(method, context) as call,
                    self._deadline(call),
                    contextlib.aclosing(answers(read(request), context)) as responses,
                ):
                    async for response in responses:
                        await context.write(response)

            if handler.request_streaming:
                return grpc.stream_stream_rpc_method_handler(stream, None, handler.response_serializer)
            return grpc.unary_stream_rpc_method_handler(stream, None, handler.response_serializer)

        answer = handler.stream_unary or handler.unary_unary

        async def unary(request: Any, context: Any) -> Any:
            async with self._call(method, context) as call, self._deadline(call):
                return await answer(read(request), context)

        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(unary, None, handler.response_serializer)
        return grpc.unary_unary_rpc_method_handler(unary, None, handler.response_serializer)

    def _deadline(self, call: CallContext) -> asyncio.Timeout:
        """Ends the work a little before the caller gives up, and a little after the calls made for it have."""
        remaining_s = call.remaining_s()
        return asyncio.timeout(None if remaining_s is None else max(0.0, remaining_s - self._slack_s / 2))

    @contextlib.asynccontextmanager
    async def _call(self, method: str, context: Any) -> AsyncIterator[CallContext]:
        metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        remaining_s = context.time_remaining()
        started_s = time.monotonic()
        deadline_s = started_s + remaining_s if remaining_s is not None and remaining_s < NO_DEADLINE_S else None
        call = CallContext(deadline_s, request_id_of(metadata.get(REQUEST_ID_KEY, "")))
        enter_call(call)
        otel_context.attach(telemetry.incoming_trace(metadata))
        code = grpc.StatusCode.OK
        admitted = False
        self._in_flight += 1
        self._in_flight_gauge.set(self._in_flight)
        with telemetry.tracer().start_as_current_span(
            f"{self._service}/{method}",
            kind=trace.SpanKind.SERVER,
            # An exception's message may quote the request.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                self._check_limit()
                tenant = self._keys.tenant(metadata.get("authorization", ""), metadata.get(TENANT_KEY, ""))
                admitted = True
                local_only = is_local_only(metadata.get(LOCAL_ONLY_KEY, ""))
                call = CallContext(deadline_s, call.request_id, tenant, local_only=local_only)
                enter_call(call)
                yield call
                context.set_trailing_metadata(tuple(_timings(call, started_s)))
            except asyncio.CancelledError:
                code = grpc.StatusCode.CANCELLED
                raise
            except grpc.aio.AbortError:
                code = context.code() or grpc.StatusCode.UNKNOWN
                raise
            except grpc.aio.BaseError:
                # The caller is gone, or the server stopped, while a message was written.
                code = grpc.StatusCode.CANCELLED
                raise
            except Exception as error:
                code, message, details = _status(error, call)
                await context.abort(code, message, trailing_metadata=(*details, *_timings(call, started_s)))
            finally:
                if code is not grpc.StatusCode.OK:
                    span.set_status(trace.StatusCode.ERROR, code.name)
                elapsed_s = time.monotonic() - started_s
                if admitted:
                    self._mean_s = 0.9 * self._mean_s + 0.1 * elapsed_s
                self._ended(method, code, elapsed_s, call)

    def _check_limit(self) -> None:
        if self._in_flight > self._limit:
            raise Overloaded(
                f"{self._service} already serves {self._limit} calls", retry_after_s=min(30.0, max(0.05, self._mean_s))
            )

    def _ended(self, method: str, code: grpc.StatusCode, elapsed_s: float, call: CallContext) -> None:
        self._in_flight -= 1
        self._in_flight_gauge.set(self._in_flight)
        telemetry.CALLS.labels(self._service, method, code.name).inc()
        telemetry.CALL_SECONDS.labels(self._service, method).observe(elapsed_s)
        extra = {"method": method, "code": code.name, "elapsed_ms": round(elapsed_s * 1000, 1)}
        if call.tenant:
            extra["tenant"] = call.tenant
        log.info("call", extra=extra)


def _parsed(parse: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def read(message: bytes) -> Any:
        try:
            return parse(message)
        except DecodeError as error:
            raise InvalidInput("the request is not a message of this call") from error

    return read


def _each_parsed(parse: Callable[[bytes], Any]) -> Callable[[AsyncIterator[bytes]], AsyncIterator[Any]]:
    read = _parsed(parse)

    async def read_each(messages: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        async for message in messages:
            yield read(message)

    return read_each


def _timings(call: CallContext, started_s: float) -> list[tuple[str, str]]:
    timings_ms = {**call.timings_ms, "total": (time.monotonic() - started_s) * 1000}
    timings = [(f"ledge-{name}-ms", f"{value:.2f}") for name, value in timings_ms.items()]
    return [*timings, *((f"ledge-{name}", value) for name, value in call.notes.items())]


def _status(error: Exception, call: CallContext) -> tuple[grpc.StatusCode, str, list[tuple[str, bytes]]]:
    """Code, message and trailing metadata of an error. What a service said passes unchanged."""
    if isinstance(error, grpc.aio.AioRpcError) and (details := upstream_details(error)):
        return error.code(), error.details() or error.code().name, list(details)
    told = _told(error, call)
    return told.code, told.message, [(DETAILS_KEY, to_details(told))]


def _told(error: Exception, call: CallContext) -> LedgeError:
    if isinstance(error, LedgeError):
        if isinstance(error, EngineFailed):
            log.error("engine failed", exc_info=error)
        return error
    if isinstance(error, grpc.aio.AioRpcError):
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            log.warning("a peer cannot be reached", extra={"reason": error.details()})
        return from_rpc(error)
    if isinstance(error, TimeoutError):
        return TooSlow("the deadline passed before the answer was ready")
    log.error("unexpected error", exc_info=error)
    return EngineFailed(f"internal error; the log has it under request id {call.request_id}")
