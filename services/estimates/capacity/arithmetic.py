"""The time of a decoding step and of a prompt, from first principles.

Each step reads all weights once and the attention cache of every sequence; it does the arithmetic of one token a
sequence. The slower of the two is its time. Answers begin with a prompt, and while a prompt is computed nobody else's
answer goes on: in a steady state each of B answers of O tokens waits for B prompts.
"""

from dataclasses import dataclass

from services.estimates.capacity.platforms import MEMORY_SHARE, Platform
from services.estimates.capacity.shapes import Format, Shape
from services.kit.errors import InvalidInput

MAX_TOKENS = 10_000_000


@dataclass(frozen=True)
class Lengths:
    """What is asked of each user's call, in tokens."""

    prompt_tokens: int
    answer_tokens: int

    def __post_init__(self) -> None:
        for name, tokens in (("prompt", self.prompt_tokens), ("answer", self.answer_tokens)):
            if not 1 <= tokens <= MAX_TOKENS:
                raise InvalidInput(f"a {name} of {tokens} tokens; the range is 1 to {MAX_TOKENS}")

    @property
    def mean_context_tokens(self) -> float:
        """Over the steps of an answer."""
        return self.prompt_tokens + self.answer_tokens / 2

    @property
    def whole_tokens(self) -> int:
        return self.prompt_tokens + self.answer_tokens


@dataclass(frozen=True)
class Machine:
    """A model on a platform."""

    shape: Shape
    format: Format
    platform: Platform


@dataclass(frozen=True)
class Step:
    """One step of `sequences` side by side, in seconds, with where they go."""

    sequences: int
    weights_s: float
    cache_s: float
    arithmetic_s: float
    fixed_s: float
    """Launches, sampling, chips that add up their sums."""
    prompts_s: float
    """What other answers' prompts take of each step."""

    @property
    def seconds(self) -> float:
        return max(self.weights_s + self.cache_s, self.arithmetic_s) + self.fixed_s + self.prompts_s

    @property
    def user_tokens_per_s(self) -> float:
        return 1 / self.seconds

    @property
    def tokens_per_s(self) -> float:
        return self.sequences / self.seconds

    @property
    def binding(self) -> str:
        """What most of the time goes to."""
        parts = {
            "reading the weights": self.weights_s,
            "reading the attention cache": self.cache_s,
            "arithmetic of the step": max(0.0, self.arithmetic_s - self.weights_s - self.cache_s),
            "launches, sampling and exchange between chips": self.fixed_s,
            "others' prompts": self.prompts_s,
        }
        return max(parts, key=lambda name: parts[name])


def prompt_s(machine: Machine, prompt_tokens: int) -> float:
    """One prompt alone. Never less than a reading of the weights."""
    shape, platform = machine.shape, machine.platform
    flops = prompt_tokens * shape.flops_per_token(prompt_tokens / 2)
    peak = platform.peak_flops(machine.format.arithmetic) * platform.kind.compute_share
    reading_s = shape.step_weights_bytes(machine.format) / (platform.bandwidth_bytes_per_s * platform.efficiency)
    return max(flops / peak, reading_s) + platform.kind.step_s


def step(machine: Machine, lengths: Lengths, sequences: int) -> Step:
    """The mean step of an answer among `sequences`."""
    if sequences < 1:
        raise InvalidInput("a step has one sequence at least")
    shape, platform, format_ = machine.shape, machine.platform, machine.format
    bandwidth = platform.bandwidth_bytes_per_s * platform.efficiency
    context = lengths.mean_context_tokens
    flops = sequences * shape.flops_per_token(context)
    exchange_s = platform.kind.exchange_s * shape.layers if platform.chips > 1 else 0.0
    # Alone, nobody else's prompt stands in the way: its own comes before the answer.
    others_prompts = (sequences - 1) / lengths.answer_tokens
    return Step(
        sequences=sequences,
        weights_s=shape.step_weights_bytes(format_) / bandwidth,
        cache_s=sequences * context * shape.cache_bytes_per_token(format_) / bandwidth,
        arithmetic_s=flops / (platform.peak_flops(format_.arithmetic) * platform.kind.compute_share),
        fixed_s=platform.kind.step_s + platform.kind.sequence_s * sequences + exchange_s,
        prompts_s=others_prompts * prompt_s(machine, lengths.prompt_tokens),
    )


def cache_tokens(machine: Machine) -> int:
    """Tokens of attention cache that fit beside the weights; 0 where the weights alone do not."""
    left = machine.platform.memory_bytes * MEMORY_SHARE - machine.shape.weights_bytes(machine.format)
    return max(0, int(left / machine.shape.cache_bytes_per_token(machine.format)))


def most_sequences(machine: Machine, lengths: Lengths) -> int:
    """Answers side by side whose cache fits to their ends, as far as the platform's software goes."""
    return min(machine.platform.max_batch, cache_tokens(machine) // lengths.whole_tokens)


def ceiling_tokens_per_s(machine: Machine, lengths: Lengths, sequences: int) -> float:
    """What the data sheet's bandwidth alone would allow: nothing is faster without reading less."""
    shape, format_ = machine.shape, machine.format
    cache = sequences * lengths.mean_context_tokens * shape.cache_bytes_per_token(format_)
    return sequences * machine.platform.bandwidth_bytes_per_s / (shape.step_weights_bytes(format_) + cache)
