"""The Wyoming protocol's own client: what is behind the door, a sentence spoken, the same one heard, a ping."""

import asyncio
import json
import os
import sys

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeVoice

SAID = "The meeting begins at nine in the morning."


def connected() -> AsyncClient:
    return AsyncClient.from_uri(f"tcp://{os.environ['ADDRESS']}", connect_timeout=10, read_timeout=60)


async def events_until(client: AsyncClient, last: str) -> list[Event]:
    events = []
    while not events or events[-1].type != last:
        event = await client.read_event()
        if event is None or event.type == "error":
            raise SystemExit(f"after {[event.type for event in events]}: {event and event.data}")
        events.append(event)
    return events


def audio_of(events: list[Event]) -> list[AudioChunk]:
    return [AudioChunk.from_event(event) for event in events if AudioChunk.is_type(event.type)]


async def main() -> dict[str, object]:
    told: dict[str, object] = {}
    async with connected() as client:
        await client.write_event(Describe().event())
        info = Info.from_event((await events_until(client, "info"))[-1])
        told["models"] = [[model.name, model.languages] for program in info.asr for model in program.models]
        told["voices"] = [[voice.name, voice.languages] for program in info.tts for voice in program.voices]
        await client.write_event(Ping("here?").event())
        told["pong"] = Pong.from_event((await events_until(client, "pong"))[-1]).text
    async with connected() as client:
        voice = SynthesizeVoice(name=str(told["voices"][0][0]))
        await client.write_event(Synthesize(SAID, voice=voice).event())
        chunks = audio_of(await events_until(client, "audio-stop"))
        told["seconds"] = sum(chunk.seconds for chunk in chunks)
    async with connected() as client:
        await client.write_event(Transcribe(language="en").event())
        first = chunks[0]
        await client.write_event(AudioStart(first.rate, first.width, first.channels).event())
        for chunk in chunks:
            await client.write_event(chunk.event())
        await client.write_event(AudioStop().event())
        events = await events_until(client, "transcript-stop")
        told["kinds"] = [event.type for event in events]
        told["transcript"] = Transcript.from_event(events[-2]).text
    async with connected() as client:
        await client.write_event(SynthesizeStart().event())
        for piece in (SAID[:20], SAID[20:]):
            await client.write_event(SynthesizeChunk(piece).event())
        await client.write_event(Synthesize(SAID).event())
        await client.write_event(SynthesizeStop().event())
        events = await events_until(client, "synthesize-stopped")
        told["streamed_seconds"] = sum(chunk.seconds for chunk in audio_of(events))
    return told


json.dump(asyncio.run(main()), sys.stdout)
