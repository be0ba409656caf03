"""What `ledge plan --cluster` tells the chart of a node's GPUs is what the chart takes."""

import subprocess
from collections.abc import Sequence

import pytest

from services.cli.cluster.accelerators import Accelerators, Sharing
from services.cli.cluster.chart_gpus import ChartValues, chart_values
from services.kit.models.store import ModelStore
from services.kit.profiles import Profile, shipped_profiles
from tests.helm.chart import NAMESPACE, RELEASE, ROOT, helm_program


def gpus(devices: int, memory_mib: int | None, sharing: Sharing = "exclusive", slots: int = 0) -> list[Accelerators]:
    resource = "nvidia.com/gpu"
    return [Accelerators("edge-1", resource, "", None, devices, slots or devices, memory_mib, sharing)]


def instances(**counts: int) -> list[Accelerators]:
    """`_4g_40gb=1`: so many of each."""
    return [
        Accelerators("edge-1", f"nvidia.com/mig-{name[1:].replace('_', '.')}", "", None, count, count, 10_000, "mig")
        for name, count in counts.items()
    ]


def told(node: Sequence[Accelerators]) -> ChartValues | None:
    catalog = ModelStore.from_environment().catalog
    return chart_values(node, [Profile.load(name, catalog) for name in shipped_profiles()])


@pytest.mark.parametrize(
    ("node", "profile", "mode"),
    [
        (gpus(1, 24_564), "gpu-24g", "shared"),
        (gpus(1, 46_068), "gpu-24g", "shared"),
        (gpus(3, 24_564), "gpu-24g", "exclusive"),
        (gpus(1, 81_559), "gpu-80g", "shared"),
        (gpus(4, 81_559), "gpu-2x80g", "shared"),
        (gpus(8, 81_559), "gpu-2x80g", "exclusive"),
        (gpus(1, 24_564, "timeSlicing", 4), "gpu-24g", "timeSlicing"),
        (gpus(2, 81_559, "mps", 8), "gpu-80g", "mps"),
        (gpus(3, 24_000, "mig"), "gpu-24g", "exclusive"),
        (instances(_4g_40gb=1, _2g_20gb=1, _1g_10gb=1), "gpu-24g", "mig"),
        (instances(_7g_80gb=1, _1g_10gb=3), "gpu-80g", "mig"),
    ],
)
def test_the_chart_takes_what_is_told(node: list[Accelerators], profile: str, mode: str) -> None:
    values = told(node)
    assert values is not None
    assert (values.profile, values.settings["gpu.mode"]) == (profile, mode)
    command = [helm_program(), "template", RELEASE, "helm/ledge", "-n", NAMESPACE, "--kube-version", "1.36.0"]
    done = subprocess.run(
        [*command, *values.arguments.split()], capture_output=True, text=True, check=False, timeout=60, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr


def test_services_that_share_a_gpu_are_told_by_whom_it_is_shown_to_them() -> None:
    values = told(gpus(1, 24_564))
    assert values is not None
    assert "3 services share one GPU" in values.needs
    assert "3 slots" in values.needs


def test_what_a_larger_gpu_has_more_is_vllms() -> None:
    values = told(gpus(1, 46_068))
    assert values is not None
    assert int(values.settings["services.llm.gpu.memoryMiB"]) == 19_073 + 46_068 - 22_889


def test_too_few_slots_are_told() -> None:
    values = told(gpus(1, 24_564, "timeSlicing", 2))
    assert values is not None
    assert "3 services ask for a slot and the device plugin offers 2" in values.needs


def test_each_service_gets_the_smallest_instance_that_holds_it() -> None:
    values = told(instances(_4g_40gb=1, _2g_20gb=1, _1g_10gb=2))
    assert values is not None
    assert values.settings["services.llm.gpu.migProfile"] == "4g.40gb", "of 20 GB it would have nine tenths"
    assert values.settings["services.reranking.gpu.migProfile"] == "1g.10gb"
    assert values.settings["services.embedding.gpu.migProfile"] == "1g.10gb"


@pytest.mark.parametrize(
    "node",
    [
        gpus(1, None),
        gpus(1, 16_384),
        gpus(7, 9_984, "mig"),
        instances(_1g_10gb=7),
        [Accelerators("edge-1", "tenstorrent.com/n300", "n300", "n300", 4, 4, None, "exclusive")],
    ],
)
def test_nothing_is_told_of_devices_that_hold_no_profile(node: list[Accelerators]) -> None:
    assert told(node) is None
