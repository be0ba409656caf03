"""Settings of the llm service."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from services.kit.config import CommaList, ServiceConfig, split_commas


class LlmConfig(ServiceConfig):
    """Settings of the llm service."""

    engine: str = "llamacpp"
    """`llamacpp` (GGUF models on the CPU), or `scripted` (no weights; says what a script tells it, for tests)."""
    model: str = "smollm2-135m-instruct"
    """Id of the model in the catalogue."""
    model_aliases: Annotated[CommaList, BeforeValidator(split_commas)] = ()
    """Other names that requests may use for the model, comma-separated."""

    slots: int = Field(16, ge=1, le=1024)
    """Answers generated side by side. Each holds memory for `context_tokens`, used or not."""
    context_tokens: int = Field(2048, ge=64, le=10_000_000)
    """Longest prompt and answer of one call together, in tokens. At most what the model was made for."""
    queue_calls: int = Field(128, ge=0, le=100_000)
    """Answers that may wait for a slot; past it RESOURCE_EXHAUSTED at once."""

    threads: int = Field(0, ge=0, le=1024)
    """Threads that compute, in `llamacpp`. 0: one for each core this process may use."""
    batch_tokens: int = Field(128, ge=16, le=65_536)
    """Prompt tokens computed between two steps, in `llamacpp`: what a long prompt may hold others up, and how soon a
    call that is cancelled in its prompt is gone."""
    event_interval_ms: float = Field(20, ge=0, le=1000)
    """Tokens of a stream that are ready within this many milliseconds of its last event travel together, in `llamacpp`;
    the first token never waits. An event costs its process, its reader and the machine more than a token does."""
    kv_cache: Literal["f16", "q8_0"] = "f16"
    """Number format of the attention cache, in `llamacpp`. `q8_0` takes half the memory and is a little slower."""
    chat_template_file: Path | None = None
    """A Jinja chat template to use in place of the model's own, in `llamacpp`."""

    script_file: Path | None = None
    """What the engine `scripted` says (YAML; see `services/llm/engines/script.py`). Absent: it echoes."""
    script_tokens_per_s: float = Field(0, ge=0, le=1e6)
    """How fast `scripted` speaks, each answer for itself. 0: as fast as it can."""
