"""Realtime sessions through a real gateway and a real voice service, before scripted engines."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.gateway.suite import KEY, Suite, start, talking_suite, until
from tests.processes import ServiceProcess
from tests.voice.calling import heard_words, spoken_for

WAIT_S = 40
HZ = 16_000
INPUT = {"format": {"type": "audio/pcm", "rate": HZ}, "turn_detection": None}
TALL = "how tall is the pump house"
NAMES = "alpha bravo charlie delta foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec".split()
"""The scripted voice has a pitch of its own for each."""
Event = dict[str, Any]


@pytest.fixture(scope="module")
def talking() -> Iterator[Suite]:
    with talking_suite() as running:
        yield running


class Client:
    """One session, by JSON."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, kind: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def until(self, last: str) -> list[Event]:
        """What comes, up to an event of this type."""
        events: list[Event] = []
        async with asyncio.timeout(WAIT_S):
            while not events or events[-1]["type"] != last:
                events.append(json.loads(await self.socket.recv()))
        return events

    async def update(self, **session: Any) -> Event:
        await self.send("session.update", session={"type": "realtime", **session})
        return (await self.until("session.updated"))[-1]["session"]  # type: ignore[no-any-return]

    async def ask(self, text: str) -> None:
        content = [{"type": "input_text", "text": text}]
        await self.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        await self.send("response.create")

    async def speak(self, seconds: float) -> None:
        """Speech of about so long; what is heard of it is the session's keywords."""
        audio = (spoken_for(seconds) * 32767).astype("<i2").tobytes()
        for start_bytes in range(0, len(audio), HZ // 5):
            piece = base64.b64encode(audio[start_bytes : start_bytes + HZ // 5]).decode()
            await self.send("input_audio_buffer.append", audio=piece)
        await self.send("input_audio_buffer.commit")


@contextlib.asynccontextmanager
async def session(suite: Suite, model: str = "ledge-rag") -> AsyncIterator[Client]:
    address = f"ws://{suite.gateway.address}/v1/realtime?model={model}"
    async with connect(address, additional_headers={"authorization": f"Bearer {KEY}"}) as socket:
        client = Client(socket)
        assert (await client.until("session.created"))[-1]["session"]["model"] == model
        yield client


def of(events: list[Event], kind: str) -> list[Event]:
    return [event for event in events if event["type"] == kind]


def joined(events: list[Event], kind: str) -> str:
    return "".join(event["delta"] for event in of(events, kind))


async def test_a_spoken_question_is_answered_with_citations_and_timings(talking: Suite) -> None:
    async with session(talking) as client:
        hearing = {**INPUT, "transcription": {"keywords": [TALL]}}
        told = await client.update(audio={"input": hearing}, ledge={"effort": "fast"})
        assert told["audio"]["input"]["turn_detection"] is None
        assert told["audio"]["input"]["transcription"]["keywords"] == [TALL]
        await client.speak(0.6)
        await client.send("response.create")
        events = await client.until("response.done")
    [heard] = of(events, "conversation.item.input_audio_transcription.completed")
    assert heard["transcript"].startswith(TALL)
    said = joined(events, "response.output_audio_transcript.delta")
    assert "12 metres tall" in said
    [cited] = of(events, "ledge.citations")
    assert cited["citations"][0]["document"] == "handbook.md"
    types = [event["type"] for event in events]
    assert types.index("ledge.citations") < types.index("response.output_audio_transcript.delta")
    first, *_, last = of(events, "ledge.timings")
    assert (first["done_ms"], bool(first["first_audio_ms"])) == (None, True)
    assert last["done_ms"] >= last["first_audio_ms"] >= last["first_text_ms"] > 0
    assert {"generating", "speaking"} <= {event["state"] for event in of(events, "ledge.state")}
    assert of(events, "response.output_audio.delta")


async def test_sessions_side_by_side_hear_and_say_their_own(talking: Suite) -> None:
    async def one(number: int) -> tuple[str, str]:
        async with session(talking, "scripted") as client:
            word = f"word-{number}"
            hearing = {**INPUT, "transcription": {"keywords": [word]}}
            await client.update(audio={"input": hearing}, output_modalities=["text"])
            await client.speak(0.4)
            await client.send("response.create")
            events = await client.until("response.done")
            [heard] = of(events, "conversation.item.input_audio_transcription.completed")
            return heard["transcript"], joined(events, "response.output_text.delta")

    results = await asyncio.gather(*(one(number) for number in range(16)))
    for number, (heard, said) in enumerate(results):
        assert set(heard.split()) == {f"word-{number}"}
        assert said == f"You said: {heard}"


async def test_sessions_side_by_side_are_spoken_to_with_their_own_words(talking: Suite) -> None:
    async def one(word: str) -> tuple[list[str], str]:
        async with session(talking, "scripted") as client:
            await client.update(audio={"input": {**INPUT, "transcription": {"keywords": [word]}}})
            await client.speak(0.4)
            await client.send("response.create")
            events = await client.until("response.done")
            audio = b"".join(base64.b64decode(event["delta"]) for event in of(events, "response.output_audio.delta"))
            return heard_words(audio, NAMES), joined(events, "response.output_audio_transcript.delta")

    results = await asyncio.gather(*map(one, NAMES))
    for name, (heard, said) in zip(NAMES, results, strict=True):
        assert heard == [name] * said.split().count(name)
        assert heard


async def test_silence_that_is_asked_for_comes_at_once_and_lasts(talking: Suite) -> None:
    async with session(talking, "scripted") as client:
        await client.ask("for ever")
        before = await client.until("response.output_audio.delta")
        await client.send("output_audio_buffer.clear")
        after = await client.until("output_audio_buffer.cleared")
        [created] = of(before, "response.created")
        assert after[-1]["response_id"] == created["response"]["id"]
        assert of(after, "response.done")[0]["response"]["status"] == "cancelled"
        await client.update(output_modalities=["text"])
        await client.ask("hi")
        rest = await client.until("response.done")
        assert not of(rest, "response.output_audio.delta")
        assert joined(rest, "response.output_text.delta") == "You said: hi"


async def test_silence_that_is_asked_for_after_the_response_leaves_what_was_heard(talking: Suite) -> None:
    async with session(talking, "scripted") as client:
        await client.ask("a b c d e f g h i j k l m n o p q r s t u v w x y z 1 2 3 4 5 6 7 8 9")
        events = await client.until("response.done")
        await client.send("output_audio_buffer.clear")
        after = await client.until("output_audio_buffer.cleared")
        [created] = of(events, "response.created")
        [truncated] = of(after, "conversation.item.truncated")
        assert after[-1]["response_id"] == created["response"]["id"]
        await client.send("conversation.item.retrieve", item_id=truncated["item_id"])
        [*_, kept] = await client.until("conversation.item.retrieved")
        heard = kept["item"]["content"][0]["transcript"]
        whole = joined(events, "response.output_audio_transcript.delta")
        assert whole.startswith(heard)
        assert 0 < len(heard) < len(whole)


async def test_a_client_that_goes_ends_the_generation(talking: Suite) -> None:
    async with session(talking, "scripted") as client:
        await client.update(output_modalities=["text"])
        await client.ask("for ever")
        await client.until("response.output_text.delta")
        client.socket.transport.abort()
    line = await asyncio.to_thread(
        talking.others["voice"].wait_for, "call", WAIT_S, method="Converse", code="CANCELLED"
    )
    assert line["tenant"] == "ada"
    await until(talking.llm, 'ledge_calls_in_flight{service="llm"} 0.0')


async def test_what_is_not_served_is_told_before_the_session_ends(talking: Suite) -> None:
    address = f"ws://{talking.gateway.address}/v1/realtime?model=nobody"
    async with connect(address, additional_headers={"authorization": f"Bearer {KEY}"}) as socket:
        [told] = await Client(socket).until("error")
        assert "nobody" in told["error"]["message"]
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1008


async def test_what_voice_refuses_carries_the_event_s_id(talking: Suite) -> None:
    async with session(talking) as client:
        await client.send("conversation.item.delete", item_id="item_nobody", event_id="mine")
        [told] = await client.until("error")
        assert (told["error"]["event_id"], told["error"]["code"]) == ("mine", "item_not_found")
        await client.send("response.cancel", event_id="also mine")
        [told] = await client.until("error")
        assert (told["error"]["event_id"], told["error"]["code"]) == ("also mine", "response_cancel_not_active")
        await client.send("session.update", event_id="mine, too", session={"type": "transcription"})
        [told] = await client.until("error")
        assert told["error"]["event_id"] == "mine, too"
        assert (await client.update(audio={"output": {"speed": 1.5}}))["audio"]["output"]["speed"] == 1.5


async def test_voice_is_told_of_with_the_other_services(talking: Suite) -> None:
    async with talking.http() as http:
        health = (await http.get("/v1/health", params={"check_dependencies": True})).json()
    assert health["dependencies"]["ledge.voice.v1.VoiceService"] == "SERVING"


async def test_a_voice_service_killed_in_mid_answer_is_told_and_the_next_question_works(talking: Suite) -> None:
    voice = talking.others["voice"]
    settings = {name: value for name, value in _environment(voice).items() if name.startswith("LEDGE_")}
    async with session(talking, "scripted") as client:
        await client.update(output_modalities=["text"])
        await client.ask("for ever")
        await client.until("response.output_text.delta")
        voice.kill()
        assert (await client.until("error"))[-1]["error"]["type"] == "server_error"
        with pytest.raises(ConnectionClosed):
            await client.socket.recv()
        assert client.socket.close_code == 1013
    port = voice.address.rpartition(":")[2]
    again = start("voice", **{**settings, "LEDGE_PORT": port})
    try:
        await asyncio.to_thread(again.wait_ready)
        await _reached(talking)
        async with session(talking, "scripted") as client:
            await client.update(output_modalities=["text"])
            await client.ask("hi")
            assert joined(await client.until("response.done"), "response.output_text.delta") == "You said: hi"
    finally:
        again.close()


async def _reached(suite: Suite) -> None:
    """Comes again as long as it is told to."""
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                async with session(suite, "scripted"):
                    return
            except ConnectionClosed as closed:
                if closed.rcvd is None or closed.rcvd.code != 1013:
                    raise


def _environment(process: ServiceProcess) -> dict[str, str]:
    with open(f"/proc/{process.process.pid}/environ") as file:
        return dict(pair.split("=", 1) for pair in file.read().split("\0") if "=" in pair)
