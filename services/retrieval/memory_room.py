"""Says how much more memory this process may take before its control group, or the machine, has none left."""

from collections.abc import Iterator
from pathlib import Path

FILES = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
"""Limit and usage, as control groups of version 2 and of version 1 call them."""
CACHED = ("active_file", "inactive_file")
"""Pages of files, which the kernel takes back by itself. Version 1 counts those of groups below as `total_…`."""


def room_bytes(limit_bytes: int | None = None, root: Path = Path("/")) -> int | None:
    """The least of what the limit given here, the control groups and the machine leave; None where nobody tells."""
    rooms = [*_in_groups(root), *_on_machine(root)]
    if limit_bytes is not None and (own := _kib(root / "proc/self/status", "RssAnon:")) is not None:
        rooms.append(limit_bytes - own)
    return min(rooms, default=None)


def _in_groups(root: Path) -> Iterator[int]:
    for folder in _groups(root):
        for limit_file, usage_file in FILES:
            try:
                limit = int((folder / limit_file).read_text())
                usage = int((folder / usage_file).read_text())
                counts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
                cached = sum(int(counts.get(f"total_{name}", counts.get(name, 0))) for name in CACHED)
            except (OSError, ValueError):
                continue  # the other version, another's, or "max"
            yield limit - (usage - cached)


def _groups(root: Path) -> Iterator[Path]:
    """This process' group and those above it. A container sees its own group as the top."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            top = root / "sys/fs/cgroup" / controllers
            own = top / path.lstrip("/")
            yield own
            if own != top:
                yield from (each for each in own.parents if each.is_relative_to(top))


def _on_machine(root: Path) -> Iterator[int]:
    if (available := _kib(root / "proc/meminfo", "MemAvailable:")) is not None:
        yield available


def _kib(file: Path, name: str) -> int | None:
    """The line `name  123 kB` of a file, in bytes."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), None)
