"""Settings of the text-to-speech service."""

from pydantic import Field

from services.kit.config import ServiceConfig


class TtsConfig(ServiceConfig):
    """Settings of the text-to-speech service."""

    engine: str = "flite"
    """`flite` (Debian's package `flite`; English), `piper` (neural voices of many languages; GPL-3, so an extra and an
    image of its own), or `scripted` (a tone for each word; for tests)."""
    model: str = ""
    """Id of the model in the catalogue; flite's voices come with its package, so it needs none."""
    language: str = "en-US"
    """Language spoken where a request names neither voice nor language; BCP-47."""
    workers: int = Field(2, ge=1, le=64)
    """Clauses spoken side by side; about the number of cores. Each is a process: of some 15 MB in `flite`, of some
    80 MB and its voices in `piper`."""
    threads: int = Field(1, ge=1, le=64)
    """Threads of each worker, in `piper`; one a worker speaks the most at a time."""
    max_waiting_clauses: int = Field(256, ge=1, le=100_000)
    """Clauses that may wait for a worker; past it RESOURCE_EXHAUSTED at once."""
    clause_timeout_s: float = Field(30.0, gt=0, le=600)
    """The longest that a clause may take, in seconds, before its worker is replaced."""
    script_delay_ms: float = Field(0.0, ge=0, le=60_000)
    """What `scripted` takes for a clause, in milliseconds, of however many answers."""
    max_text_characters: int = Field(20_000, ge=100, le=1_000_000)
    """Longest text of a unary request, SSML marks included."""
