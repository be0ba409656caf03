"""Settings of the speech recognition service."""

from pydantic import Field

from services.kit.config import ServiceConfig


class AsrConfig(ServiceConfig):
    """Settings of the speech recognition service."""

    engine: str = "pocketsphinx"
    """`pocketsphinx` (English, model in its wheel, any CPU), or `scripted` (counts half seconds; for tests)."""
    model: str = ""
    """Id of the model in the catalogue; pocketsphinx brings its own."""
    workers: int = Field(2, ge=1, le=64)
    """Utterances decoded side by side. In `pocketsphinx` each is a process of some 100 MB."""
    max_streams: int = Field(64, ge=1, le=10_000)
    """Streams heard at a time; past it RESOURCE_EXHAUSTED at once."""
    max_waiting_utterances: int = Field(256, ge=1, le=100_000)
    """Utterances that may wait for a worker; past it RESOURCE_EXHAUSTED at once."""
    decode_timeout_s: float = Field(60.0, gt=0, le=600)
    """The longest that one step of decoding may take, in seconds, before its worker is replaced."""
    max_message_bytes: int = Field(65 * 2**20, ge=2**16, le=2**30)
    """Largest gRPC message taken or sent, in bytes: half an hour of WAV at 16 kHz, as Riva's clients send it."""
    max_audio_s: float = Field(3600.0, gt=0, le=86_400)
    """Longest audio of a unary call, in seconds."""
    max_utterance_s: float = Field(30.0, ge=1, le=300)
    """An utterance without a pause is ended after so many seconds, and the next begins."""
    vad_threads: int = Field(1, ge=1, le=64)
    """Threads that tell speech from silence, for all streams together."""
