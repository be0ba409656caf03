"""Runs one service: binds, loads, serves, drains.

BIND ──► LOAD ──► SERVE ──SIGTERM──► SETTLE ──settle_s──► FINISH ──drain_s──► exit 0
 │        │         │                  │                    │
 │        │         │                  │                    └ calls in flight end; new ones are refused
 │        │         │                  └ health NOT_SERVING; calls are still taken
 │        │         └ health SERVING, /v1/health/ready 200
 │        └ calls answer UNAVAILABLE; liveness is true; a model that cannot be loaded: exit 1
 └ a busy port or bad config: one sentence, exit 2
"""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, NoReturn, Protocol, TypeVar

import grpc
from google.protobuf.descriptor import FileDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from ledge.model.v1 import model_pb2
from opentelemetry import context as otel_context
from opentelemetry import trace

from services.kit import ops, telemetry
from services.kit.auth import Keys
from services.kit.config import ServiceConfig, read_config, refuse
from services.kit.context import REQUEST_ID_KEY, TENANT_KEY, CallContext, enter_call, request_id_of
from services.kit.errors import (
    EngineFailed,
    LedgeError,
    NotReady,
    Overloaded,
    TooSlow,
    to_details,
    upstream_details,
)

log = logging.getLogger("ledge.server")
Config = TypeVar("Config", bound=ServiceConfig)
HEALTH = "/grpc.health.v1.Health/"


class Service(Protocol):
    """What `serve` needs of a service."""

    def mount(self, server: Any) -> None:
        """Adds its handlers: `rpc.add_…Servicer_to_server(self, server)`."""

    def models(self) -> Sequence[model_pb2.ModelInfo]:
        """The models it serves; empty for a composition."""

    async def close(self) -> None:
        """Frees the engine, after the last call has ended."""


