"""What the riva door reads from its environment."""

from typing import Self

from pydantic import Field, field_validator, model_validator

from services.kit.config import CommaList, ServiceConfig, env, split_commas


class RivaConfig(ServiceConfig):
    """Settings of the door for Riva's clients."""

    port: int = Field(50051, ge=0, le=65535, validation_alias=env("PORT", "NIM_GRPC_API_PORT"))
    """gRPC port; 50051 is what Riva's clients expect. 0: any free one, told in the log line `listening`."""
    asr_address: str = "127.0.0.1:50101"
    """Address of the service that recognises speech."""
    tts_address: str = "127.0.0.1:50102"
    """Address of the service that speaks."""
    translation_address: str = "127.0.0.1:50103"
    """Address of the service that translates."""
    model_aliases: CommaList = ()
    """Names that clients have for models, comma-separated `alias=model`, in any case of letters. An empty model means
    the one that the service chooses."""
    voice_aliases: CommaList = ()
    """The same for voices."""
    strict_names: bool = False
    """Whether a model or voice that is not served is NOT_FOUND. Off: the service chooses one, and the answer's metadata
    `ledge-warning` says so; clients carry NVIDIA's names for their defaults."""
    max_message_bytes: int = Field(64 * 2**20, ge=2**16, le=2**30)
    """Largest gRPC message taken or sent, in bytes; also the largest FLAC or Ogg file that is streamed."""
    call_timeout_s: float = Field(600.0, gt=0, le=3600)
    """Longest deadline given to a unary call of another service, in seconds: files may be long."""
    stream_timeout_s: float = Field(24 * 3600.0, gt=0, le=30 * 24 * 3600)
    """How long a stream may live, in seconds, silent or not."""

    @field_validator("model_aliases", "voice_aliases", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return split_commas(value)

    @model_validator(mode="after")
    def _aliases_are_pairs(self) -> Self:
        for setting, pairs in (
            ("LEDGE_MODEL_ALIASES", self.model_aliases),
            ("LEDGE_VOICE_ALIASES", self.voice_aliases),
        ):
            for pair in pairs:
                if not pair.partition("=")[0].strip() or "=" not in pair:
                    raise ValueError(f"{setting}: {pair!r} is not `alias=name`")
        return self


def names_of(aliases: CommaList) -> dict[str, str]:
    """Alias, in lower case → name."""
    pairs = (pair.partition("=") for pair in aliases)
    return {alias.strip().lower(): name.strip() for alias, _, name in pairs}
