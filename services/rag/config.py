"""Settings of the rag service."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode

from services.kit.config import ServiceConfig


class RagConfig(ServiceConfig):
    """Settings of the rag service."""

    embedding_address: str = "127.0.0.1:50105"
    """Where the embedding service listens: `host:port`, or any gRPC target."""
    retrieval_address: str = "127.0.0.1:50106"
    """Where the retrieval service listens."""
    reranking_address: str = "127.0.0.1:50107"
    """Where the reranking service listens."""
    llm_address: str = "127.0.0.1:50104"
    """Where the llm service listens."""

    effort: Literal["fast", "balanced", "thorough"] = "fast"
    """How much work an answer takes where neither the request nor the settings of its collections say so."""
    judge: Literal["model", "calibrated"] | None = None
    """Who makes the decisions between the moves of `balanced` and `thorough`. Absent: the model where the catalogue
    trusts it with composing, calibrated scores where not."""
    guards: Annotated[tuple[Literal["personal-data", "topics"], ...], NoDecode] = ()
    """What questions and answers are checked for, comma-separated: `personal-data` (e-mail addresses, telephone, card,
    bank account and network numbers are taken out), `topics` (those of `blocked_topics_file` are not talked about)."""
    guard_failure: Literal["continue", "refuse"] = "continue"
    """When the guard `topics` cannot ask the model, or the encoder: `continue` (the other of them decides, and
    `degraded` says `topics`; where neither can, the text is kept back) or `refuse` (it is kept back)."""
    telephone_region: str = Field("GB", pattern="^[A-Z]{2}$")
    """Country (ISO 3166) whose telephone numbers are written without a country code."""
    blocked_topics_file: Path | None = None
    """Topics that are not talked about, in YAML; see services/rag/guards/topics.py."""
    collection_settings_file: Path | None = None
    """Effort, policy, judge, candidates and guards of single collections, in YAML; see
    services/rag/collection_settings.py."""
    answer_policy: Literal["model", "quote", "compose"] = "model"
    """Who words an answer: the evidence itself (`quote`), the llm service's model (`compose`), or whichever of the two
    the catalogue trusts that model with (`model`)."""
    calibration_file: Path | None = None
    """Weights of the evidence, made by `ledge calibrate`. Absent: those for the default models."""

    max_document_bytes: int = Field(64 * 2**20, ge=1, le=2**32)
    """Largest document taken in, in bytes."""
    max_document_characters: int = Field(64_000_000, ge=1)
    """Most text, in characters, that one document may unfold to (3000 are about a page)."""
    documents_in_flight: int = Field(8, ge=1, le=256)
    """Documents being received or stored at a time, over all calls, each in a temporary file. Further uploads wait."""
    upload_idle_s: float = Field(60.0, gt=0, le=3600)
    """How long an ingest may wait for the client's next message while it has nothing else to do."""
    parsers: int = Field(2, ge=1, le=64)
    """Worker processes that read documents; all but the first are started when they are needed."""
    parser_memory_bytes: int = Field(1024 * 2**20, ge=2**27)
    """Most address space, in bytes, that one of them may take. A document that needs more is rejected."""
    parser_timeout_s: float = Field(60.0, gt=0, le=3600)
    """How long a parser may work without handing over the next pages before it is stopped."""
    sentence_language: str = Field("en", pattern="^[a-z]{2,3}$")
    """Language (ISO 639) whose rules and abbreviations cut sentences; for others the rules degrade gently."""
    embed_tokens: int = Field(4096, ge=64, le=8192)
    """About how many tokens go into one embedding call. Smaller: questions wait less while documents are ingested."""
    embed_calls: int = Field(2, ge=1, le=64)
    """Embedding calls in flight at a time, over all ingests."""

    @field_validator("guards", mode="before")
    @classmethod
    def _separated(cls, value: Any) -> Any:
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _topics_are_named(self) -> Self:
        if "topics" in self.guards and self.blocked_topics_file is None:
            raise ValueError("guards has topics: LEDGE_BLOCKED_TOPICS_FILE must name the file that tells them")
        return self
