"""LiveKit's plugin for NVIDIA's speech: its voice speaks, its recogniser hears that."""

import asyncio
import json
import os
import sys

from livekit import rtc
from livekit.agents import stt
from livekit.plugins import nvidia

SAID = "The meeting begins at nine in the morning."
RATE_HZ = 16_000
SERVER = {"server": os.environ["ADDRESS"], "use_ssl": False}


async def spoken(speaker: nvidia.TTS) -> bytes:
    audio = b""
    async with speaker.synthesize(SAID) as pieces:
        async for piece in pieces:
            audio += piece.frame.data.tobytes()
    return audio


async def heard(hearer: nvidia.STT, audio: bytes) -> list[list[str]]:
    events = []
    async with hearer.stream() as stream:
        for start in range(0, len(audio), 640):
            piece = audio[start : start + 640]
            stream.push_frame(rtc.AudioFrame(piece, RATE_HZ, 1, len(piece) // 2))
        stream.end_input()
        async for event in stream:
            events.append([event.type.value, *(alternative.text for alternative in event.alternatives)])
            if event.type is stt.SpeechEventType.END_OF_SPEECH:
                return events
    return events


async def main() -> dict[str, object]:
    speaker = nvidia.TTS(**SERVER)
    audio = await spoken(speaker)
    events = await heard(nvidia.STT(**SERVER), audio + bytes(RATE_HZ * 2))
    return {"seconds": len(audio) / RATE_HZ / 2, "events": events, "voices": speaker.list_voices()}


told = asyncio.run(main())
json.dump(told, sys.stdout)
sys.stdout.flush()
