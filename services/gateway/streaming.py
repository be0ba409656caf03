"""Server-sent events, and calls that end when their HTTP client is gone."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Iterator
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Send

from services.gateway.errors import body_of, ledge_error

Result = TypeVar("Result")
DONE = "data: [DONE]\n\n"


def event(payload: dict[str, Any]) -> str:
    """One server-sent event with a JSON payload."""
    return f"data: {json.dumps(payload, ensure_ascii=False, separators=(',', ':'), allow_nan=False)}\n\n"


class EventStream(StreamingResponse):
    """Streams events, and closes their generator whichever way the response ends."""

    def __init__(self, events: AsyncGenerator[str, None]) -> None:
        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._events = events

    async def stream_response(self, send: Send) -> None:
        async with contextlib.aclosing(self._events):
            await super().stream_response(send)


async def event_stream(request: Request, events: AsyncGenerator[str, None]) -> EventStream:
    """Streams events as OpenAI does, ending with `[DONE]`.

    The first event is awaited before the response begins, so that what fails at
    once has its proper HTTP status; what fails later ends the stream with an
    error event. A client that closes the connection cancels `events`, and with it
    the calls below.
    """
    first = await while_connected(request, anext(events, DONE))
    return EventStream(_with_ending(first, events))


async def _with_ending(first: str, events: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    async with contextlib.aclosing(events):
        yield first
        try:
            async for item in events:
                yield item
        except Exception as error:
            told = ledge_error(error)
            yield event(body_of(told.message, told.http, code=told.reason.lower()))
            return
    if first is not DONE:
        yield DONE


async def while_connected(request: Request, call: Awaitable[Result]) -> Result:
    """Awaits a call, and cancels it when the client closes the connection first."""
    working = asyncio.ensure_future(call)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        gone.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


@contextlib.contextmanager
def cancelled_after(call: Any) -> Iterator[None]:
    """Cancels a gRPC call when the block that reads it is left, however it is left."""
    try:
        yield
    finally:
        call.cancel()
