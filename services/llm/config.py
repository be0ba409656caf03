"""Settings of the llm service."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr

from services.kit.config import CommaList, ServiceConfig, split_commas


class LlmConfig(ServiceConfig):
    """Settings of the llm service."""

    engine: str = "llamacpp"
    """`llamacpp` (GGUF models on the CPU), `vllm` (safetensors on CUDA or the CPU, in this process), `openai` (any
    server that speaks OpenAI's API), `scripted` (no weights; says what a script tells it, for tests), or `ngram` (no
    weights; counts of a text's words, for what reads probabilities)."""
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
    length_file: Path | None = None
    """Guesses the lengths of answers, made by `ledge train length`: of those who wait for a slot the shortest is then
    served first, and in `vllm` the shortest is computed first where memory is short. Nobody waits much longer than the
    unluckiest would in order of arrival, and no answer is cut at its guess. Absent: the order of arrival."""

    threads: int = Field(0, ge=0, le=1024)
    """Threads that compute, in `llamacpp`. 0: one for each core this process may use."""
    batch_tokens: int = Field(128, ge=16, le=65_536)
    """Prompt tokens computed between two steps: what a long prompt may hold others up, and how soon a call that is
    cancelled in its prompt is gone. In `vllm` it is the most tokens of a step, and left to vLLM unless set."""
    event_interval_ms: float = Field(20, ge=0, le=1000)
    """Tokens of a stream that are ready within this many milliseconds of its last event travel together, in `llamacpp`
    and `vllm`; the first token never waits. An event costs its process, its reader and the machine more than a token
    does."""
    kv_cache: Literal["f16", "q8_0"] = "f16"
    """Number format of the attention cache, in `llamacpp`. `q8_0` takes half the memory and is a little slower."""
    chat_template_file: Path | None = None
    """A Jinja chat template to use in place of the model's own, in `llamacpp` and `vllm`."""

    adapters: Annotated[CommaList, BeforeValidator(split_commas)] = ()
    """LoRA adapters that requests may name as their model, `name=folder`, comma-separated; in `vllm`."""
    max_lora_rank: Literal[8, 16, 32, 64, 128, 256] = 16
    """Largest rank among the adapters."""
    tensor_parallel: int = Field(1, ge=1, le=64)
    """GPUs that one model is spread over, in `vllm`."""
    gpu_memory_share: float = Field(0.9, gt=0, le=1)
    """Share of each GPU's memory for weights and attention cache together, in `vllm`."""
    kv_cache_bytes: int | None = Field(None, ge=2**20)
    """Size of the attention cache, in `vllm`; in place of what the share of GPU memory leaves, and of vLLM's own guess
    on a CPU."""
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """Number format of weights and activations, in `vllm`; `auto` is that of the files."""
    quantization: str | None = None
    """Quantisation made while loading, in `vllm` (`fp8`). Files that are quantised say so themselves."""
    speculative: str | None = None
    """Speculative decoding, in `vllm`: its `speculative_config` as JSON, for example `{"method": "ngram",
    "num_speculative_tokens": 4, "prompt_lookup_max": 4}`. It leaves answers as they are; it pays with few streams."""
    vllm_arguments: str | None = None
    """Any other of vLLM's `AsyncEngineArgs`, as a JSON object. They win over what is set here."""

    upstream_url: str | None = None
    """Where `openai` finds its server, with its version: `http://127.0.0.1:8000/v1`."""
    upstream_model: str | None = None
    """The model's name there. Absent: the only one that the server lists."""
    upstream_dialect: Literal["openai", "vllm", "sglang", "ledge"] = "openai"
    """What the server takes beyond OpenAI's fields: nothing (also NIM, tt-inference-server), or what `vllm`, `sglang`
    or another `ledge` take (top_k, min_p, repetition_penalty, grammars, priority). What it does not take is refused."""
    upstream_api_key: SecretStr | None = None
    """Sent as `Authorization: Bearer`."""
    upstream_api_key_file: Path | None = None
    """The same in a file, read at every start; wins."""
    upstream_wait_s: float = Field(600, ge=0, le=86_400)
    """How long `openai` waits at its start for a server that is not there yet, in seconds."""
    upstream_timeout_s: float = Field(120, gt=0, le=86_400)
    """The longest silence of the server within an answer, in seconds; also before its first token."""
    upstream_retries: int = Field(2, ge=0, le=10)
    """Tries again where the server cannot be reached, or is busy for two seconds at most; never after a first token."""

    script_file: Path | None = None
    """What the engine `scripted` says (YAML; see `services/llm/engines/script.py`). Absent: it echoes."""
    script_tokens_per_s: float = Field(0, ge=0, le=1e6)
    """How fast `scripted` speaks, each answer for itself. 0: as fast as it can."""
    ngram_file: Path | None = None
    """The text that `ngram` is made of."""
    ngram_order: int = Field(3, ge=1, le=16)
    """How many tokens an n-gram of `ngram` has."""
