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
import gc
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

from services.kit import ops, telemetry
from services.kit.calls import Calls
from services.kit.config import ServiceConfig, read_config, refuse
from services.kit.errors import LedgeError, NotReady
from services.kit.loading_turn import loading_turn

log = logging.getLogger("ledge.server")
NEW_OBJECTS = 20_000
"""How many come to be before Python looks for cycles among them; by its own 700 it does so several times a call."""
NEVER_MS = 2**31 - 1
Config = TypeVar("Config", bound=ServiceConfig)
Contracts = FileDescriptor | Sequence[FileDescriptor]
"""The proto files whose services a server offers; most have one."""


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

    def __init__(self, methods: frozenset[str]) -> None:
        self._methods = methods
        self._handlers: dict[str, Any] = {}
        # Refuses without waiting for a message, whichever way the method streams.
        self._loading: Any = grpc.stream_stream_rpc_method_handler(_refuse_while_loading)

    def add_generic_rpc_handlers(self, handlers: Sequence[Any]) -> None:
        """Taken as a gRPC server does; the same methods come by name right after."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        for method, handler in handlers.items():
            self._handlers[f"/{service}/{method}"] = handler

    def service(self, handler_call_details: Any) -> Any:
        method = handler_call_details.method
        if not self._handlers and method in self._methods:
            return self._loading
        return self._handlers.get(method)


class _Health(health.aio.HealthServicer):
    """Lets its watchers go when the server ends, which would wait for them as for any call in flight."""

    def __init__(self) -> None:
        super().__init__()
        self._watching: set[asyncio.Task[None]] = set()
        self._ended = False

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:
        watching = asyncio.ensure_future(super().Watch(request, context))
        self._watching.add(watching)
        try:
            await watching
        except asyncio.CancelledError:
            if not self._ended:
                raise
        finally:
            self._watching.discard(watching)

    def end(self) -> None:
        self._ended = True
        for watching in self._watching:
            watching.cancel()


async def _refuse_while_loading(_requests: Any, _context: Any) -> AsyncIterator[Any]:
    raise NotReady("the service is loading its model")
    yield


class Server:
    """A service's server. `start` binds, `load` makes it ready, `stop` drains; one event loop, used once."""

    def __init__(self, name: str, config: ServiceConfig, contracts: Contracts) -> None:
        self._config = config
        files = [contracts] if isinstance(contracts, FileDescriptor) else contracts
        services = [service for contract in files for service in contract.services_by_name.values()]
        self._names = [service.full_name for service in services]
        self._gate = _Gate(
            frozenset(f"/{service.full_name}/{method.name}" for service in services for method in service.methods)
        )
        self._health = _Health()
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
                ("grpc.max_connection_age_ms", round(config.connection_age_s * 1000) or NEVER_MS),
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
        tls = config if config.ops_tls else None
        self._http = ops.http_server(ops.ops_app(self.status), tls=tls, ask_for_certificates=False)
        self._tasks.append(asyncio.create_task(self._http.serve(sockets=[socket])))
        extra = {"port": self.port, "ops_port": self.ops_port, "health_port": self.health_port}
        log.info("listening", extra=extra)

    async def load(self, build: Callable[[], Awaitable[Service]]) -> None:
        """Builds the service and opens the gate; readiness is true when it returns."""
        async with loading_turn(self._config, self._tell):
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
        await self.close(self._config.drain_s)
        log.info("stopped")

    async def close(self, drain_s: float = 0) -> None:
        """Ends all that `start` began, also where `load` failed: a server that is merely dropped complains of it."""
        self._health.end()
        await self._grpc.stop(drain_s)
        if self._service is not None:
            await self._service.close()
        if self._plain_health is not None:
            await self._plain_health.stop(None)
        self._http.should_exit = True
        await asyncio.gather(*self._tasks)

    def _tell(self, message: str) -> None:
        """Says what it waits for, to readiness and in the log."""
        self.status.message = message
        log.info(message)

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


async def serve(name: str, config: Config, contracts: Contracts, build: Callable[[Config], Awaitable[Service]]) -> int:
    """Runs a service until SIGTERM or SIGINT. Returns the exit code."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stopping.set)
    server = Server(name, config, contracts)
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
        await server.close()
        return 1
    _spare_the_collector()
    await stop
    loading.cancel()
    await server.stop()
    return 0


def _spare_the_collector() -> None:
    """What was loaded stays as long as the process, so it is not searched for cycles again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)


def run(name: str, kind: type[Config], contracts: Contracts, build: Callable[[Config], Awaitable[Service]]) -> NoReturn:
    """The whole of a service's `__main__`: reads the config, sets up telemetry, serves, exits."""
    config = read_config(kind)
    telemetry.set_up(name, config.log_level, config.log_format)
    raise SystemExit(asyncio.run(serve(name, config, contracts, build)))
