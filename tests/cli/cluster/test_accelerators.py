"""What nodes offer, from their labels and allocatable devices."""

from pathlib import Path
from typing import Any

import pytest

from services.cli.cluster.accelerators import accelerators
from tests.kubernetes_server import api_server
from tests.ledge_command import Ledge


def node(name: str, allocatable: dict[str, str], **labels: str) -> dict[str, Any]:
    told = {f"nvidia.com/gpu.{key.replace('_', '-')}": value for key, value in labels.items()}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": told},
        "status": {"allocatable": {"cpu": "64", "memory": "512Gi", **allocatable}},
    }


H100 = node("edge-1", {"nvidia.com/gpu": "2"}, product="NVIDIA-H100-80GB-HBM3", count="2", memory="81559", replicas="1")


def test_whole_gpus() -> None:
    (found,) = accelerators([H100])
    assert (found.platform, found.devices, found.slots, found.memory_mib) == ("h100", 2, 2, 81559)
    assert found.sharing == "exclusive"


@pytest.mark.parametrize(
    ("strategy", "resource", "mode"),
    [
        ("time-slicing", "nvidia.com/gpu", "timeSlicing"),
        ("mps", "nvidia.com/gpu", "mps"),
        ("time-slicing", "nvidia.com/gpu.shared", "timeSlicing"),
    ],
)
def test_shared_gpus_are_fewer_than_their_slots(strategy: str, resource: str, mode: str) -> None:
    shared = node(
        "edge-1",
        {resource: "4"},
        product="NVIDIA-L40S-SHARED",
        count="1",
        memory="46068",
        replicas="4",
        sharing_strategy=strategy,
    )
    (found,) = accelerators([shared])
    assert (found.platform, found.devices, found.slots, found.sharing) == ("l40s", 1, 4, mode)
    assert found.resource == resource


def test_instances_of_the_hardwares_own_partitioning() -> None:
    mixed = node("edge-1", {"nvidia.com/gpu": "0", "nvidia.com/mig-1g.10gb": "7"}, product="NVIDIA-H100-80GB-HBM3")
    mixed["metadata"]["labels"]["nvidia.com/mig-1g.10gb.memory"] = "9984"
    (found,) = accelerators([mixed])
    assert (found.sharing, found.devices, found.memory_mib, found.platform) == ("mig", 7, 9984, None)
    single = node("edge-1", {"nvidia.com/gpu": "7"}, product="NVIDIA-H100-80GB-HBM3-MIG-1g.10gb", count="7")
    assert [each.sharing for each in accelerators([single])] == ["mig"]


def test_tenstorrents_boards() -> None:
    (found,) = accelerators([node("edge-1", {"tenstorrent.com/n300": "4"})])
    assert (found.platform, found.devices) == ("n300", 4)
    assert found.resource == "tenstorrent.com/n300"


def test_gpus_without_labels_are_counted_and_not_guessed() -> None:
    (found,) = accelerators([node("edge-1", {"nvidia.com/gpu": "2"})])
    assert (found.product, found.platform, found.devices, found.memory_mib) == ("", None, 2, None)


def test_nodes_without_devices_or_that_are_cordoned_offer_none() -> None:
    cordoned = {**H100, "spec": {"unschedulable": True}}
    assert accelerators([node("plain", {}), cordoned, node("away", {"nvidia.com/gpu": "0"})]) == []


def test_the_plan_is_for_what_the_cluster_has(tmp_path: Path) -> None:
    with api_server() as server:
        command = Ledge(tmp_path / "state", KUBECONFIG=str(server.kubeconfig(tmp_path / "kubeconfig")))
        server.put(node("plain", {}))
        assert "no node offers an accelerator" in command.run("plan", "--cluster", code=1).stderr
        server.put(H100)
        told = command.run("plan", "--cluster", "--model", "llama-3.1-70b").stdout
        assert "NVIDIA-H100-80GB-HBM3" in told
        assert "-f helm/ledge/values-gpu-2x80g.yaml --set gpu.mode=shared,gpu.count=2,gpu.totalMemoryMiB=81559" in told
        assert "llama-3.1-70b in bf16 on 2 x h100" in told, "one does not hold it"
        assert "llama-3.1-8b in bf16 on h100" in command.run("plan", "--cluster").stdout
        assert "--gpu and --count" in command.run("plan", "--cluster", "--gpu", "h100", code=2).stderr


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (
            {"product": "NVIDIA-L4", "memory": "23034"},
            "for the chart: -f helm/ledge/values-gpu-24g.yaml --set gpu.mode=",
        ),
        ({"product": "NVIDIA-T4", "memory": "15360"}, "no values file of the chart fits edge-1"),
        ({}, "the node does not label its GPUs' memory"),
    ],
)
def test_the_chart_is_told_its_values_though_the_planner_knows_no_such_device(
    tmp_path: Path, labels: dict[str, str], said: str
) -> None:
    with api_server() as server:
        command = Ledge(tmp_path / "state", KUBECONFIG=str(server.kubeconfig(tmp_path / "kubeconfig")))
        server.put(node("edge-1", {"nvidia.com/gpu": "1"}, **labels))
        done = command.run("plan", "--cluster", code=1)
        assert said in done.stdout
        assert "the planner knows none of these devices" in done.stderr
