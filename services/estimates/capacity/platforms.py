"""What a machine can do by its data sheet, and the share of it that serving reaches.

`efficiency` is one number a platform, fitted to the published points of `published.py` (a test fits it again); where
nothing is published it is that of the nearest relative and `fitted` is false. The other constants belong to a kind of
machine, not to one of it.
"""

from dataclasses import dataclass, replace

from services.kit.errors import InvalidInput

MEMORY_SHARE = 0.9
"""Of a machine's memory for weights and attention cache."""


@dataclass(frozen=True)
class Kind:
    """What machines of one kind have in common."""

    name: str
    step_s: float
    """Of each step: launches, scheduling."""
    sequence_s: float
    """Of each sequence in a step: sampling, detokenising, sending."""
    exchange_s: float
    """Of each layer where several chips hold one model: their sums are added up."""
    compute_share: float
    """Of the peak arithmetic that a prompt reaches."""


GPU = Kind("GPU with HBM or GDDR", step_s=1.5e-3, sequence_s=13e-6, exchange_s=40e-6, compute_share=0.5)
TENSTORRENT = Kind("Tenstorrent, GDDR6 without HBM", step_s=0, sequence_s=0, exchange_s=0.35e-3, compute_share=0.5)
MESH = replace(TENSTORRENT, name="Tenstorrent mesh, its exchange within its efficiency", exchange_s=0)
CPU = Kind("CPU", step_s=0, sequence_s=0, exchange_s=0, compute_share=1)
DEVICE = Kind("phone or laptop", step_s=0, sequence_s=0, exchange_s=0, compute_share=0.5)


@dataclass(frozen=True)
class Platform:
    """One accelerator, or several that hold one model together."""

    name: str
    kind: Kind
    bandwidth_bytes_per_s: float
    bf16_flops: float
    fp8_flops: float
    memory_bytes: float
    efficiency: float
    """Share of the bandwidth that steps reach."""
    fitted: bool = True
    chips: int = 1
    max_batch: int = 1024
    """Most sequences a step that its software allows."""
    default_format: str = "bf16"

    def times(self, count: int) -> "Platform":
        """So many of them holding one model by tensor parallelism."""
        if count == 1:
            return self
        if not 1 <= count <= 64:
            raise InvalidInput(f"{count} accelerators for one model; the range is 1 to 64")
        return replace(
            self,
            name=f"{count} x {self.name}",
            bandwidth_bytes_per_s=self.bandwidth_bytes_per_s * count,
            bf16_flops=self.bf16_flops * count,
            fp8_flops=self.fp8_flops * count,
            memory_bytes=self.memory_bytes * count,
            chips=self.chips * count,
        )

    def peak_flops(self, arithmetic: str) -> float:
        return self.fp8_flops if arithmetic == "fp8" else self.bf16_flops


def _tenstorrent(
    name: str,
    gb_per_s: float,
    bf16_tflops: float,
    fp8_tflops: float,
    gb: float,
    efficiency: float,
    chips: int = 1,
    kind: Kind = TENSTORRENT,
) -> Platform:
    return Platform(
        name,
        kind,
        gb_per_s * 1e9,
        bf16_tflops * 1e12,
        fp8_tflops * 1e12,
        gb * 1e9,
        efficiency,
        chips=chips,
        max_batch=32,
        default_format="bfp4-bfp8",
    )


PLATFORMS = {
    one.name: one
    for one in (
        Platform("h100", GPU, 3.35e12, 989e12, 1979e12, 80e9, 0.83),
        Platform("gh200", GPU, 4.0e12, 989e12, 1979e12, 96e9, 0.895),
        Platform("h200", GPU, 4.8e12, 989e12, 1979e12, 141e9, 0.83, fitted=False),
        Platform("a100-80g", GPU, 2.04e12, 312e12, 312e12, 80e9, 0.83, fitted=False),
        Platform("l40s", GPU, 0.864e12, 362e12, 733e12, 48e9, 0.83, fitted=False),
        _tenstorrent("n150", 288, 74, 148, 12, 0.48),
        _tenstorrent("n300", 576, 131, 262, 24, 0.36),
        _tenstorrent("p100a", 448, 166, 664, 28, 0.36),
        _tenstorrent("p150a", 512, 194, 774, 32, 0.36),
        _tenstorrent("t3k", 2304, 524, 1048, 96, 0.565, 8),
        _tenstorrent("p150x4", 2048, 776, 3096, 128, 0.355, 4, MESH),
        _tenstorrent("galaxy", 9216, 2368, 4736, 384, 0.385, 32, MESH),
        # Two virtual cores with AVX2, as measured: 5.96 ms a step of SmolLM2-135M Q4_1, 82.4 ms for 32 sequences.
        Platform("cpu-2", CPU, 16e9, 105e9, 105e9, 8e9, 0.89, default_format="q4_1"),
        Platform("device", DEVICE, 60e9, 2e12, 4e12, 8e9, 0.5, fitted=False, default_format="int4"),
    )
}


def platform(name: str, count: int = 1) -> Platform:
    """Raises InvalidInput for one that is not known."""
    if name.lower() not in PLATFORMS:
        raise InvalidInput(f"the platform {name!r} is not known; known are {', '.join(PLATFORMS)}")
    return PLATFORMS[name.lower()].times(count)
