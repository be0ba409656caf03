"""Audio formats as OpenAI writes them, and as the contract does."""

from typing import Annotated, Any, Literal

from ledge.audio.v1 import audio_pb2
from pydantic import Field, model_validator

from services.gateway.body import Body

PCM_HZ, G711_HZ = 24_000, 8_000
_ENCODINGS: dict[str, audio_pb2.Encoding] = {
    "audio/pcm": audio_pb2.PCM_S16LE,
    "audio/pcmu": audio_pb2.MULAW,
    "audio/pcma": audio_pb2.ALAW,
}
_TYPES = {encoding: name for name, encoding in _ENCODINGS.items()}


class Format(Body):
    """OpenAI has PCM at 24 kHz only; here other rates may be asked for."""

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] = "audio/pcm"
    rate: Annotated[int, Field(ge=8000, le=48_000)] | None = None

    @model_validator(mode="after")
    def _telephones_have_one_rate(self) -> "Format":
        if self.type != "audio/pcm" and self.rate not in (None, G711_HZ):
            raise ValueError(f"{self.type} has a rate of {G711_HZ}")
        return self

    @property
    def encoding(self) -> audio_pb2.Encoding:
        return _ENCODINGS[self.type]

    @property
    def sample_rate_hz(self) -> int:
        return self.rate or (PCM_HZ if self.type == "audio/pcm" else G711_HZ)


def format_json(encoding: audio_pb2.Encoding, sample_rate_hz: int) -> dict[str, Any]:
    """A format as OpenAI's clients read it."""
    name = _TYPES.get(encoding, "audio/pcm")
    return {"type": name, "rate": sample_rate_hz or PCM_HZ} if name == "audio/pcm" else {"type": name}