class _Gate(grpc.GenericRpcHandler):
    """Holds the place of handlers that come later: a gRPC server wants them all before it starts."""

    def __init__(self, services: frozenset[str]) -> None:
        self._services = services
        self._handlers: dict[str, Any] = {}

    def add_generic_rpc_handlers(self, handlers: Sequence[Any]) -> None:
        """Taken as a gRPC server does; the same methods come by name right after."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        for method, handler in handlers.items():
            self._handlers[f"/{service}/{method}"] = handler

    def service(self, handler_call_details: Any) -> Any:
        method = handler_call_details.method
        if method in self._handlers:
            return self._handlers[method]
        loading = not self._handlers and method.split("/")[1] in self._services
        return grpc.unary_unary_rpc_method_handler(_refuse_while_loading) if loading else None


async def _refuse_while_loading(_request: Any, _context: Any) -> NoReturn:
    raise NotReady("the service is loading its model")


class Calls(grpc.aio.ServerInterceptor):
    """Everything that holds for each call: key, limits, deadline, trace, timings, errors, metrics, one log line."""

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
        if method.startswith(HEALTH):
            return await continuation(details)
        handler = await continuation(details)
        if handler is None:
            return None
        known = self._wrapped.get(method)
        if known is None or known[0] is not handler:
            known = self._wrapped[method] = (handler, self._wrap(handler, method.rpartition("/")[2]))
        return known[1]

    def _wrap(self, handler: Any, method: str) -> Any:
        if handler.response_streaming:
            inner = handler.stream_stream or handler.unary_stream

            async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
                async with self._call(method, context), contextlib.aclosing(inner(request, context)) as responses:
                    async for response in responses:
                        yield response

            kind = (
                grpc.stream_stream_rpc_method_handler
                if handler.request_streaming
                else (grpc.unary_stream_rpc_method_handler)
            )
            return kind(stream, handler.request_deserializer, handler.response_serializer)

        inner = handler.stream_unary or handler.unary_unary

        async def unary(request: Any, context: Any) -> Any:
            async with self._call(method, context) as call:
                remaining_s = call.remaining_s()
                if remaining_s is None:
                    return await inner(request, context)
                async with asyncio.timeout(max(0.0, remaining_s - self._slack_s)):
                    return await inner(request, context)

        kind = (
            grpc.stream_unary_rpc_method_handler if handler.request_streaming else (grpc.unary_unary_rpc_method_handler)
        )
        return kind(unary, handler.request_deserializer, handler.response_serializer)

    @contextlib.asynccontextmanager
    async def _call(self, method: str, context: Any) -> AsyncIterator[CallContext]:
        metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        remaining_s = context.time_remaining()
        # Without a deadline gRPC reports a date in the far future.
        deadline_s = time.monotonic() + remaining_s if remaining_s is not None and remaining_s < 1e8 else None
        call = CallContext(deadline_s, request_id_of(metadata.get(REQUEST_ID_KEY, "")))
        enter_call(call)
        otel_context.attach(telemetry.incoming_trace(metadata))
        started_s = time.monotonic()
        code = grpc.StatusCode.OK
        self._in_flight += 1
        self._in_flight_gauge.set(self._in_flight)
        with telemetry.tracer().start_as_current_span(
            f"{self._service}/{method}", kind=trace.SpanKind.SERVER, record_exception=False
        ):
            try:
                self._check_limit()
                tenant = self._keys.tenant(metadata.get("authorization", ""), metadata.get(TENANT_KEY, ""))
                call = CallContext(deadline_s, call.request_id, tenant)
                enter_call(call)
                yield call
                context.set_trailing_metadata(tuple(_timings(call, started_s)))
            except asyncio.CancelledError:
                code = grpc.StatusCode.CANCELLED
                raise
            except grpc.aio.AbortError:
                code = context.code() or grpc.StatusCode.UNKNOWN
                raise
            except grpc.aio.AioRpcError as error:
                code = error.code()
                details = [*upstream_details(error), *_timings(call, started_s)]
                await context.abort(code, error.details() or code.name, trailing_metadata=tuple(details))
            except Exception as error:
                told = _told(error, call)
                code = told.code
                details = [("grpc-status-details-bin", to_details(told)), *_timings(call, started_s)]
                await context.abort(code, told.message, trailing_metadata=tuple(details))
            finally:
                self._ended(method, code, time.monotonic() - started_s, call)

    def _check_limit(self) -> None:
        if self._in_flight > self._limit:
            raise Overloaded(
                f"{self._service} already serves {self._limit} calls", retry_after_s=min(30.0, max(0.05, self._mean_s))
            )

    def _ended(self, method: str, code: grpc.StatusCode, elapsed_s: float, call: CallContext) -> None:
        self._in_flight -= 1
        self._mean_s = 0.9 * self._mean_s + 0.1 * elapsed_s
        self._in_flight_gauge.set(self._in_flight)
        telemetry.CALLS.labels(self._service, method, code.name).inc()
        telemetry.CALL_SECONDS.labels(self._service, method).observe(elapsed_s)
        extra = {"method": method, "code": code.name, "elapsed_ms": round(elapsed_s * 1000, 1)}
        if call.tenant:
            extra["tenant"] = call.tenant
        log.info("call", extra=extra)


def _timings(call: CallContext, started_s: float) -> list[tuple[str, str]]:
    timings_ms = {**call.timings_ms, "total": (time.monotonic() - started_s) * 1000}
    return [(f"ledge-{name}-ms", f"{value:.2f}") for name, value in timings_ms.items()]


def _told(error: Exception, call: CallContext) -> LedgeError:
    if isinstance(error, LedgeError):
        if isinstance(error, EngineFailed):
            log.error("engine failed", exc_info=error)
        return error
    if isinstance(error, TimeoutError):
        return TooSlow("the deadline passed while the engine was at work")
    log.error("unexpected error", exc_info=error)
    return EngineFailed(f"internal error; the log has it under request id {call.request_id}")


class Server:
    """A service's server. `start` binds, `load` makes it ready, `stop` drains; one event loop, used once."""

    def __init__(self, name: str, config: ServiceConfig, contract: FileDescriptor) -> None:
        self._config = config
        self._names = [service.full_name for service in contract.services_by_name.values()]
        self._gate = _Gate(frozenset(self._names))
        self._health = health.aio.HealthServicer()
        self._service: Service | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._plain_health: grpc.aio.Server | None = None
        self.status = ops.Status(name, config)
        self.port = 0
        self.ops_port = 0
        self.health_port = 0

    async def start(self) -> None:
        """Binds all ports; liveness is true from here on."""
        config = self._config
        socket = ops.listen(config.host, config.ops_port, "LEDGE_OPS_PORT")
        self.ops_port = socket.getsockname()[1]
        self._grpc = grpc.aio.server(
            interceptors=[Calls(self.status.service, config)],
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", config.max_message_bytes),
                ("grpc.max_send_message_length", config.max_message_bytes),
                ("grpc.max_metadata_size", 16 * 1024),
                ("grpc.keepalive_time_ms", 30_000),
                ("grpc.keepalive_timeout_ms", 10_000),
                ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
                ("grpc.keepalive_permit_without_calls", 1),
            ],
        )
        self._grpc.add_generic_rpc_handlers((self._gate,))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._grpc)
        reflection.enable_server_reflection([*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME], self._grpc)
        await self._health.set("", health_pb2.HealthCheckResponse.SERVING)
        await self._set_ready(False)
        self.port = _bind(self._grpc, config, config.port, "LEDGE_PORT")
        if config.health_port is not None:
            self._plain_health = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
            health_pb2_grpc.add_HealthServicer_to_server(self._health, self._plain_health)
            self.health_port = _bind_plain(self._plain_health, config, config.health_port, "LEDGE_HEALTH_PORT")
            await self._plain_health.start()
        await self._grpc.start()
        self._http = ops.http_server(ops.ops_app(self.status))
        self._tasks.append(asyncio.create_task(self._http.serve(sockets=[socket])))
        extra = {"port": self.port, "ops_port": self.ops_port, "health_port": self.health_port}
        log.info("listening", extra=extra)

    async def load(self, build: Callable[[], Awaitable[Service]]) -> None:
        """Builds the service and opens the gate; readiness is true when it returns."""
        started_s = time.monotonic()
        self._service = await build()
        self._service.mount(self._gate)
        self.status.models = self._service.models
        await self._set_ready(True)
        log.info("ready", extra={"load_s": round(time.monotonic() - started_s, 2)})

    async def stop(self) -> None:
        """Says NOT_SERVING, settles, lets calls in flight finish, then frees the engine."""
        self.status.message = "draining"
        await self._set_ready(False)
        log.info("draining")
        await asyncio.sleep(self._config.settle_s)
        await self._grpc.stop(self._config.drain_s)
        if self._service is not None:
            await self._service.close()
        if self._plain_health is not None:
            await self._plain_health.stop(None)
        self._http.should_exit = True
        await asyncio.gather(*self._tasks)
        log.info("stopped")

    async def _set_ready(self, ready: bool) -> None:
        self.status.ready = ready
        state = health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in self._names:
            await self._health.set(name, state)


