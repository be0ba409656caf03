"""BERT's forward pass in float32 numpy, straight from the paper (Devlin et al., 2019): what the encoder is held to."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

Array = NDArray[np.float32]


class ReferenceBert:
    """One text at a time, without padding; `hidden` answers with shape (tokens, dimensions)."""

    def __init__(self, directory: Path) -> None:
        self.weights = load_file(directory / "model.safetensors")
        self.config = json.loads((directory / "config.json").read_text())

    def hidden(self, ids: Sequence[int]) -> Array:
        embeddings = "embeddings"
        states = (
            self.weights[f"{embeddings}.word_embeddings.weight"][list(ids)]
            + self.weights[f"{embeddings}.position_embeddings.weight"][: len(ids)]
            + self.weights[f"{embeddings}.token_type_embeddings.weight"][0]
        )
        states = self._normalised(states, f"{embeddings}.LayerNorm")
        for index in range(self.config["num_hidden_layers"]):
            states = self._layer(states, f"encoder.layer.{index}")
        return states

    def dense(self, ids: Sequence[int]) -> Array:
        mean = self.hidden(ids).mean(axis=0)
        unit: Array = mean / np.linalg.norm(mean)
        return unit

    def _layer(self, states: Array, place: str) -> Array:
        attended = self._linear(self._attention(states, f"{place}.attention.self"), f"{place}.attention.output.dense")
        states = self._normalised(states + attended, f"{place}.attention.output.LayerNorm")
        wide = self._linear(states, f"{place}.intermediate.dense")
        gelu = wide * (1 + erf(wide / np.sqrt(2))) / 2
        return self._normalised(states + self._linear(gelu, f"{place}.output.dense"), f"{place}.output.LayerNorm")

    def _attention(self, states: Array, place: str) -> Array:
        heads = self.config["num_attention_heads"]
        query, key, value = (
            self._linear(states, f"{place}.{part}").reshape(len(states), heads, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(query.shape[-1])
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        mixed: Array = (shares @ value).transpose(1, 0, 2).reshape(len(states), -1)
        return mixed

    def _linear(self, states: Array, place: str) -> Array:
        result: Array = states @ self.weights[f"{place}.weight"].T + self.weights[f"{place}.bias"]
        return result

    def _normalised(self, states: Array, place: str) -> Array:
        mean = states.mean(axis=-1, keepdims=True)
        variance = ((states - mean) ** 2).mean(axis=-1, keepdims=True)
        result: Array = (states - mean) / np.sqrt(variance + self.config["layer_norm_eps"])
        return result * self.weights[f"{place}.weight"] + self.weights[f"{place}.bias"]


def erf(x: Array) -> Array:
    """Within 1.5e-7 (Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26)."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    result: Array = np.sign(x) * (1 - series * np.exp(-x * x))
    return result
