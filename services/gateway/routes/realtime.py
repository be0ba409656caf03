"""`/v1/realtime`: OpenAI's Realtime protocol over WebSocket, and the client secrets that open it."""

import uuid
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket

from services.gateway.body import Body, JsonRoute
from services.gateway.errors import refusal
from services.gateway.realtime.door import PATH, RealtimeDoor
from services.gateway.realtime.session_body import SessionBody
from services.gateway.realtime.session_json import session_json
from services.gateway.realtime.view import SessionView
from services.kit.context import current_call

router = APIRouter(route_class=JsonRoute)


class ExpiresAfter(Body):
    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, Field(ge=10, le=7200)] = 600


class ClientSecretRequest(Body):
    expires_after: ExpiresAfter = Field(default_factory=ExpiresAfter)
    session: SessionBody = Field(default_factory=SessionBody)


@router.websocket(PATH)
async def realtime(socket: WebSocket) -> None:
    """One session."""
    door: RealtimeDoor = socket.app.state.realtime
    await door.serve(socket)


@router.get(PATH, include_in_schema=False)
async def not_upgraded(request: Request) -> Response:
    """Told to those that come without an upgrade."""
    return refusal(request.url.path, "this is a WebSocket: connect to it as one", 426, {"upgrade": "websocket"})


@router.post("/v1/realtime/client_secrets")
async def client_secrets(body: ClientSecretRequest, request: Request) -> Response:
    """A key of short life that opens sessions, for a page that must not know a real one."""
    door: RealtimeDoor = request.app.state.realtime
    request.app.state.peers.talking()
    call = current_call()
    session = body.session.change(SessionView(), door.names)
    value, opened = door.secrets.make(
        call.tenant if call else "",
        session,
        wants_ledge=body.session.ledge is not None,
        lives_s=body.expires_after.seconds,
    )
    told: dict[str, Any] = session_json(session, f"sess_{uuid.uuid4().hex}", opened.expires_at, door.names)
    return JSONResponse({"value": value, "expires_at": opened.expires_at, "session": told})
