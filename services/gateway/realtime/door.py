"""The door of `/v1/realtime`: lets sessions in, no more than so many at a time, and tells of each in one log line."""

import logging
import time

from opentelemetry import context as otel_context
from opentelemetry import trace
from prometheus_client import Gauge
from starlette.websockets import WebSocket

from services.gateway.config import GatewayConfig
from services.gateway.errors import response_of
from services.gateway.peers import SESSION_SPARE_S, Peers
from services.gateway.realtime.admission import PROTOCOL, Admission
from services.gateway.realtime.client_secrets import ClientSecrets
from services.gateway.realtime.names import Names
from services.gateway.realtime.session import CONNECTION_LOST, RealtimeSession
from services.kit import telemetry
from services.kit.auth import Keys
from services.kit.context import LOCAL_ONLY_KEY, CallContext, current_call, enter_call, is_local_only, request_id_of
from services.kit.errors import LedgeError, Overloaded

log = logging.getLogger("ledge.gateway")
PATH = "/v1/realtime"
SESSIONS = Gauge("ledge_realtime_sessions", "Realtime sessions that are open now.")


class RealtimeDoor:
    """One of a gateway's."""

    def __init__(self, config: GatewayConfig, peers: Peers) -> None:
        self.names = Names(peers.aliases, peers.voice_aliases, peers.rag_model)
        self.secrets = ClientSecrets(config.keys())
        self._peers = peers
        self._admission = Admission(Keys(config.keys()), self.secrets, frozenset(config.cors_allow_origins), self.names)
        self._max_sessions = config.max_realtime_sessions
        self._session_s = config.realtime_session_s
        self._sessions = 0

    async def serve(self, socket: WebSocket) -> None:
        """One connection, from its request to its end."""
        started_s = time.monotonic()
        until_s = started_s + self._session_s + SESSION_SPARE_S
        call = CallContext(until_s, request_id_of(socket.headers.get("x-request-id", "")))
        enter_call(call)
        otel_context.attach(telemetry.incoming_trace(socket.headers))
        with telemetry.tracer().start_as_current_span(
            f"gateway {PATH}", kind=trace.SpanKind.SERVER, record_exception=False, set_status_on_exception=False
        ):
            status = 500
            try:
                status = await self._serve(socket, call)
            except OSError:
                # Gone before it was let in, or told why not.
                status = CONNECTION_LOST
            finally:
                self._told(status, time.monotonic() - started_s)

    async def _serve(self, socket: WebSocket, call: CallContext) -> int:
        protocols = socket.scope["subprotocols"]
        try:
            admitted = self._admission.admit(socket, protocols)
            voice = self._peers.talking()
            if self._sessions >= self._max_sessions:
                raise Overloaded(f"all {self._max_sessions} realtime sessions are taken", retry_after_s=1)
        except LedgeError as error:
            await socket.send_denial_response(response_of(PATH, error))
            return error.http
        # Pages in a browser can send no header of their own: they label in the address.
        local_only = any(is_local_only(said.get(LOCAL_ONLY_KEY, "")) for said in (socket.headers, socket.query_params))
        enter_call(CallContext(call.deadline_s, call.request_id, admitted.tenant, local_only=local_only))
        self._sessions += 1
        SESSIONS.set(self._sessions)
        try:
            await socket.accept(
                PROTOCOL if PROTOCOL in protocols else None, [(b"x-request-id", call.request_id.encode())]
            )
            return await RealtimeSession(socket, voice.Converse(), admitted, self.names, self._session_s).run()
        finally:
            self._sessions -= 1
            SESSIONS.set(self._sessions)

    def _told(self, status: int, elapsed_s: float) -> None:
        telemetry.CALLS.labels("gateway", PATH, str(status)).inc()
        extra = {"route": PATH, "status": status, "elapsed_ms": round(elapsed_s * 1000, 1)}
        call = current_call()
        if call is not None and call.tenant:
            extra["tenant"] = call.tenant
        log.info("session", extra=extra)
