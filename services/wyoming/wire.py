"""Reads and writes Wyoming's events on a connection, within bounds of size and time.

An event is a line of JSON (`type`, `data`, and the lengths of what follows), then more
JSON of `data`, then bytes. The protocol's own library reads as much as a line asks for.
"""

import asyncio
import json
import re
from typing import Any

from wyoming.event import Event, Eventable, async_write_event

from services.kit.errors import InvalidInput
from services.wyoming.config import WyomingConfig

MAX_LINE_BYTES = 64 * 1024
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class Gone(Exception):
    """The other side has closed the connection, or cannot be reached any more."""


class Wire:
    """One connection; one task reads, and whole events may be written by any."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, config: WyomingConfig) -> None:
        self._reader = reader
        self._writer = writer
        self._client_timeout_s = config.client_timeout_s
        self._max_bytes = config.max_payload_bytes

    async def read(self) -> Event:
        """The next event, however long it takes to begin.

        Raises:
            Gone: there is none.
            InvalidInput: what comes is not an event, too large, or too slow; nothing can be read after it.
        """
        try:
            first = await self._reader.readexactly(1)
            async with asyncio.timeout(self._client_timeout_s):
                return await self._event(first)
        except TimeoutError as error:
            raise InvalidInput("the rest of an event did not come in time") from error
        except (asyncio.IncompleteReadError, OSError) as error:
            raise Gone from error

    async def _event(self, first: bytes) -> Event:
        try:
            line = first if first == b"\n" else first + await self._reader.readuntil(b"\n")
        except asyncio.LimitOverrunError as error:
            raise InvalidInput(f"the line of an event is longer than {MAX_LINE_BYTES} bytes") from error
        head = _object(line)
        kind = head.get("type")
        if not isinstance(kind, str):
            raise InvalidInput("an event is a line of JSON with a type")
        data = head.get("data") or {}
        more = await self._following(head, "data_length")
        payload = await self._following(head, "payload_length")
        if not isinstance(data, dict):
            raise InvalidInput("the data of an event is an object")
        return Event(kind, data | _object(more) if more else data, payload or None)

    async def _following(self, head: dict[str, Any], name: str) -> bytes:
        length = head.get(name) or 0
        if not isinstance(length, int) or not 0 <= length <= self._max_bytes:
            raise InvalidInput(f"{name} is a number of bytes, at most {self._max_bytes}")
        return await self._reader.readexactly(length) if length else b""

    async def write(self, eventable: Eventable) -> None:
        """Sends an event; waits while the other side takes nothing.

        Raises:
            Gone: the other side has not taken it.
        """
        try:
            await async_write_event(eventable.event(), self._writer)
        except OSError as error:
            raise Gone from error

    async def close(self, *, linger_s: float = 0) -> None:
        """Ends the connection. What the other side still sends is read for a while: else it may never see an answer."""
        try:
            async with asyncio.timeout(linger_s):
                self._writer.write_eof()
                while linger_s and await self._reader.read(2**16):
                    pass
        except (OSError, TimeoutError):
            pass
        self._writer.close()


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
        if SURROGATE.search(text):
            # Half a character, which no text can hold.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise InvalidInput("an event is a line of JSON with a type") from error
    if not isinstance(value, dict):
        raise InvalidInput("an event is a line of JSON with a type")
    return value
