"""Whatever a client sends or leaves unsent, the door stays up, bounded, and tells what was wrong."""

import asyncio
import json
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Eventable
from wyoming.info import Describe, SelectProgram
from wyoming.ping import Ping
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeVoice

from tests.asr.asking import pcm, speech
from tests.metrics import metric
from tests.processes import ServiceProcess
from tests.wyoming.asking import FORMAT, audio_events, error_of, read_until, send
from tests.wyoming.conftest import a_door, client_of

MANY = 40


async def answers_to(door: ServiceProcess, sent: bytes) -> list[dict[str, Any]]:
    """The heads of the events that a connection gives until it ends, once this is sent and no more will be."""
    host, _, port = door.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(sent)
        async with asyncio.timeout(20):
            heads = []
            while line := await reader.readline():
                head = json.loads(line)
                for name in ("data_length", "payload_length"):
                    following = await reader.readexactly(head.get(name, 0))
                    if name == "data_length" and following:
                        head["data"] = json.loads(following)
                heads.append(head)
            return heads
    finally:
        writer.close()


def line(**head: Any) -> bytes:
    return json.dumps(head).encode() + b"\n"


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"\n", "line of JSON"),
        (b"GET / HTTP/1.1\r\n\r\n", "line of JSON"),
        (b"\x16\x03\x01\x02\x00\x01\x00\n", "line of JSON"),
        (b"[]\n", "line of JSON"),
        (b"null\n", "line of JSON"),
        (b"{}\n", "with a type"),
        (line(type=7), "with a type"),
        (line(type="ping", data=[]), ""),
        (line(type="ping", data=[1]), "is an object"),
        (line(type="ping", data_length=-1), "data_length"),
        (line(type="ping", data_length="9"), "data_length"),
        (line(type="ping", data_length=1e3), "data_length"),
        (line(type="ping", data_length=2) + b"[]", "line of JSON"),
        (line(type="audio-chunk", payload_length=10**12), "payload_length"),
        (b'{"type": "ping", "data": ' + b"[" * 30_000 + b"\n", "line of JSON"),
        (b"x" * 200_000, "longer than"),
        (b'{"type": "' + b"x" * 200_000 + b'"}\n', "longer than"),
        (line(type="ping", data={"text": 7}), "text"),
        (line(type="transcribe", data={"language": ["en"]}), "language"),
        (line(type="audio-start", data={}), "rate"),
        (line(type="audio-start", data={"rate": -1, "width": 2, "channels": 1}), "rate"),
        (line(type="audio-start", data={"rate": 10**30, "width": 2, "channels": 1}), "rate"),
        (line(type="synthesize", data={"voice": {}}), "text"),
        (line(type="synthesize", data={"text": "x", "voice": "tone"}), "voice"),
        (b'{"type": "synthesize", "data": {"text": "\\ud800"}}\n', "line of JSON"),
        (line(type="transcript", data={"text": None}), "text"),
    ],
)
async def test_what_is_not_an_event_ends_the_connection_with_a_sentence(
    door: ServiceProcess, sent: bytes, told: str
) -> None:
    if not told:
        sent += b"\n"
    *_, error = await answers_to(door, sent)
    assert (error["type"], error["data"]["code"]) == ("error", "INVALID_INPUT")
    assert told in error["data"]["text"]
    assert len(error["data"]["text"]) < 300


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_survived(door: ServiceProcess, sent: bytes) -> None:
    kinds = [head["type"] for head in asyncio.run(answers_to(door, sent + b"\n\n"))]
    assert kinds[-1] == "error"


ANYTHING = st.sampled_from(
    [
        Transcribe(language="en"),
        Transcribe(name="nobody"),
        AudioStart(**FORMAT),
        AudioChunk(audio=pcm(speech("capital"))[:8000], **FORMAT),
        AudioChunk(audio=b"odd", rate=8000, width=2, channels=2),
        AudioStop(),
        Synthesize("one two three."),
        Synthesize("one", voice=SynthesizeVoice(name="nobody")),
        SynthesizeStart(),
        SynthesizeStart(text_format="ssml"),
        SynthesizeChunk("one two. "),
        SynthesizeStop(),
        Ping("now"),
        SelectProgram("nothing"),
        Transcript("why?"),
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ANYTHING, max_size=12))
def test_events_in_any_order_leave_the_connection_served_or_ended_with_an_error(
    door: ServiceProcess, events: list[Eventable]
) -> None:
    async def last_event() -> str:
        async with client_of(door) as client:
            await send(client, *events, Synthesize("the end."), Ping("the end"))
            while (event := await client.read_event()) is not None:
                if event.type == "error" or (event.type == "pong" and event.data["text"] == "the end"):
                    return event.type
            return "nothing"

    assert asyncio.run(last_event()) in ("error", "pong")


