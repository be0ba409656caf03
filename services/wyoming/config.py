"""What the wyoming door reads from its environment."""

from pydantic import Field, field_validator

from services.kit.config import CommaList, ServiceConfig, env, split_commas


class WyomingConfig(ServiceConfig):
    """Settings of the door for Home Assistant and other clients of the Wyoming protocol. The protocol has neither keys
    nor TLS: whoever reaches the port is served, and in the suite the door shows its own `peer_api_key`."""

    port: int = Field(10300, ge=0, le=65535, validation_alias=env("PORT"))
    """TCP port. 0: any free one, told in the log line `listening`."""
    asr_address: str = "127.0.0.1:50101"
    """Address of the service that recognises speech."""
    tts_address: str = "127.0.0.1:50102"
    """Address of the service that speaks."""
    rag_address: str = "127.0.0.1:50108"
    """Address of the service that answers from documents."""
    collections: CommaList = ()
    """The collections that questions are answered from, comma-separated. Empty: the default one."""
    max_connections: int = Field(128, ge=1, le=100_000)
    """Connections at a time, idle ones included; past it a connection is told so and closed."""
    max_payload_bytes: int = Field(2**20, ge=1024, le=2**28)
    """Longest payload of an event (audio) and longest data (text), in bytes."""
    idle_timeout_s: float = Field(600.0, gt=0, le=24 * 3600)
    """How long a connection may send nothing while nothing is being done for it."""
    client_timeout_s: float = Field(30.0, gt=0, le=3600)
    """How long a client may leave an event unfinished, or take nothing of what is sent, before it is cut off."""
    stream_timeout_s: float = Field(3600.0, gt=0, le=24 * 3600)
    """How long one transcription, reading aloud or answer may take."""

    @field_validator("collections", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return split_commas(value)
