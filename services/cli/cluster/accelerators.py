"""What accelerators the nodes of a cluster offer, by their allocatable devices and the labels of GPU feature discovery.

NVIDIA's device plugin offers `nvidia.com/gpu` (with time-slicing or MPS so many times as it has replicas, perhaps as
`nvidia.com/gpu.shared`) and `nvidia.com/mig-<profile>`; Tenstorrent's `tenstorrent.com/<board>`. The labels
`nvidia.com/gpu.{product,count,memory,replicas,sharing-strategy}` say what they are; without them only a count is known.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from services.cli.cluster.snapshot import Object, name_of

Sharing = Literal["exclusive", "timeSlicing", "mps", "mig"]
_PLATFORMS = {
    "GH200": "gh200",
    "H200": "h200",
    "H100": "h100",
    "A100-SXM4-80GB": "a100-80g",
    "A100-80GB": "a100-80g",
    "A100-PCIE-80GB": "a100-80g",
    "L40S": "l40s",
}
"""Product, as feature discovery labels it → the planner's name."""
_TENSTORRENT = {"n150": "n150", "n300": "n300", "p100": "p100a", "p100a": "p100a", "p150": "p150a", "p150a": "p150a"}


@dataclass(frozen=True)
class Accelerators:
    """Devices of one kind on one node."""

    node: str
    resource: str
    product: str
    """As the node's labels name it; empty where they do not."""
    platform: str | None
    """The planner's name for it; None where it knows none."""
    devices: int
    slots: int
    """How many containers may ask for one: more than devices where they are shared."""
    memory_mib: int | None
    """Of each device, or instance."""
    sharing: Sharing


def accelerators(nodes: Sequence[Object]) -> list[Accelerators]:
    """Of all nodes that may be scheduled to, in the order of their names."""
    usable = (node for node in nodes if not node.get("spec", {}).get("unschedulable"))
    return [each for node in sorted(usable, key=name_of) for each in _of_node(node)]


def _of_node(node: Object) -> Iterator[Accelerators]:
    labels = node["metadata"].get("labels") or {}
    for resource, amount in sorted((node.get("status", {}).get("allocatable") or {}).items()):
        slots = int(amount) if str(amount).isdigit() else 0
        if not slots:
            continue
        if resource in ("nvidia.com/gpu", "nvidia.com/gpu.shared"):
            yield _nvidia(name_of(node), labels, resource, slots)
        elif resource.startswith("nvidia.com/mig-"):
            yield _instances(name_of(node), labels, resource, slots)
        elif resource.startswith("tenstorrent.com/"):
            board = resource.rpartition("/")[2]
            platform = _TENSTORRENT.get(board.lower())
            yield Accelerators(name_of(node), resource, board, platform, slots, slots, None, "exclusive")


def _nvidia(node: str, labels: dict[str, str], resource: str, slots: int) -> Accelerators:
    replicas = _number(labels.get("nvidia.com/gpu.replicas")) or 1
    devices = _number(labels.get("nvidia.com/gpu.count")) or max(1, slots // max(1, replicas))
    product = labels.get("nvidia.com/gpu.product", "").removesuffix("-SHARED")
    sharing: Sharing = "exclusive"
    if replicas > 1 or slots > devices:
        sharing = "mps" if labels.get("nvidia.com/gpu.sharing-strategy") == "mps" else "timeSlicing"
    if "-MIG-" in product:  # the strategy `single`: every device is an instance
        sharing = "mig"
    memory_mib = _number(labels.get("nvidia.com/gpu.memory"))
    platform = None if sharing == "mig" else _platform(product)
    return Accelerators(node, resource, product, platform, devices, slots, memory_mib, sharing)


def _instances(node: str, labels: dict[str, str], resource: str, slots: int) -> Accelerators:
    profile = resource.removeprefix("nvidia.com/mig-")
    memory_mib = _number(labels.get(f"{resource}.memory"))
    product = f"{labels.get('nvidia.com/gpu.product', '')} MIG {profile}".strip()
    return Accelerators(node, resource, product, None, slots, slots, memory_mib, "mig")


def _platform(product: str) -> str | None:
    return next((name for part, name in _PLATFORMS.items() if re.search(rf"\b{part}\b", product)), None)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
