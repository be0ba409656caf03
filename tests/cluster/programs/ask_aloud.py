"""Runs in a pod: says a question with the suite's own voice, asks it aloud, and prints what came back, as JSON.

`python ask_aloud.py QUESTION TTS VOICE`, both addresses `host:port`.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
from ledge.audio.v1 import audio_pb2
from ledge.tts.v1 import tts_pb2, tts_pb2_grpc
from ledge.voice.v1 import voice_pb2 as pb
from ledge.voice.v1 import voice_pb2_grpc as rpc

RATE_HZ = 16_000
PIECE_BYTES = RATE_HZ // 25 * 2
PIECE_S = 0.04
LONGEST_S = 90.0
METADATA = (("authorization", f"Bearer {os.environ.get('LEDGE_API_KEY', '')}"),)


async def main(question: str, tts: str, voice: str) -> None:
    speech = tts_pb2.Speech(encoding=audio_pb2.PCM_S16LE, sample_rate_hz=RATE_HZ)
    request = tts_pb2.SynthesizeRequest(speech=speech, input=tts_pb2.Input(text=question))
    async with grpc.aio.insecure_channel(tts) as channel:
        said = await tts_pb2_grpc.TtsServiceStub(channel).Synthesize(request, metadata=METADATA, timeout=60)
    raw = audio_pb2.RawFormat(encoding=audio_pb2.PCM_S16LE, sample_rate_hz=RATE_HZ)
    session = pb.Session(model="ledge-rag", speak=True, language="en", input_format=raw)
    spoken_s = 0.0
    ended = asyncio.Event()
    told: dict[str, Any] = {"heard": "", "answer": "", "citations": [], "audio_bytes": 0, "first_audio_ms": None}

    async def asked() -> AsyncIterator[pb.ConverseRequest]:
        """The question at the pace of speech, then silence until it is answered."""
        nonlocal spoken_s
        yield pb.ConverseRequest(session=session)
        began_s = time.monotonic()
        pieces = 0
        while not ended.is_set():
            piece = said.audio[pieces * PIECE_BYTES : (pieces + 1) * PIECE_BYTES]
            if not piece and not spoken_s:
                spoken_s = time.monotonic()
            pieces += 1
            await asyncio.sleep(max(0.0, began_s + pieces * PIECE_S - time.monotonic()))
            yield pb.ConverseRequest(audio=piece + bytes(PIECE_BYTES - len(piece)))

    async with grpc.aio.insecure_channel(voice) as channel:
        async for event in rpc.VoiceServiceStub(channel).Converse(asked(), metadata=METADATA, timeout=LONGEST_S):
            match event.WhichOneof("event"):
                case "transcript_completed":
                    told["heard"] = event.transcript_completed.text
                case "audio_delta":
                    if told["first_audio_ms"] is None and spoken_s:
                        told["first_audio_ms"] = round((time.monotonic() - spoken_s) * 1000)
                    told["audio_bytes"] += len(event.audio_delta.audio)
                case "transcript_delta":
                    told["answer"] += event.transcript_delta.text
                case "citation":
                    told["citations"].append(event.citation.citation.passage.document)
                case "response_done":
                    told["status"] = pb.ResponseState.Status.Name(event.response_done.status)
                    if event.response_done.status != pb.ResponseState.CANCELLED:
                        ended.set()
                case "error":
                    told["error"] = event.error.message
                    ended.set()
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
