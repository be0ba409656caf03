"""Finds how an answer is to be spoken: the voice that was asked for, or one of the answer's language."""

import asyncio

import grpc
from ledge.tts.v1 import tts_pb2
from ledge.voice.v1 import voice_pb2 as pb

from services.voice.peers import Peers

LISTED_WITHIN_S = 2.0
"""What voices there are must be known so soon; the text of an answer does not wait longer for it."""


def primary(language: str) -> str:
    """ "en" of "en-GB"."""
    return language.replace("_", "-").partition("-")[0].lower()


async def speech_of(peers: Peers, speaking: pb.Speaking, language: str) -> tuple[tts_pb2.Speech, list[str]]:
    """What to ask `tts` for, and what was done without: "voice" where none speaks the language."""
    speech = tts_pb2.Speech(
        voice=speaking.voice,
        encoding=speaking.encoding,
        sample_rate_hz=speaking.sample_rate_hz,
        rate=speaking.rate,
        word_times=True,
    )
    if not language:
        return speech, []
    try:
        async with asyncio.timeout(LISTED_WITHIN_S):
            voices = (await peers.voices.get()).voices
    except (grpc.aio.AioRpcError, TimeoutError):
        # Whoever speaks will say the same.
        return speech, []
    by_id = {voice.id: voice.language for voice in voices}
    if speaking.voice in by_id and primary(by_id[speaking.voice]) == primary(language):
        return speech, []
    if speaking.voice and speaking.voice not in by_id:
        return speech, []
    speakers = {voice.language for voice in voices if primary(voice.language) == primary(language)}
    if not speakers:
        return speech, ["voice"]
    # A voice of another language reads the letters wrongly.
    speech.voice = ""
    speech.language = language if language in speakers else primary(language)
    return speech, []
