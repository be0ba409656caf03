"""Server-sent events, and calls that end when their HTTP client is gone."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Send

from services.gateway import error_shapes
from services.gateway.errors import ledge_error, told
from services.kit.errors import LedgeError

Result = TypeVar("Result")
DONE = "data: [DONE]\n\n"


def event(payload: dict[str, Any]) -> str:
    """One server-sent event with a JSON payload."""
    return f"data: {json.dumps(payload, ensure_ascii=False, separators=(',', ':'), allow_nan=False)}\n\n"


def openai_failed(error: LedgeError) -> str:
    """The event that OpenAI's chats and completions end with when they fail."""
    return event(error_shapes.openai(told(error)))


@dataclass(frozen=True, slots=True)
class Ending:
    """The last event of a stream."""

    done: str
    """When all is said; empty: none."""
    failed: Callable[[LedgeError], str]


OPENAI_ENDING = Ending(DONE, openai_failed)


class ClosingStream(StreamingResponse):
    """Streams what a generator gives, and closes it whichever way the response ends."""

    def __init__(self, pieces: AsyncGenerator[Any, None], media_type: str) -> None:
        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        super().__init__(pieces, media_type=media_type, headers=headers)
        self._pieces = pieces

    async def stream_response(self, send: Send) -> None:
        async with contextlib.aclosing(self._pieces):
            await super().stream_response(send)


class EventStream(ClosingStream):
    """Streams events."""

    def __init__(self, events: AsyncGenerator[str, None]) -> None:
        super().__init__(events, "text/event-stream")


async def byte_stream(request: Request, pieces: AsyncGenerator[bytes, None], media_type: str) -> ClosingStream:
    """Streams bytes as they are made. The first are awaited, so that what fails at once has its proper HTTP status;
    what fails later breaks the connection off, for the bytes have no place for a sentence."""
    first = await while_connected(request, anext(pieces, b""))
    return ClosingStream(_behind(first, pieces), media_type)


async def _behind(first: bytes, pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with contextlib.aclosing(pieces):
        yield first
        async for piece in pieces:
            yield piece


async def event_stream(
    request: Request, events: AsyncGenerator[str, None], ending: Ending = OPENAI_ENDING
) -> EventStream:
    """Streams events; without another ending as OpenAI does, whose last is `[DONE]`.

    The first event is awaited before the response begins, so that what fails at
    once has its proper HTTP status; what fails later ends the stream with an
    error event. A client that closes the connection cancels `events`, and with it
    the calls below.
    """
    first = await while_connected(request, anext(events, ""))
    return EventStream(_with_ending(first, events, ending))


async def _with_ending(first: str, events: AsyncGenerator[str, None], ending: Ending) -> AsyncGenerator[str, None]:
    async with contextlib.aclosing(events):
        if first:
            yield first
        try:
            async for item in events:
                yield item
        except Exception as error:
            yield ending.failed(ledge_error(error))
            return
    if ending.done:
        yield ending.done


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
