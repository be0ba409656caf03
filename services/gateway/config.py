"""What the gateway reads from its environment."""

from collections.abc import Sequence
from typing import Self

from pydantic import Field, field_validator, model_validator

from services.kit.config import CommaList, ServiceConfig, env, split_commas

OPENAI_VOICES = (
    "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse",
)  # fmt: skip


class GatewayConfig(ServiceConfig):
    """Settings of the HTTP door. `port` is its HTTP port; the management surface is served on the same one."""

    port: int = Field(8000, ge=0, le=65535, validation_alias=env("PORT", "NIM_SERVER_PORT", "NIM_HTTP_API_PORT"))
    """HTTP port. 0: any free one, told in the log line `listening`."""
    llm_address: str = "127.0.0.1:50104"
    """Address of the service that generates text."""
    embedding_address: str = "127.0.0.1:50105"
    """Address of the embedding service."""
    reranking_address: str = "127.0.0.1:50107"
    """Address of the reranking service."""
    rag_address: str = "127.0.0.1:50108"
    """Address of the service that answers from documents."""
    asr_address: str = ""
    """Address of the speech recognition service. Empty: there is none, and `/v1/audio/transcriptions` says so."""
    tts_address: str = ""
    """Address of the text-to-speech service. Empty: there is none, and `/v1/audio/speech` says so."""
    translation_address: str = ""
    """Address of the translation service. Empty: there is none, and `/translate` says so."""
    voice_address: str = ""
    """Address of the service that talks. Empty: there is none, and `/v1/realtime` says so."""
    scaler_port: int | None = Field(None, ge=0, le=65535)
    """gRPC port where KEDA asks which services are wanted (its `external-push` trigger). Absent: none; 0: any free
    one."""
    rag_model: str = "ledge-rag"
    """The model name that answers from documents on `/v1/chat/completions`."""
    model_aliases: CommaList = ()
    """Other names for models, comma-separated `alias=model`. An empty model means the one that is served."""
    voice_aliases: CommaList = tuple(f"{voice}=" for voice in OPENAI_VOICES)
    """Other names for voices, comma-separated `alias=voice`. An empty voice means the one that speaks by default, as
    all of OpenAI's do unless told otherwise."""
    max_body_bytes: int = Field(4 * 2**20, ge=1024, le=2**30)
    """Largest request body, in bytes; past it 413. Uploads of documents have a limit of their own."""
    max_upload_bytes: int = Field(256 * 2**20, ge=1024, le=2**34)
    """Largest upload of documents, in bytes, all files together; it waits in temporary files."""
    max_audio_bytes: int = Field(25 * 2**20, ge=1024, le=2**30)
    """Largest audio file to be written down, in bytes, form included; asr's `max_message_bytes` bounds it too."""
    max_audio_uploads: int = Field(16, ge=1, le=1000)
    """Audio files received or written down at a time, each of which takes twice its size of memory; past it 429."""
    max_uploads: int = Field(4, ge=1, le=1000)
    """Uploads received or ingested at a time; past it 429."""
    upload_timeout_s: float = Field(3600.0, gt=0, le=24 * 3600)
    """How long the documents of one upload may take to be ingested."""
    call_timeout_s: float = Field(600.0, gt=0, le=3600)
    """How long a request may take, streams included: the deadline of every call made for it. 600 s is what OpenAI's
    SDK waits; a long answer of a small machine needs more than the services give each other."""
    client_timeout_s: float = Field(60.0, gt=0, le=3600)
    """How long a client may leave its request unfinished, or take nothing of its answer, before it is cut off."""
    max_connections: int = Field(800, ge=1, le=100_000)
    """HTTP connections at a time, idle ones included; past it 429, except for health. Each takes an open file of those
    that `ulimit -n` allows."""
    max_realtime_sessions: int = Field(128, ge=1, le=10_000)
    """Realtime sessions at a time; past it 429."""
    realtime_session_s: float = Field(3600.0, gt=0, le=24 * 3600)
    """Longest time of a realtime session."""
    max_realtime_message_bytes: int = Field(4 * 2**20, ge=1024, le=2**26)
    """Largest event that a realtime client may send, in bytes; past it the connection is closed."""
    cors_allow_origins: CommaList = Field((), validation_alias=env("CORS_ALLOW_ORIGINS", "NIM_CORS_ALLOW_ORIGINS"))
    """Origins whose pages may call from a browser, comma-separated. Empty: only pages of this gateway."""

    @field_validator("model_aliases", "voice_aliases", "cors_allow_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return split_commas(value)

    @model_validator(mode="after")
    def _aliases_are_pairs(self) -> Self:
        for variable, pairs in (("MODEL", self.model_aliases), ("VOICE", self.voice_aliases)):
            for pair in pairs:
                if not pair.partition("=")[0].strip() or "=" not in pair:
                    raise ValueError(f"LEDGE_{variable}_ALIASES: {pair!r} is not `alias={variable.lower()}`")
        return self


def alias_names(pairs: Sequence[str]) -> dict[str, str]:
    """Alias → what it means, of the pairs of a setting."""
    parts = (pair.partition("=") for pair in pairs)
    return {alias.strip(): name.strip() for alias, _, name in parts}
