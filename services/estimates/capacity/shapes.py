"""What a language model's size costs: its weights, its attention cache and its arithmetic, by number format."""

from dataclasses import dataclass

from services.kit.errors import InvalidInput


@dataclass(frozen=True)
class Format:
    """How weights and attention cache are stored."""

    name: str
    weight_bytes: float
    """Bytes of a weight, scales included."""
    cache_bytes: float
    """Bytes of a number in the attention cache."""
    arithmetic: str
    """Which of a platform's peaks multiplies it: `bf16` or `fp8`."""


FORMATS = {
    one.name: one
    for one in (
        Format("bf16", 2, 2, "bf16"),
        Format("fp8", 1, 1, "fp8"),
        Format("fp8-weights", 1, 2, "fp8"),
        Format("int4", 0.53, 2, "bf16"),
        # Tenstorrent's block floats share an exponent of 8 bits among 16 numbers; tt_transformers stores the two
        # projections into the feed-forward layer with 4 bits and the rest with 8.
        Format("bfp4-bfp8", 0.6875, 1.0625, "fp8"),
        Format("q4_1", 0.625, 2, "bf16"),
    )
}


@dataclass(frozen=True)
class Shape:
    """The dimensions of a decoder with grouped attention."""

    name: str
    parameters: float
    layers: int
    heads: int
    cache_heads: int
    head_width: int
    hidden: int
    vocabulary: int
    tied: bool = False
    """Whether the input embedding is also the output matrix: then all of it is read in each step."""

    @property
    def _looked_up(self) -> float:
        """Parameters of which a step reads a row each: the input embedding."""
        return 0.0 if self.tied else float(self.vocabulary * self.hidden)

    def step_weights_bytes(self, format_: Format) -> float:
        """What each step reads, however many sequences it serves."""
        return (self.parameters - self._looked_up) * format_.weight_bytes

    def weights_bytes(self, format_: Format) -> float:
        """What lies in memory. The embedding that is only looked up keeps 16 bits."""
        return self.step_weights_bytes(format_) + self._looked_up * 2

    def cache_bytes_per_token(self, format_: Format) -> float:
        return 2 * self.layers * self.cache_heads * self.head_width * format_.cache_bytes

    def flops_per_token(self, context_tokens: float) -> float:
        """Multiplications and additions of one token after this many."""
        matrices = 2 * (self.parameters - self._looked_up)
        return matrices + 4 * self.layers * self.heads * self.head_width * context_tokens


SHAPES = {
    one.name: one
    for one in (
        Shape("smollm2-135m", 134.5e6, 30, 9, 3, 64, 576, 49_152, tied=True),
        Shape("llama-3.2-1b", 1.236e9, 16, 32, 8, 64, 2048, 128_256, tied=True),
        Shape("llama-3.2-3b", 3.213e9, 28, 24, 8, 128, 3072, 128_256, tied=True),
        Shape("mistral-7b", 7.248e9, 32, 32, 8, 128, 4096, 32_768),
        Shape("llama-3.1-8b", 8.03e9, 32, 32, 8, 128, 4096, 128_256),
        Shape("qwen2.5-14b", 14.77e9, 48, 40, 8, 128, 5120, 152_064),
        Shape("qwen3-32b", 32.76e9, 64, 64, 8, 128, 5120, 151_936),
        Shape("llama-3.1-70b", 70.55e9, 80, 64, 8, 128, 8192, 128_256),
        Shape("llama-3.1-405b", 405.85e9, 126, 128, 8, 128, 16_384, 128_256),
    )
}


def shape(name: str) -> Shape:
    """Raises InvalidInput for one that is not known; `-instruct` is no other size."""
    plain = name.lower().removesuffix("-instruct")
    if plain not in SHAPES:
        raise InvalidInput(f"the model {name!r} is not known; known are {', '.join(SHAPES)}")
    return SHAPES[plain]


def format_(name: str) -> Format:
    if name not in FORMATS:
        raise InvalidInput(f"the format {name!r} is not known; known are {', '.join(FORMATS)}")
    return FORMATS[name]
