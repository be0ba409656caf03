"""Throughput that others have published, to hold the arithmetic against.

Where a source does not say its lengths or formats, `assumed` says what is taken and why.
"""

from dataclasses import dataclass, replace

from services.estimates.capacity.arithmetic import Lengths, Machine, most_sequences, step
from services.estimates.capacity.platforms import platform
from services.estimates.capacity.shapes import format_, shape

NIM_LENGTHS = "200 in, 200 out: what its throughput, latency and first token agree with; FP8: BF16 could not be so fast"
SGLANG = "SGLang's documentation, MT-bench"
GH200_NIM = "NVIDIA NIM, Llama-3.1-Nemotron-Safety-Guard-8B"
NIM = "NVIDIA NIM 1.8 benchmark pages"
TT_METAL = "tt-metal's table of models, 128 tokens in"
TT_PERF = "tt_transformers PERF.md"
HERE = "measured on two virtual cores"


@dataclass(frozen=True)
class Point:
    """Tokens per second that one user sees with `users` at work."""

    source: str
    platform: str
    chips: int
    model: str
    format: str
    lengths: Lengths
    users: int
    user_tokens_per_s: float
    assumed: str = ""
    steps_alone: bool = False
    """Its prompts were computed before the clock ran."""

    @property
    def name(self) -> str:
        several = f"{self.chips} x " if self.chips > 1 else ""
        return f"{self.model} on {several}{self.platform}, {self.users} users, {self.lengths.whole_tokens} tokens"

    def machine(self, efficiency: float | None = None) -> Machine:
        """At the platform's own efficiency, or another."""
        found = platform(self.platform, self.chips)
        if efficiency is not None:
            found = replace(found, efficiency=efficiency)
        return Machine(shape(self.model), format_(self.format), found)

    def predicted(self, efficiency: float | None = None) -> float:
        """What the arithmetic says, for those whose cache fits."""
        machine = self.machine(efficiency)
        served = max(1, min(self.users, most_sequences(machine, self.lengths)))
        found = step(machine, self.lengths, served)
        return replace(found, prompts_s=0.0).user_tokens_per_s if self.steps_alone else found.user_tokens_per_s

    def error(self, efficiency: float | None = None) -> float:
        """Predicted over published, less one."""
        return self.predicted(efficiency) / self.user_tokens_per_s - 1


def _nim_8b(users: int, token_ms: float) -> Point:
    return Point(NIM, "h100", 1, "llama-3.1-8b", "fp8", Lengths(200, 200), users, 1000 / token_ms, assumed=NIM_LENGTHS)


def _nim_70b(users: int, token_ms: float) -> Point:
    fp8 = "attention cache in FP8: in BF16 half of the hundred would not fit"
    return Point(NIM, "h100", 2, "llama-3.1-70b", "fp8", Lengths(5000, 500), users, 1000 / token_ms, assumed=fp8)


def _gh200(users: int, tokens_per_s: float) -> Point:
    lengths = Lengths(1000, 1000)
    return Point(GH200_NIM, "gh200", 1, "llama-3.1-8b", "bf16", lengths, users, tokens_per_s / users)


def _tt(name: str, model: str, users: int, user_tokens_per_s: float, source: str = TT_METAL) -> Point:
    return Point(source, name, 1, model, "bfp4-bfp8", Lengths(128, 128), users, user_tokens_per_s, steps_alone=True)


POINTS = (
    Point(SGLANG, "h100", 1, "llama-3.1-8b", "bf16", Lengths(128, 256), 1, 158.3, "384 tokens in all"),
    Point(
        "NVIDIA's chart of NIM on and off",
        "h100",
        1,
        "llama-3.1-8b",
        "bf16",
        Lengths(1000, 1000),
        200,
        6372 / 200,
        "1000 in, 1000 out, BF16: the chart says neither",
    ),
    _nim_8b(1, 4.63),
    _nim_8b(5, 4.58),
    _nim_8b(25, 5.19),
    _nim_8b(50, 5.91),
    _nim_8b(100, 7.57),
    _nim_8b(150, 9.81),
    _nim_8b(200, 12.65),
    _nim_8b(250, 16.14),
    _nim_70b(1, 18.6),
    _nim_70b(50, 59.7),
    _nim_70b(100, 92.9),
    _gh200(1, 165.8),
    _gh200(100, 7590),
    _gh200(250, 7152),
    _tt("n150", "llama-3.1-8b", 1, 28.3, TT_PERF),
    _tt("n150", "llama-3.1-8b", 32, 26.0),
    _tt("n150", "mistral-7b", 32, 28.7),
    _tt("n150", "llama-3.2-3b", 32, 46.6),
    _tt("n150", "llama-3.2-1b", 32, 80.5),
    Point(TT_PERF, "n150", 1, "llama-3.1-8b", "bfp4-bfp8", Lengths(64_000, 200), 1, 16.9, "64 k tokens of context"),
    _tt("n300", "llama-3.1-8b", 1, 44.2, TT_PERF),
    _tt("n300", "llama-3.1-8b", 32, 33.5),
    _tt("p100a", "llama-3.1-8b", 32, 29.0),
    _tt("p150a", "llama-3.1-8b", 32, 33.1),
    _tt("t3k", "llama-3.1-8b", 1, 64.3, TT_PERF),
    _tt("t3k", "llama-3.1-70b", 1, 16.6, TT_PERF),
    _tt("t3k", "llama-3.1-70b", 32, 15.9),
    _tt("t3k", "qwen3-32b", 32, 22.1),
    _tt("p150x4", "llama-3.1-70b", 32, 14.9),
    _tt("galaxy", "llama-3.1-70b", 32, 72.5),
    Point(HERE, "cpu-2", 1, "smollm2-135m", "q4_1", Lengths(8, 64), 1, 168.0, steps_alone=True),
    Point(HERE, "cpu-2", 1, "smollm2-135m", "q4_1", Lengths(8, 64), 32, 388 / 32, "a step of 32 tokens", True),
)
