"""Server-sent events, and calls that end when their HTTP client is gone."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse

from services.gateway.errors import body_of, ledge_error

Result = TypeVar("Result")
DONE = "data: [DONE]\n\n"


def event(payload: dict[str, Any]) -> str:
    """One server-sent event with a JSON payload."""
    return f"data: {json.dumps(payload, ensure_ascii=False, separators=(',', ':'))}\n\n"


async def event_stream(request: Request, events: AsyncGenerator[str, None]) -> StreamingResponse:
    """Streams events as OpenAI does, ending with `[DONE]`.

    The first event is awaited before the response begins, so that what fails at
    once has its proper HTTP status; what fails later ends the stream with an
    error event. A client that closes the connection cancels `events`, and with it
    the calls below.
    """
    first = await while_connected(request, anext(events, None))

    async def body() -> AsyncIterator[str]:
        try:
            async with contextlib.aclosing(events):
                if first is not None:
                    yield first
                async for item in events:
                    yield item
        except Exception as error:
            told = ledge_error(error)
            yield event(body_of(told.message, told.http, code=told.reason.lower()))
        else:
            yield DONE

    headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
    return StreamingResponse(body(), media_type="text/event-stream", headers=headers)


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
