"""What this machine has, and which of the shipped profiles fits it best."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.cli.local.checks import Check, memory_limit_bytes
from services.kit.models.disk import readable
from services.kit.profiles import Hardware, Profile

NVIDIA_SMI_TIMEOUT_S = 20
TOLERANCE = 0.97
"""A GPU sold with 24 GB, or a machine with 16, tells a little less: firmware and kernel keep some."""


@dataclass(frozen=True)
class Machine:
    """What profiles ask for."""

    cpu_cores: int
    memory_bytes: int
    gpus: tuple[tuple[str, int], ...] = ()
    """CUDA devices: name and memory in bytes."""
    tenstorrent: int = 0
    """Cards."""

    def __str__(self) -> str:
        parts = [f"{self.cpu_cores} cores", readable(self.memory_bytes)]
        parts += [f"{name} with {readable(size_bytes)}" for name, size_bytes in self.gpus]
        parts += [f"{self.tenstorrent} Tenstorrent cards"] if self.tenstorrent else []
        return ", ".join(parts if len(parts) > 2 else [*parts, "no accelerator"])


def this_machine(devices: Path = Path("/dev/tenstorrent")) -> Machine:
    """Asks nvidia-smi where there is one; a driver that does not answer counts as no GPU."""
    cards = [path for path in devices.glob("*") if path.name.isdigit()] if devices.is_dir() else []
    return Machine(len(os.sched_getaffinity(0)), memory_limit_bytes(), tuple(_gpus()), len(cards))


def _gpus() -> Iterator[tuple[str, int]]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return
    command = [program, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=NVIDIA_SMI_TIMEOUT_S, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return
    yield from read_gpus(told)


def read_gpus(table: str) -> Iterator[tuple[str, int]]:
    """Name and bytes of each line of nvidia-smi's table; it tells MiB."""
    for line in table.splitlines():
        name, _, mebibytes = line.rpartition(",")
        if mebibytes.strip().isdigit():
            yield name.strip(), int(mebibytes) * 2**20


def lacks(machine: Machine, wanted: Hardware) -> list[str]:
    """What the machine is short of, each as a phrase; empty: it fits."""
    short = []
    if machine.cpu_cores < wanted.cpu_cores:
        short.append(f"{wanted.cpu_cores:g} cores")
    if machine.memory_bytes < TOLERANCE * wanted.memory_bytes:
        short.append(readable(wanted.memory_bytes))
    if wanted.accelerator == "cuda":
        large = [size for _, size in machine.gpus if size >= TOLERANCE * wanted.accelerator_bytes]
        if len(large) < wanted.accelerator_count:
            short.append(f"{wanted.accelerator_count} GPU of {readable(wanted.accelerator_bytes)}")
    if wanted.accelerator == "tenstorrent" and machine.tenstorrent < wanted.accelerator_count:
        short.append("a Tenstorrent card")
    return short


def best_fit(machine: Machine, profiles: Sequence[Profile]) -> Profile | None:
    """The one that makes most of the machine: an accelerator before none, then the largest."""
    fitting = [profile for profile in profiles if not lacks(machine, profile.hardware)]

    def size(profile: Profile) -> tuple[bool, int, int]:
        wanted = profile.hardware
        accelerated = wanted.accelerator_count * wanted.accelerator_bytes
        return wanted.accelerator != "none", accelerated, wanted.memory_bytes

    return max(fitting, key=size, default=None)


def check_profiles(machine: Machine, profiles: Sequence[Profile], chosen: str) -> Check:
    """Which profile fits, and what each of the others wants that is not here."""
    best = best_fit(machine, profiles)
    others = [
        f"{profile.name} wants {' and '.join(short)}"
        for profile in profiles
        if (short := lacks(machine, profile.hardware))
    ]
    found = "; ".join([f"{machine}: {best.name if best else 'none'} fits best", *others])
    if best is None or best.name == chosen or chosen not in {profile.name for profile in profiles}:
        return Check("profile", "ok", found)
    return Check("profile", "ok", found, f"`ledge up --profile {best.name}` makes more of this machine than {chosen}")
