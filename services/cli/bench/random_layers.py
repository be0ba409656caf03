"""Layers of a Transformer filled at random, for the models without weights that the benches and tests make."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ctranslate2 import specs
from numpy.typing import NDArray


@dataclass(frozen=True)
class RandomLayers:
    """Fills what it is given; the same `random` fills the same."""

    random: np.random.Generator
    width: int
    spread: float
    """Standard deviation of a weight."""

    def weights(self, *sizes: int) -> NDArray[np.float32]:
        return self.random.standard_normal(sizes, np.float32) * np.float32(self.spread)

    def linear(self, layer: specs.common_spec.LinearSpec, out: int, into: int) -> None:
        layer.weight, layer.bias = self.weights(out, into), np.zeros(out, np.float32)

    def norm(self, layer: specs.common_spec.LayerNormSpec) -> None:
        layer.gamma, layer.beta = np.ones(self.width, np.float32), np.zeros(self.width, np.float32)

    def stack(self, layers: Iterable[Any], *, listens: bool) -> None:
        """Every layer of an encoder, or of a decoder, which `listens` to one."""
        for layer in layers:
            self.linear(layer.self_attention.linear[0], 3 * self.width, self.width)
            self.linear(layer.self_attention.linear[1], self.width, self.width)
            self.linear(layer.ffn.linear_0, 4 * self.width, self.width)
            self.linear(layer.ffn.linear_1, self.width, 4 * self.width)
            self.norm(layer.self_attention.layer_norm)
            self.norm(layer.ffn.layer_norm)
            if listens:
                self.linear(layer.attention.linear[0], self.width, self.width)
                self.linear(layer.attention.linear[1], 2 * self.width, self.width)
                self.linear(layer.attention.linear[2], self.width, self.width)
                self.norm(layer.attention.layer_norm)
