"""Settings of every service that encodes text."""

from typing import Annotated, Literal

from pydantic import Field

from services.kit.config import ServiceConfig


class EncoderConfig(ServiceConfig):
    """Settings of a service that encodes text."""

    model: str = "all-minilm-l6-v2"
    """Id of the model in the catalogue."""
    query_prefix: str | None = None
    """Put before each query. Absent: what the model's own files say; most models have none."""
    passage_prefix: str | None = None
    """Put before each passage. Absent: what the model's own files say; most models have none."""

    compute_type: Literal["int8", "float32"] = "int8"
    """Arithmetic of the encoder in `ctranslate2` and `late-interaction`. `float32` is exact, and takes twice the time
    and four times the memory of weights."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    """Where torch computes (`sentence-transformers`, `cross-encoder`): `auto` takes CUDA where there is one, else the
    CPU; `cuda:1` is a certain one."""
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    """Arithmetic of torch. Half precision halves memory and pays on CUDA; scores then differ in the third digit."""
    workers: int = Field(2, ge=1, le=256)
    """Batches encoded side by side; about the number of cores."""
    threads_per_worker: int = Field(1, ge=1, le=256)
    """Threads within a batch. More than 1 shortens a single long text and costs throughput."""
    max_batch_tokens: int = Field(512, ge=1, le=1_000_000)
    """Most tokens of a batch, padding included. A longer text runs alone."""
    max_queue_tokens: int = Field(131_072, ge=1, le=100_000_000)
    """Most tokens that wait; past it RESOURCE_EXHAUSTED at once. A request that finds no queue is always taken."""
