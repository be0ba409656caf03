"""Device, edge and cloud: what one user gets of the model that each can hold."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.estimates.capacity.platforms import platform

REALISTIC = 0.5
"""Of the ceiling, with one user: what launches, attention and software leave."""


@dataclass(frozen=True)
class Tier:
    name: str
    model: str
    machine: str
    platform: str
    chips: int
    weights_bytes: float

    @property
    def ceiling_tokens_per_s(self) -> float:
        """Weights read once a token, and nothing else: a bound, never a promise."""
        return platform(self.platform, self.chips).bandwidth_bytes_per_s / self.weights_bytes

    @property
    def realistic_tokens_per_s(self) -> float:
        return REALISTIC * self.ceiling_tokens_per_s


TIERS: Sequence[Tier] = (
    Tier("device", "3B, int4", "60 GB/s", "device", 1, 3.2e9 * 0.52),
    Tier("edge", "14B, FP8", "one L40S", "l40s", 1, 14e9),
    Tier("edge", "32B, FP8", "two L40S", "l40s", 2, 32e9),
    Tier("edge", "70B, FP8", "four L40S", "l40s", 4, 70e9),
    Tier("cloud", "405B, FP8", "eight H100", "h100", 8, 405e9),
)
