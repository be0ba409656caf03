"""What the chart is told of a node's GPUs: the values file made for so much memory, and what is set over it."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.cli.cluster.accelerators import Accelerators
from services.kit.profiles import Profile

MIB = 1 << 20
VLLM_SHARE = 0.9
"""Of a GPU or an instance that is vLLM's alone."""


@dataclass(frozen=True)
class ChartValues:
    """A values file of the chart with what is set over it."""

    profile: str
    settings: dict[str, str]
    """Path → value, as `helm --set` takes them."""
    needs: str = ""
    """What else must be so, as a sentence; empty where nothing must."""

    @property
    def arguments(self) -> str:
        """For `helm install`."""
        settings = ",".join(f"{path}={value}" for path, value in self.settings.items())
        return f"-f helm/ledge/values-{self.profile}.yaml --set {settings}"


@dataclass(frozen=True)
class _Wish:
    service: str
    engine: str
    devices: int
    memory_mib: int
    """Of each of them."""

    @property
    def alone_mib(self) -> float:
        """What a device must have that is the service's alone."""
        return self.memory_mib / VLLM_SHARE if self.engine == "vllm" else self.memory_mib


def chart_values(node: Sequence[Accelerators], profiles: Sequence[Profile]) -> ChartValues | None:
    """For the devices of one node: of the largest profile that they hold; None where they hold none."""
    by_size = sorted(profiles, key=lambda each: each.hardware.accelerator_count * each.hardware.accelerator_bytes)
    for profile in reversed(by_size):
        if profile.hardware.accelerator != "cuda":
            continue
        wishes = _wishes(profile)
        if node[0].sharing == "mig" and node[0].resource != "nvidia.com/gpu":
            found = _on_instances(profile, wishes, node)
        else:
            found = _on_gpus(profile, wishes, node[0])
        if found is not None:
            return found
    return None


def _wishes(profile: Profile) -> list[_Wish]:
    """Of the services that use GPUs, the largest first."""
    wishes = [
        _Wish(name, each.engine or "", each.budget.accelerator_count, each.budget.accelerator_bytes // MIB)
        for name, each in profile.services.items()
        if each.budget.accelerator_count
    ]
    return sorted(wishes, key=lambda each: each.memory_mib, reverse=True)


def _on_gpus(profile: Profile, wishes: Sequence[_Wish], found: Accelerators) -> ChartValues | None:
    size_mib = found.memory_mib
    if size_mib is None or not found.resource.startswith("nvidia.com/gpu"):
        return None
    settings = {"gpu.mode": found.sharing, "gpu.count": str(found.devices), "gpu.totalMemoryMiB": str(size_mib)}
    if found.resource != "nvidia.com/gpu":
        settings["gpu.resourceName"] = found.resource
    asked = sum(wish.devices for wish in wishes)
    # The strategy `single` offers instances as if they were GPUs.
    if found.sharing in ("exclusive", "mig") and asked <= found.devices:
        if any(wish.alone_mib > size_mib for wish in wishes):
            return None
        settings["gpu.mode"] = "exclusive"
        for wish in wishes:
            settings |= _budget(wish, int(size_mib * VLLM_SHARE))
        return ChartValues(profile.name, settings)
    hardware = profile.hardware
    spare_mib = size_mib - -(-hardware.accelerator_bytes // MIB)
    if found.sharing == "mig" or spare_mib < 0 or found.devices < hardware.accelerator_count:
        return None
    for wish in wishes:
        settings |= _budget(wish, wish.memory_mib + spare_mib)
    needs = ""
    if found.sharing == "exclusive":
        settings["gpu.mode"] = "shared"
        needs = (
            f"{len(wishes)} services share {_gpus(found.devices)}, shown to them by NVIDIA's container runtime; to "
            f"share by the device plugin let it offer {asked} slots (helm/samples/gpu-time-slicing.yaml, gpu-mps.yaml)"
        )
    elif any(wish.devices > 1 for wish in wishes):
        return None  # two slots may be the same GPU
    elif found.slots < asked:
        needs = f"{asked} services ask for a slot and the device plugin offers {found.slots}: raise its replicas"
    return ChartValues(profile.name, settings, needs)


def _on_instances(profile: Profile, wishes: Sequence[_Wish], node: Sequence[Accelerators]) -> ChartValues | None:
    """Each service alone in the smallest instance that holds it."""
    names = [each.resource.removeprefix("nvidia.com/mig-") for each in node for _ in range(each.devices)]
    free = sorted((_instance_mib(name), name) for name in names)
    settings = {"gpu.mode": "mig", "gpu.count": "1", "gpu.totalMemoryMiB": str(sum(size for size, _ in free))}
    for wish in wishes:
        fitting = next((each for each in free if each[0] >= wish.alone_mib), None)
        if fitting is None or wish.devices > 1:
            return None
        free.remove(fitting)
        settings[f"services.{wish.service}.gpu.migProfile"] = fitting[1]
        settings |= _budget(wish, int(fitting[0] * VLLM_SHARE))
    return ChartValues(profile.name, settings)


def _budget(wish: _Wish, memory_mib: int) -> dict[str, str]:
    """vLLM fills what it is given with its cache; the chart makes its share of that, the profile's is another GPU's."""
    if wish.engine != "vllm":
        return {}
    place = f"services.{wish.service}"
    return {f"{place}.gpu.memoryMiB": str(memory_mib), f"{place}.env.LEDGE_GPU_MEMORY_SHARE": "null"}


def _instance_mib(name: str) -> int:
    """`1g.10gb`, perhaps with attributes (`1g.10gb.me`), as the chart reads it."""
    for part in name.split("."):
        if part.endswith("gb") and part[:-2].isdigit():
            return int(part[:-2]) * 1024
    return 0


def _gpus(count: int) -> str:
    return "one GPU" if count == 1 else f"{count} GPUs"
