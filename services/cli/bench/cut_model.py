"""A model of the catalogue in torch, and little ones cut from it: the same weights with layers left out."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from services.hybrid.bild.hugging_face import HuggingFaceContext
from services.kit.errors import InvalidInput
from services.kit.models import ModelStore


class CutModel:
    """Loads GGUF or safetensors in single precision. Layers are left out from the last but one backwards.

    Args:
        model: id in the catalogue.
        device: as torch calls it.
    """

    def __init__(self, model: str, device: str) -> None:
        folder = ModelStore.from_environment().require(model)
        gguf = next((path.name for path in folder.glob("*.gguf")), None)
        fields = {"gguf_file": gguf} if gguf else {}
        self._tokenizer = AutoTokenizer.from_pretrained(folder, **fields)
        loaded: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **fields)
        self._model = loaded.to(device).eval()
        self.ends = frozenset({self._tokenizer.eos_token_id})

    @property
    def layers(self) -> int:
        return len(self._model.model.layers)

    def prompt(self, question: str) -> list[int]:
        """Token ids of a chat with this one question."""
        told = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, tokenize=False
        )
        ids: list[int] = self._tokenizer(told, add_special_tokens=False)["input_ids"]
        return ids

    def text(self, token_ids: Sequence[int]) -> str:
        told: str = self._tokenizer.decode([token for token in token_ids if token not in self.ends])
        return told

    def ids(self, text: str) -> list[int]:
        found: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    def context(self) -> HuggingFaceContext:
        return HuggingFaceContext(self._model)

    def without(self, count: int) -> Callable[[], HuggingFaceContext]:
        """Contexts of the model without `count` layers, which shares all weights with it."""
        if not 0 <= count < self.layers - 1:
            raise InvalidInput(f"{count} layers cannot be left out of {self.layers}")
        little = copy.copy(self._model)
        little._modules = dict(self._model._modules)
        body = copy.copy(self._model.model)
        body._modules = dict(self._model.model._modules)
        kept = [
            layer for place, layer in enumerate(body.layers) if not self.layers - 1 - count <= place < self.layers - 1
        ]
        # Each layer knows its place in the cache.
        layers = [_placed(layer, place) for place, layer in enumerate(kept)]
        body.layers = torch.nn.ModuleList(layers)
        body.config = little.config = copy.deepcopy(self._model.config)
        little.config.num_hidden_layers = len(layers)
        if getattr(little.config, "layer_types", None):
            little.config.layer_types = little.config.layer_types[: len(layers)]
        little.model = body
        return lambda: HuggingFaceContext(little)


def _placed(layer: Any, place: int) -> Any:
    moved = copy.copy(layer)
    moved._modules = dict(layer._modules)
    moved.self_attn = copy.copy(layer.self_attn)
    moved.self_attn.layer_idx = place
    return moved
