"""Turns a BERT model's safetensors into a CTranslate2 model, without torch, and keeps the result beside it.

The mapping is that of CTranslate2's own BERT converter, with two differences that change no result: the embedding of
token type 0, the only one used, is added to the position embeddings beforehand, and the pooler is left out.
"""

import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from ctranslate2.specs import common_spec, transformer_spec
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from services.kit.encoder.instructions import prefer_avx512
from services.kit.errors import EngineFailed

log = logging.getLogger("ledge.encoder")

# Part of the cache key: raise it when `_specify` changes.
CONVERSION = 1
CONVERTING = ".converting-"
# What is left under this prefix for so long belongs to a process that was killed.
ABANDONED_AFTER_S = 3600.0
ACTIVATIONS = {
    "gelu": common_spec.Activation.GELU,
    "gelu_new": common_spec.Activation.GELUTanh,
    "gelu_pytorch_tanh": common_spec.Activation.GELUTanh,
    "relu": common_spec.Activation.RELU,
}
Weights = Mapping[str, NDArray[np.float32]]


def load_converted(directory: Path, compute_type: str, inter_threads: int, intra_threads: int) -> ctranslate2.Encoder:
    """Loads the model in `directory`, converted now if no earlier run left a conversion that still fits.

    Args:
        directory: holds `model.safetensors` and `config.json`. When it can be written, the conversion stays in its
            hidden folder `.ctranslate2`; processes that convert at the same time do not disturb each other.
        compute_type: "int8" or "float32".

    Raises:
        EngineFailed: not a BERT model, or a damaged one.
    """
    prefer_avx512()
    options: dict[str, Any] = {
        "device": "cpu",
        "compute_type": compute_type,
        "inter_threads": inter_threads,
        "intra_threads": intra_threads,
    }
    kept = directory / ".ctranslate2" / _key(directory, compute_type)
    if (kept / "model.bin").is_file():
        try:
            return ctranslate2.Encoder(str(kept), **options)
        except (RuntimeError, ValueError) as error:
            log.warning("converting again, the kept conversion cannot be loaded", extra={"reason": str(error)[:200]})
            shutil.rmtree(kept, ignore_errors=True)
    parent = kept.parent if _writable(kept.parent) else None
    with tempfile.TemporaryDirectory(dir=parent, prefix=CONVERTING, ignore_cleanup_errors=True) as temporary:
        fresh = Path(temporary) / "model"
        fresh.mkdir()
        _convert(directory, fresh, compute_type)
        encoder = ctranslate2.Encoder(str(fresh), **options)
        if parent is not None:
            _keep(fresh, kept)
        return encoder


def _key(directory: Path, compute_type: str) -> str:
    try:
        weights = (directory / "model.safetensors").stat()
        config = (directory / "config.json").read_bytes()
    except OSError as error:
        raise EngineFailed(f"the model in {directory} has no {Path(str(error.filename)).name}") from None
    facts = (CONVERSION, ctranslate2.__version__, compute_type, weights.st_size, weights.st_mtime_ns, config)
    return f"{compute_type}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}"


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _keep(fresh: Path, kept: Path) -> None:
    try:
        for file in fresh.iterdir():
            with file.open("rb") as content:
                os.fsync(content.fileno())
        fresh.rename(kept)
    except OSError as error:
        # Another process was first, or the disk is full: this run has its model, the next one converts again.
        log.info("the conversion was not kept", extra={"reason": error.strerror})
        return
    _tidy(kept)


def _tidy(kept: Path) -> None:
    """Removes the conversions of earlier weights, and what killed processes left."""
    kind = kept.name.partition("-")[0]
    abandoned_s = time.time() - ABANDONED_AFTER_S
    for old in kept.parent.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process tidies too
            outdated = old != kept and old.name.startswith(f"{kind}-")
            if outdated or (old.name.startswith(CONVERTING) and old.stat().st_mtime < abandoned_s):
                shutil.rmtree(old, ignore_errors=True)


def _convert(directory: Path, output: Path, compute_type: str) -> None:
    config = json.loads((directory / "config.json").read_text())
    if config.get("model_type") != "bert" or config.get("position_embedding_type", "absolute") != "absolute":
        raise EngineFailed(
            f"the model in {directory} is of type {config.get('model_type')!r}; this engine reads BERT models "
            "with absolute positions (MiniLM, BGE, E5, GTE)"
        )
    try:
        tensors = load_file(directory / "model.safetensors")
        weights = {name.removeprefix("bert."): tensor.astype(np.float32) for name, tensor in tensors.items()}
        spec = _specify(config, weights)
        spec.validate()
    except (OSError, SafetensorError, KeyError, IndexError, ValueError, TypeError) as error:
        raise EngineFailed(f"the weights in {directory} are not those of a BERT model: {error}") from None
    spec.optimize(quantization=None if compute_type == "float32" else compute_type)
    try:
        spec.save(str(output))
    except OSError as error:
        raise EngineFailed(f"the converted model cannot be written to {output.parent}: {error.strerror}") from None


def _specify(config: Mapping[str, Any], weights: Weights) -> transformer_spec.TransformerEncoderModelSpec:
    encoder = transformer_spec.TransformerEncoderSpec(
        config["num_hidden_layers"],
        config["num_attention_heads"],
        pre_norm=False,
        activation=ACTIVATIONS[config["hidden_act"]],
        layernorm_embedding=True,
    )
    encoder.scale_embeddings = False
    encoder.embeddings[0].weight = weights["embeddings.word_embeddings.weight"]
    token_type = weights["embeddings.token_type_embeddings.weight"][0]
    encoder.position_encodings.encodings = weights["embeddings.position_embeddings.weight"] + token_type
    _normalisation(encoder.layernorm_embedding, weights, "embeddings.LayerNorm")
    for index, layer in enumerate(encoder.layer):
        place = f"encoder.layer.{index}"
        attention = layer.self_attention
        _linear(attention.linear[0], weights, *(f"{place}.attention.self.{part}" for part in ("query", "key", "value")))
        _linear(attention.linear[1], weights, f"{place}.attention.output.dense")
        _normalisation(attention.layer_norm, weights, f"{place}.attention.output.LayerNorm")
        _linear(layer.ffn.linear_0, weights, f"{place}.intermediate.dense")
        _linear(layer.ffn.linear_1, weights, f"{place}.output.dense")
        _normalisation(layer.ffn.layer_norm, weights, f"{place}.output.LayerNorm")
    spec = transformer_spec.TransformerEncoderModelSpec(encoder)
    spec.config.layer_norm_epsilon = config["layer_norm_eps"]
    # Texts arrive as ids, so the vocabulary only has to have the right length.
    spec.register_vocabulary([f"[{token_id}]" for token_id in range(config["vocab_size"])])
    spec.config.unk_token = "[0]"  # noqa: S105 - a token of the vocabulary, no secret
    return spec


def _linear(spec: Any, weights: Weights, *names: str) -> None:
    spec.weight = np.concatenate([weights[f"{name}.weight"] for name in names])
    spec.bias = np.concatenate([weights[f"{name}.bias"] for name in names])


def _normalisation(spec: Any, weights: Weights, name: str) -> None:
    spec.gamma = weights[f"{name}.weight"]
    spec.beta = weights[f"{name}.bias"]
