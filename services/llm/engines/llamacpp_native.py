"""llama.cpp's server as it runs inside this process: its settings, its life, its socket.

The library opens an HTTP door of its own; here it is a socket file in a private directory.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import httpx
import xllamacpp

from services.kit.errors import EngineFailed, InvalidInput
from services.llm.config import LlmConfig

KV_CACHE_TYPES = {"f16": 1, "q8_0": 8}
"""The names' numbers in ggml.h."""
HTTP_TIMEOUT_S = 60.0


class Native:
    """The library's server with its socket; starts blocking."""

    def __init__(self, weights: Path, config: LlmConfig) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="ledge-llm-"))
        self.socket = self.directory / "llama.sock"
        try:
            self.server = xllamacpp.Server(parameters(weights, config, self.socket))
        except RuntimeError as error:
            raise EngineFailed(f"llama.cpp cannot load {weights.name}: not a model it knows, or too large") from error
        finally:
            if not hasattr(self, "server"):
                shutil.rmtree(self.directory, ignore_errors=True)
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(self.socket)), base_url="http://llama") as http:
            self.properties: dict[str, Any] = http.get("/props", timeout=HTTP_TIMEOUT_S).json()
            models = http.get("/v1/models", timeout=HTTP_TIMEOUT_S).json()
        self.vocabulary_size = int(models["data"][0]["meta"]["n_vocab"])

    def close(self) -> None:
        """Blocks until the library's own threads have ended."""
        del self.server
        shutil.rmtree(self.directory, ignore_errors=True)


def parameters(weights: Path, config: LlmConfig, socket: Path) -> Any:
    """How the library is run."""
    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.n_parallel = config.slots
    # Each slot has a context of its own: one shared by all would fail everybody's calls when it is full.
    params.n_ctx = config.context_tokens * config.slots
    params.kv_unified = False
    params.ctx_shift = False
    params.cache_type_k = params.cache_type_v = KV_CACHE_TYPES[config.kv_cache]
    # The library would also keep past prompts in up to 8 GiB; a slot's own last prompt is cache enough here.
    params.cache_ram_mib = 0
    params.n_batch = params.n_ubatch = config.batch_tokens
    threads = config.threads or len(os.sched_getaffinity(0))
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.hostnames = [str(socket)]
    params.n_threads_http = 2
    params.ui = False
    params.endpoint_metrics = True
    params.verbosity = 0
    if config.chat_template_file is not None:
        params.chat_template = _read_template(config.chat_template_file)
    return params


def _read_template(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"LEDGE_CHAT_TEMPLATE_FILE: {path} cannot be read as text") from error
