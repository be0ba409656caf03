"""One session: what the client sends goes up, what the service tells comes down, and an end on one side ends both."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from ledge.voice.v1 import voice_pb2 as pb
from starlette.websockets import WebSocket, WebSocketDisconnect

from services.gateway import error_shapes
from services.gateway.errors import ledge_error, told
from services.gateway.realtime.admission import Admitted
from services.gateway.realtime.client_events import ClientEvents, event_id_of
from services.gateway.realtime.faults import EventRefused, error_event
from services.gateway.realtime.names import Names
from services.gateway.realtime.server_events import Event, ServerEvents
from services.gateway.realtime.view import SessionView
from services.kit.errors import InvalidInput, LedgeError, NotFound, NotReady, Overloaded
from services.kit.relay import relay

NORMAL, LEAVING, POLICY, FAILED, TRY_LATER = 1000, 1001, 1008, 1011, 1013
SERVER_LEAVES = 1012
"""With what uvicorn tells the app that the server stops: see `Socket`."""
CONNECTION_LOST = 1006
MAX_REASON_BYTES = 120
"""A close frame has room for 123."""


class ClientLeft(Exception):
    """The client closed the connection, with this code, or lost it."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Ended:
    """Why a session is over."""

    code: int
    reason: str


class RealtimeSession:
    """Pumps and translates; it holds one message of each direction, and waits for whoever is slow.

    Args:
        call: of `Converse`, made without an iterator of requests.
        lasts_s: after so long it ends.
    """

    def __init__(self, socket: WebSocket, call: Any, admitted: Admitted, names: Names, lasts_s: float) -> None:
        self._socket = socket
        self._call = call
        self._lasts_s = lasts_s
        self._view = SessionView(wants_ledge=admitted.wants_ledge)
        self._view.pending.transcription.partials = True
        self._view.asked(admitted.session)
        self._client = ClientEvents(self._view, names)
        self._server = ServerEvents(self._view, names, int(time.time() + lasts_s))
        self._leaving = False

    async def run(self) -> int:
        """Serves until either side ends; gives the code that the connection was closed with."""
        try:
            ended = await self._converse()
        except ClientLeft as left:
            return left.code
        except asyncio.CancelledError:
            # The gateway has waited long enough for the answer under way.
            await self._close(Ended(LEAVING, "the gateway is stopping"))
            raise
        await self._close(ended)
        return ended.code

    async def _converse(self) -> Ended:
        try:
            async with (
                asyncio.timeout(self._lasts_s) as lasts,
                contextlib.aclosing(relay(self._call, self._requests())) as responses,
            ):
                async for response in responses:
                    for event in self._server.write(response):
                        await self._send(event)
        except ClientLeft:
            raise
        except TimeoutError:
            if not lasts.expired():
                raise
            message = f"the session reached its longest time, {self._lasts_s:g} seconds"
            await self._send_error(message, "invalid_request_error", "session_expired")
            return Ended(LEAVING, message)
        except Exception as error:
            return await self._failed(ledge_error(error))
        if self._leaving:
            return Ended(LEAVING, "the gateway is stopping")
        return await self._failed(NotReady("the voice service has ended the session: open another"))

    async def _requests(self) -> AsyncGenerator[pb.ConverseRequest]:
        yield pb.ConverseRequest(session=self._view.pending)
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                if message.get("code") == SERVER_LEAVES:
                    self._leaving = True
                    return
                raise ClientLeft(message.get("code", CONNECTION_LOST))
            text = message.get("text")
            try:
                if text is None:
                    raise EventRefused("events are JSON in text messages", code="invalid_event")
                for asked in self._client.read(text):
                    yield asked
            except EventRefused as refused:
                caused_by = event_id_of(text) if text else None
                event = error_event(refused.message, "invalid_request_error", refused.code, refused.param, caused_by)
                await self._send(self._server.stamped(event))

    async def _failed(self, error: LedgeError) -> Ended:
        fault = error_shapes.openai(told(error))["error"]
        await self._send_error(fault["message"], fault["type"], fault["code"])
        match error:
            case InvalidInput() | NotFound():
                return Ended(POLICY, error.message)
            case NotReady() | Overloaded():
                return Ended(TRY_LATER, error.message)
        return Ended(FAILED, error.message)

    async def _send_error(self, message: str, kind: str, code: str | None) -> None:
        await self._send(self._server.stamped(error_event(message, kind, code, None, None)))

    async def _send(self, event: Event) -> None:
        try:
            await self._socket.send_text(json.dumps(event, ensure_ascii=False, separators=(",", ":")))
        except WebSocketDisconnect as gone:
            raise ClientLeft(gone.code) from gone
        except RuntimeError as gone:
            # The other task has found it gone before.
            raise ClientLeft(CONNECTION_LOST) from gone

    async def _close(self, ended: Ended) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await self._socket.close(ended.code, _short(ended.reason))


def _short(reason: str) -> str:
    return reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
