"""Sessions that are sent whatever can be sent, in any order: they go on, and tell of each response's end once."""

import asyncio
import base64
import contextlib
import json
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.gateway.suite import PEER_KEY, Suite, talking_suite
from tests.gateway.test_realtime_voice import Client, Event, session
from tests.metrics import all_freed

EVENTS = 120
WAIT_S = 60
CALL = {"type": "function_call", "name": "weather", "call_id": "call_1", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "blue"}
TEXTS = ("hi", "", "for ever", "breaks", "how tall is the pump house", "weather in Oslo", "¿qué?")
SESSIONS: tuple[dict[str, Any], ...] = (
    {"output_modalities": ["text"]},
    {"output_modalities": ["audio"]},
    {"audio": {"input": {"turn_detection": None}}},
    {"audio": {"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 200}}}},
    {"audio": {"input": {"turn_detection": {"type": "semantic_vad"}, "format": {"type": "audio/pcma"}}}},
    {"audio": {"output": {"speed": 9}}},
    {"audio": {"output": {"speed": 4, "voice": "nobody"}}},
    {"audio": {"output": {"format": {"type": "audio/pcmu"}}}},
    {"instructions": "Be brief.", "max_output_tokens": 5},
    {"tools": [{"type": "function", "name": "weather", "parameters": {}}], "tool_choice": "auto"},
    {"ledge": {"effort": "balanced", "language": "es"}, "max_output_tokens": "inf"},
    {"ledge": {"effort": "heroic"}},
)


class Storm:
    """What is sent to one session, and what came of it."""

    def __init__(self, client: Client, seed: int) -> None:
        self._client = client
        self._random = random.Random(seed)
        self.events: list[Event] = []
        self.open: set[str] = set()
        """Responses that have not ended."""
        self._items = ["item_nobody"]
        self._changed = asyncio.Event()

    async def read(self) -> None:
        async for message in self._client.socket:
            event = json.loads(message)
            self.events.append(event)
            match event["type"]:
                case "conversation.item.added":
                    self._items.append(event["item"]["id"])
                case "response.created":
                    self.open.add(event["response"]["id"])
                case "response.done":
                    self.open.remove(event["response"]["id"])
                case kind if "delta" in event and kind.startswith("response."):
                    assert event["response_id"] in self.open, f"{kind} after the response's end"
            self._changed.set()

    async def blow(self) -> None:
        for _ in range(EVENTS):
            await self._client.send(**self._any())
            if self._random.random() < 0.2:
                await self.something()

    async def end(self) -> None:
        """Stops what would never end by itself."""
        while self.open:
            for response_id in tuple(self.open):
                await self._client.send("response.cancel", response_id=response_id)
            await self.something()

    async def something(self) -> None:
        """Waits for whatever comes next; where nothing does, the next event is due."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), 0.2)

    def _any(self) -> dict[str, Any]:
        choose = self._random.choice
        item_id = choose(self._items)
        return choose(
            (
                {"kind": "session.update", "session": choose(SESSIONS)},
                {"kind": "input_audio_buffer.append", "audio": self._noise()},
                {"kind": "input_audio_buffer.commit"},
                {"kind": "input_audio_buffer.clear"},
                {"kind": "output_audio_buffer.clear"},
                {"kind": "conversation.item.create", "item": self._item()},
                {"kind": "conversation.item.create", "item": self._item(), "previous_item_id": item_id},
                {"kind": "conversation.item.delete", "item_id": item_id},
                {"kind": "conversation.item.retrieve", "item_id": item_id},
                {"kind": "conversation.item.truncate", "item_id": item_id, "content_index": 0, "audio_end_ms": 100},
                {"kind": "response.create"},
                {"kind": "response.create", "response": {"conversation": "none", "input": [self._item()]}},
                {"kind": "response.create", "response": {"input": [{"type": "item_reference", "id": item_id}]}},
                {"kind": "response.cancel"},
                {"kind": "ledge.playback", "item_id": item_id, "played_ms": 50, "ended": choose((True, False))},
            )
        )

    def _item(self) -> dict[str, Any]:
        choose = self._random.choice
        role, kind = choose((("user", "input_text"), ("assistant", "output_text"), ("system", "input_text")))
        written = {"type": "message", "role": role, "content": [{"type": kind, "text": choose(TEXTS)}]}
        spoken = {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": self._noise()}]}
        return choose((written, written, spoken, CALL, OUTPUT))

    def _noise(self) -> str:
        return base64.b64encode(self._random.randbytes(self._random.choice((0, 1, 960, 4800, 9601)))).decode()


@pytest.fixture(scope="module")
def talking() -> Iterator[Suite]:
    with talking_suite() as running:
        yield running


@pytest.mark.parametrize("seed", range(6))
async def test_a_session_outlasts_whatever_it_is_sent(talking: Suite, seed: int) -> None:
    async with session(talking, ("ledge-rag", "scripted")[seed % 2]) as client:
        storm = Storm(client, seed)
        async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(storm.read())
            await storm.blow()
            await storm.end()
            reading.cancel()
        faults = [event["error"] for event in storm.events if event["type"] == "error"]
        assert {fault["type"] for fault in faults} <= {"invalid_request_error"}
        assert any(event["type"] == "response.done" for event in storm.events)
        await client.send("conversation.item.delete", item_id="item_nobody", event_id="the last one")
        told = await client.until("error")
        while told[-1]["error"]["event_id"] != "the last one":
            told = await client.until("error")
        left_s = time.monotonic()
    await all_freed([talking.llm, *talking.others.values()], left_s, PEER_KEY)
    assert not [line for line in talking.gateway.log if line.get("level") == "error"]
