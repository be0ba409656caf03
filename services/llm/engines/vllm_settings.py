"""From the service's settings to vLLM's: what the engine is started with."""

import json
import os
from pathlib import Path
from typing import Any

# Read when vLLM is imported, and by the process that it starts. A fork would copy gRPC's threads, which does not work;
# vLLM reports its use to its makers, asks a hub for files, and logs in a form of its own unless told not to.
os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
os.environ.setdefault("VLLM_CONFIGURE_LOGGING", "0")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from vllm.config import StructuredOutputsConfig
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.lora.request import LoRARequest

from services.kit.errors import InvalidInput
from services.kit.models import CatalogEntry
from services.llm.config import LlmConfig


def arguments(directory: Path, entry: CatalogEntry, config: LlmConfig, adapters: int) -> AsyncEngineArgs:
    """Raises InvalidInput for settings that vLLM has not."""
    given: dict[str, Any] = {
        "model": str(directory),
        "served_model_name": entry.id,
        "max_model_len": config.context_tokens,
        "max_num_seqs": config.slots,
        "dtype": config.dtype,
        "quantization": config.quantization,
        "tensor_parallel_size": config.tensor_parallel,
        "gpu_memory_utilization": config.gpu_memory_share,
        "kv_cache_memory_bytes": config.kv_cache_bytes,
        "scheduling_policy": "priority",
        "enable_prefix_caching": True,
        "max_logprobs": 20,
        # The grammars of `constraint.py` are llguidance's.
        "structured_outputs_config": StructuredOutputsConfig(backend="guidance"),
        # What a request leaves out is the contract's default, not that of a file beside the weights.
        "generation_config": "vllm",
        "trust_remote_code": False,
    }
    if "batch_tokens" in config.model_fields_set:
        given["max_num_batched_tokens"] = config.batch_tokens
    if adapters:
        given |= {"enable_lora": True, "max_loras": min(adapters, 8), "max_lora_rank": config.max_lora_rank}
    if config.speculative is not None:
        given["speculative_config"] = _object("LEDGE_SPECULATIVE", config.speculative)
    if config.vllm_arguments is not None:
        given |= _object("LEDGE_VLLM_ARGUMENTS", config.vllm_arguments)
    try:
        return AsyncEngineArgs(**given)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"vLLM refuses its settings: {error}") from error


def adapters_of(config: LlmConfig) -> dict[str, LoRARequest]:
    """By name. Raises InvalidInput for one that is no folder with an adapter, or told twice."""
    requests: dict[str, LoRARequest] = {}
    for number, text in enumerate(config.adapters, 1):
        name, _, folder = text.partition("=")
        path = Path(folder).expanduser().absolute()
        if not name or not folder:
            raise InvalidInput(f"LEDGE_ADAPTERS: {text!r} is not of the form name=folder")
        if not (path / "adapter_config.json").is_file():
            raise InvalidInput(f"LEDGE_ADAPTERS: {path} holds no adapter_config.json")
        if name in requests or name == config.model:
            raise InvalidInput(f"LEDGE_ADAPTERS: {name!r} is already the name of another model")
        requests[name] = LoRARequest(name, number, str(path))
    return requests


def _object(setting: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"{setting} is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidInput(f"{setting} must be a JSON object")
    return value
