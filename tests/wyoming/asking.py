"""Short ways to talk with the door in events."""

from collections.abc import Iterable
from typing import Any

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event, Eventable

from tests.asr.asking import RATE_HZ

FORMAT = {"rate": RATE_HZ, "width": 2, "channels": 1}


async def send(client: AsyncTcpClient, *eventables: Eventable) -> None:
    for eventable in eventables:
        await client.write_event(eventable.event())


def audio_events(audio: bytes, piece_bytes: int = 2048, **format: int) -> list[Eventable]:
    told: dict[str, Any] = {**FORMAT, **format}
    chunks = [
        AudioChunk(audio=audio[start : start + piece_bytes], **told) for start in range(0, len(audio), piece_bytes)
    ]
    return [AudioStart(**told), *chunks, AudioStop()]


async def read_until(client: AsyncTcpClient, last: str) -> list[Event]:
    """The events up to one of this type; fails on an error that was not asked for, and on the connection's end."""
    events: list[Event] = []
    while not events or events[-1].type != last:
        event = await client.read_event()
        assert event is not None, f"the connection ended after {[event.type for event in events]}"
        assert last == "error" or not Error.is_type(event.type), event.data
        events.append(event)
    return events


async def error_of(client: AsyncTcpClient) -> Error:
    """The error that comes next, behind which the connection ends."""
    error = Error.from_event((await read_until(client, "error"))[-1])
    assert await client.read_event() is None
    return error


def types(events: Iterable[Event]) -> list[str]:
    """Their types, each run of the same told once."""
    kinds = [event.type for event in events]
    return [kind for number, kind in enumerate(kinds) if not number or kinds[number - 1] != kind]
