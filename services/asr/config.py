"""Settings of the speech recognition service."""

from typing import Literal

from pydantic import Field

from services.kit.config import ServiceConfig


class AsrConfig(ServiceConfig):
    """Settings of the speech recognition service."""

    engine: str = "pocketsphinx"
    """`pocketsphinx` (English, model in its wheel, any CPU), `faster-whisper` (Whisper: a hundred languages, CPU or
    GPU), or `scripted` (counts half seconds; for tests)."""
    model: str = ""
    """Id of the model in the catalogue. pocketsphinx brings its own; without one `faster-whisper` runs whisper-base."""
    workers: int = Field(0, ge=0, le=64)
    """Utterances decoded side by side; 0: as suits the engine. In `pocketsphinx` each is a process of some 100 MB (0: 2
    of them). In `faster-whisper` each decodes a batch (0: as many as there are cores, on a GPU 1)."""
    threads: int = Field(1, ge=1, le=256)
    """Threads of each worker of `faster-whisper`; workers of one thread do more than one worker of many."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where `faster-whisper` computes."""
    compute_type: str = Field("", max_length=32)
    """What `faster-whisper` computes in: a type of CTranslate2; empty: int8 on a CPU, float16 on a GPU."""
    batch_windows: int = Field(8, ge=1, le=64)
    """Most windows, of any streams, that a worker of `faster-whisper` decodes together; on a CPU more gain nothing."""
    window_s: int = Field(10, ge=2, le=30)
    """Seconds of audio that `faster-whisper` computes for an utterance at least; a longer one takes a multiple, 30 at
    most. A window of 10 s takes a third of the time of Whisper's usual 30 s; shorter ones may be heard worse."""
    beam_size: int = Field(1, ge=1, le=10)
    """Transcripts that `faster-whisper` follows at a time for a final; partial results follow one."""
    final_objective_s: float = Field(5.0, gt=0, le=600)
    """Seconds within which `faster-whisper` is to tell the words after their end; where a newcomer would wait longer it
    is refused with RESOURCE_EXHAUSTED."""
    max_streams: int = Field(64, ge=1, le=10_000)
    """Streams heard at a time; past it RESOURCE_EXHAUSTED at once."""
    max_waiting_utterances: int = Field(256, ge=1, le=100_000)
    """Utterances that may wait for a worker; past it RESOURCE_EXHAUSTED at once."""
    decode_timeout_s: float = Field(60.0, gt=0, le=600)
    """The longest that one step of decoding may take in `pocketsphinx`, in seconds, before its worker is replaced."""
    max_message_bytes: int = Field(65 * 2**20, ge=2**16, le=2**30)
    """Largest gRPC message taken or sent, in bytes: half an hour of WAV at 16 kHz, as Riva's clients send it."""
    max_audio_s: float = Field(3600.0, gt=0, le=86_400)
    """Longest audio of a unary call, in seconds."""
    max_utterance_s: float = Field(30.0, ge=1, le=300)
    """An utterance without a pause is ended after so many seconds, and the next begins."""
    script_delay_ms: float = Field(0.0, ge=0, le=60_000)
    """What `scripted` takes for a final, in milliseconds, of however many streams."""
    vad_threads: int = Field(1, ge=1, le=64)
    """Threads that tell speech from silence, for all streams together."""
