"""`POST /v1/audio/speech`: OpenAI's text to speech, sent as it is spoken; and the voices there are."""

import base64
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from fastapi import APIRouter, Request
from ledge.audio.v1 import audio_pb2
from ledge.tts.v1 import tts_pb2 as pb
from pydantic import Field, field_validator
from starlette.responses import JSONResponse, Response

from services.gateway.body import Body, JsonRoute
from services.gateway.peers import Peers
from services.gateway.streaming import (
    Ending,
    byte_stream,
    cancelled_after,
    event,
    event_stream,
    openai_failed,
    while_connected,
)

router = APIRouter(route_class=JsonRoute)
SAMPLE_RATE_HZ = 24_000
"""OpenAI's; its clients play `pcm` at this rate without asking."""
MESSAGE_CHARACTERS = 10_000
FORMATS = {
    "mp3": (audio_pb2.MP3, "audio/mpeg"),
    "opus": (audio_pb2.OGG_OPUS, "audio/ogg"),
    "flac": (audio_pb2.FLAC, "audio/flac"),
    "wav": (audio_pb2.WAV, "audio/wav"),
    "pcm": (audio_pb2.PCM_S16LE, "audio/pcm"),
}
# The names that OpenAI's clients send where nobody chose one.
OPENAI_MODELS = frozenset({"tts-1", "tts-1-hd", "gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15"})


class VoiceReference(Body):
    id: str


class SpeechRequest(Body):
    """`instructions` are let through unread: no engine here can follow them."""

    REFUSED: ClassVar[Mapping[str, str]] = {}
    model: str = ""
    input: str
    voice: str | VoiceReference = ""
    language: str = ""
    """Not OpenAI's: BCP-47, where no voice was chosen."""
    response_format: Literal["mp3", "opus", "flac", "wav", "pcm"] = "mp3"
    speed: Annotated[float, Field(ge=0.25, le=4)] = 1.0
    stream_format: Literal["audio", "sse"] = "audio"

    @field_validator("input")
    @classmethod
    def _some_text(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("there is no text to speak")
        return text

    @field_validator("response_format", mode="before")
    @classmethod
    def _no_aac(cls, value: Any) -> Any:
        if value == "aac":
            raise ValueError("aac is not made here, for its encoders are not free: ask for mp3, opus, flac, wav or pcm")
        return value

    def speech(self, peers: Peers) -> pb.Speech:
        named = self.voice if isinstance(self.voice, str) else self.voice.id
        model = peers.model(self.model)
        return pb.Speech(
            model="" if model in OPENAI_MODELS else model,
            voice=peers.voice_aliases.get(named, named),
            language=self.language,
            encoding=FORMATS[self.response_format][0],
            sample_rate_hz=SAMPLE_RATE_HZ,
            rate=self.speed,
        )


@router.post("/v1/audio/speech")
async def speech(body: SpeechRequest, request: Request) -> Response:
    """The text, spoken: audio from the first clause on, or events that hold it in base64."""
    peers: Peers = request.app.state.peers
    pieces = _spoken(peers.speaking(), body, body.speech(peers))
    if body.stream_format == "sse":
        return await event_stream(request, _events(pieces), Ending("", openai_failed))
    return await byte_stream(request, pieces, FORMATS[body.response_format][1])


@router.get("/v1/audio/voices")
async def voices(request: Request) -> Response:
    """The voices there are; not OpenAI's, but asked for by pages that let a voice be chosen."""
    peers: Peers = request.app.state.peers
    listed = await while_connected(request, peers.speaking().ListVoices(pb.ListVoicesRequest()))
    told = [
        {
            "id": voice.id,
            "name": voice.id,
            "language": voice.language,
            "gender": pb.Voice.Gender.Name(voice.gender).lower().removeprefix("gender_"),
            "licence": voice.licence,
            "default": voice.default_of_language,
        }
        for voice in listed.voices
    ]
    return JSONResponse({"voices": told})


async def _spoken(tts: Any, body: SpeechRequest, how: pb.Speech) -> AsyncGenerator[bytes, None]:
    if body.response_format == "flac":
        # The header of FLAC tells what is known at the end only.
        response = await tts.Synthesize(pb.SynthesizeRequest(speech=how, input=pb.Input(text=body.input)))
        yield response.audio
        return
    stream = tts.SynthesizeStream(_requests(body.input, how))
    with cancelled_after(stream):
        async for piece in stream:
            yield piece.audio


async def _requests(text: str, how: pb.Speech) -> AsyncIterator[pb.SynthesizeStreamRequest]:
    yield pb.SynthesizeStreamRequest(config=how)
    for start in range(0, len(text), MESSAGE_CHARACTERS):
        yield pb.SynthesizeStreamRequest(text=text[start : start + MESSAGE_CHARACTERS])


async def _events(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[str, None]:
    async for piece in pieces:
        yield event({"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()})
    yield event({"type": "speech.audio.done"})