def _bind(server: grpc.aio.Server, config: ServiceConfig, port: int, setting: str) -> int:
    if config.tls_cert_file is None or config.tls_key_file is None:
        return _bind_plain(server, config, port, setting)
    client_ca = config.tls_client_ca_file.read_bytes() if config.tls_client_ca_file else None
    credentials = grpc.ssl_server_credentials(
        [(config.tls_key_file.read_bytes(), config.tls_cert_file.read_bytes())], client_ca, client_ca is not None
    )
    with _busy_port(config, port, setting):
        return server.add_secure_port(f"{config.host}:{port}", credentials)


def _bind_plain(server: grpc.aio.Server, config: ServiceConfig, port: int, setting: str) -> int:
    with _busy_port(config, port, setting):
        return server.add_insecure_port(f"{config.host}:{port}")


@contextlib.contextmanager
def _busy_port(config: ServiceConfig, port: int, setting: str) -> Any:
    try:
        yield
    except RuntimeError:
        refuse([f"cannot listen on {config.host}:{port}: stop what uses it, or set {setting}"])


async def serve(
    name: str, config: Config, contract: FileDescriptor, build: Callable[[Config], Awaitable[Service]]
) -> int:
    """Runs a service until SIGTERM or SIGINT. Returns the exit code."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stopping.set)
    server = Server(name, config, contract)
    await server.start()
    loading = asyncio.create_task(server.load(lambda: build(config)))
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait((loading, stop), return_when=asyncio.FIRST_COMPLETED)
    if loading.done() and (error := loading.exception()) is not None:
        stop.cancel()
        if isinstance(error, LedgeError):
            log.error(error.message)
        else:
            log.error("the service cannot start", exc_info=error)
        return 1
    await stop
    loading.cancel()
    await server.stop()
    return 0


def run(
    name: str, kind: type[Config], contract: FileDescriptor, build: Callable[[Config], Awaitable[Service]]
) -> NoReturn:
    """The whole of a service's `__main__`: reads the config, sets up telemetry, serves, exits."""
    config = read_config(kind)
    telemetry.set_up(name, config.log_level, config.log_format)
    raise SystemExit(asyncio.run(serve(name, config, contract, build)))