async def test_an_event_that_never_ends_is_cut_off_and_one_that_never_begins_too(
    asr: ServiceProcess, tts: ServiceProcess
) -> None:
    with a_door(asr.address, tts.address, LEDGE_CLIENT_TIMEOUT_S="0.3", LEDGE_IDLE_TIMEOUT_S="0.6") as door:
        (error,) = await answers_to(door, b'{"type": "desc')
        assert "in time" in error["data"]["text"]
        (error,) = await answers_to(door, line(type="audio-chunk", payload_length=100) + b"x")
        assert "in time" in error["data"]["text"]
        assert await answers_to(door, b"") == []


async def test_connections_are_bounded(asr: ServiceProcess, tts: ServiceProcess) -> None:
    with a_door(asr.address, tts.address, LEDGE_MAX_CONNECTIONS="2") as door:
        async with client_of(door) as first, client_of(door) as second:
            for client in (first, second):
                await send(client, Ping())
                await read_until(client, "pong")
            async with client_of(door) as third:
                assert (await error_of(third)).code == "OVERLOADED"
        async with asyncio.timeout(10):
            while True:
                async with client_of(door) as fourth:
                    await send(fourth, Ping())
                    event = await fourth.read_event()
                if event is not None and event.type == "pong":
                    break


async def test_a_client_that_vanishes_frees_what_it_had(
    door: ServiceProcess, asr: ServiceProcess, tts: ServiceProcess
) -> None:
    async def freed(service: ServiceProcess) -> None:
        async with asyncio.timeout(5):
            while await metric(service, "ledge_calls_in_flight") > 0:
                pass

    for service, begin in (
        (asr, [*audio_events(pcm(speech("capital")))[:-1]]),
        (tts, [Synthesize("word " * 20_000)]),
        (tts, [SynthesizeStart()]),
    ):
        async with client_of(door) as client:
            await send(client, Transcribe(), *begin)
            async with asyncio.timeout(10):
                while await metric(service, "ledge_calls_in_flight") == 0:
                    pass
        await freed(service)
    await freed(door)


async def test_a_new_request_ends_one_that_was_never_finished(client: Any, asr: ServiceProcess) -> None:
    await send(client, AudioStart(**FORMAT), Transcribe(), Synthesize("one two."))
    assert (await read_until(client, "audio-stop"))[0].type == "audio-start"
    await send(client, SynthesizeStart(), *audio_events(pcm(speech("capital"))))
    assert Transcript.from_event((await read_until(client, "transcript-stop"))[-2]).text


async def test_an_error_reaches_a_client_that_is_still_sending(door: ServiceProcess) -> None:
    async with client_of(door) as client:
        start, *chunks, stop = audio_events(pcm(speech("capital")) * 20)
        await send(client, Transcribe(language="tlh"), start)
        for chunk in [*chunks, stop]:
            await send(client, chunk)
        assert (await error_of(client)).code == "INVALID_INPUT"


async def test_many_clients_each_get_their_own(door: ServiceProcess) -> None:
    async def speak(number: int) -> int:
        async with client_of(door) as client:
            await send(client, Synthesize("word " * number))
            events = await read_until(client, "audio-stop")
            return sum(len(event.payload or b"") for event in events)

    async def hear(number: int) -> str:
        async with client_of(door) as client:
            language = "es" if number % 2 else "en"
            await send(client, Transcribe(language=language), *audio_events(pcm(speech("capital"))))
            return Transcript.from_event((await read_until(client, "transcript-stop"))[-2]).text

    lengths = await asyncio.gather(*(speak(number) for number in range(1, MANY + 1)))
    assert lengths == sorted(lengths)
    assert len(set(lengths)) == MANY
    heard = await asyncio.gather(*(hear(number) for number in range(MANY)))
    assert heard == ["one two three four", "uno dos tres cuatro"] * (MANY // 2)


async def test_a_client_that_reads_nothing_costs_no_memory(door: ServiceProcess) -> None:
    """Its answer is made as far as it fits on the way, and no further."""
    process = psutil.Process(door.process.pid)
    async with client_of(door) as client:
        before_bytes = process.memory_info().rss
        await send(client, Synthesize("word " * 100_000))
        # An answer that another client gets whole meanwhile.
        async with client_of(door) as other:
            await send(other, Synthesize("word " * 3000))
            await read_until(other, "audio-stop")
        assert process.memory_info().rss - before_bytes < 30 * 2**20
        assert client is not None


async def test_what_is_being_done_ends_when_the_door_stops(asr: ServiceProcess, tts: ServiceProcess) -> None:
    with a_door(asr.address, tts.address) as door:
        async with client_of(door) as idle, client_of(door) as busy:
            await send(idle, Describe())
            await read_until(idle, "info")
            start, *chunks, stop = audio_events(pcm(speech("capital")))
            await send(busy, start, *chunks)
            door.terminate()
            assert await idle.read_event() is None
            await send(busy, stop)
            assert Transcript.from_event((await read_until(busy, "transcript-stop"))[-2]).text == "one two three four"
            assert await busy.read_event() is None
        assert await asyncio.to_thread(door.wait) == 0
