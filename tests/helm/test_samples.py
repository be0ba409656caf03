"""The values for certain sites render over the profiles that they are for."""

import pytest
import yaml

from tests.helm.chart import RELEASE, ROOT, Rendered, render
from tests.helm.test_network import COMPONENT

SAMPLES = ROOT / "helm" / "samples"
OVER = {
    "k3s": "embedded-cpu",
    "microshift": "embedded-cpu",
    "gpu-time-slicing": "gpu-24g",
    "gpu-mps": "gpu-24g",
    "gpu-mig": "gpu-80g",
    "gpu-dra": "gpu-24g",
    "gpu-loading-turns": "gpu-24g",
    "hybrid-big-here": "cpu",
    "hybrid-big-elsewhere": "embedded-cpu",
    "llm-over-nodes": "cpu",
    "retrieval-on-qdrant": "cpu",
}
OF_OTHERS = {"vllm-leaderworkerset", "qdrant-values"}
"""Beside them: a manifest, and values of another chart (test_beyond_one_server.py)."""
CROSS_SITE = ("k3s", "microshift")


def test_every_sample_is_tried_and_told() -> None:
    assert {file.stem for file in SAMPLES.glob("*.yaml")} == set(OVER) | OF_OTHERS
    told = (SAMPLES / "README.md").read_text()
    assert [name for name in {*OVER, *OF_OTHERS} if f"`{name}.yaml`" not in told] == []


@pytest.mark.parametrize("sample", OVER)
def test_a_sample_renders(sample: str) -> None:
    values = yaml.safe_load((SAMPLES / f"{sample}.yaml").read_text())
    rendered = render(values, OVER[sample])
    mode = values.get("gpu", {}).get("mode")
    limits = rendered.container("llm")["resources"]["limits"]
    assert rendered.of("Deployment")
    if mode in ("timeSlicing", "mps"):
        assert limits["nvidia.com/gpu"] == 1
    elif mode == "mig":
        assert limits["nvidia.com/mig-4g.40gb"] == 1
        # The share is of the instance, and worked out here.
        assert rendered.environment("llm")["LEDGE_GPU_MEMORY_SHARE"] == "0.87"
    elif mode == "dra":
        assert "ledge-gpu" in rendered.of("ResourceClaim")
    elif sample in CROSS_SITE:
        assert rendered.of("Ingress")


@pytest.mark.parametrize("sharing", ["gpu-time-slicing", "gpu-mps", "gpu-dra"])
def test_turns_at_loading_go_with_each_way_of_sharing(sharing: str) -> None:
    turns, way = (yaml.safe_load((SAMPLES / f"{name}.yaml").read_text()) for name in ("gpu-loading-turns", sharing))
    rendered = render({**turns, "gpu": {**way["gpu"], **turns["gpu"]}}, "gpu-24g")
    on_the_gpu = {"llm", "embedding", "reranking"}
    for name in rendered.of("Deployment"):
        service = name.removeprefix(f"{RELEASE}-")
        assert ("LEDGE_LOADING_LEASE" in rendered.environment(service)) == (service in on_the_gpu), service
        rules = rendered.of("NetworkPolicy")[name]["spec"]["egress"]
        to_kubernetes = [rule for rule in rules if {"port": 6443} in rule["ports"]]
        assert [rule["to"] for rule in to_kubernetes] == [turns["networkPolicy"]["kubernetesTo"]] * (
            service in on_the_gpu
        )


@pytest.mark.parametrize("sample", ["hybrid-big-here", "hybrid-big-elsewhere"])
def test_two_models_are_asked_as_one_and_only_the_big_one_may_be_elsewhere(sample: str) -> None:
    rendered = render(yaml.safe_load((SAMPLES / f"{sample}.yaml").read_text()), OVER[sample])
    asked = rendered.environment("hybrid")
    assert (asked["LEDGE_LITTLE_ADDRESS"], asked["LEDGE_BIG_ADDRESS"]) == tuple(
        f"{RELEASE}-{name}{steady(rendered, name)}:50051" for name in ("llm", "llm-big")
    )
    for service in ("rag", "voice", "gateway"):
        assert rendered.environment(service)["LEDGE_LLM_ADDRESS"] == f"{RELEASE}-hybrid:50051", service
    egress = {name: policy["spec"].get("egress", []) for name, policy in rendered.of("NetworkPolicy").items()}
    beyond = {name for name, rules in egress.items() for rule in rules for to in rule.get("to", []) if "ipBlock" in to}
    assert beyond == ({f"{RELEASE}-llm-big"} if sample == "hybrid-big-elsewhere" else set())
    ways = [
        to["podSelector"]["matchLabels"][COMPONENT]
        for rule in egress[f"{RELEASE}-hybrid"]
        for to in rule["to"]
        if "podSelector" in to
    ]
    assert ways == ["llm", "llm-big"]


def steady(rendered: Rendered, service: str) -> str:
    """What the name of its address ends in where callers wait for it."""
    return "-steady" if f"{RELEASE}-{service}-steady" in rendered.of("Service") else ""
