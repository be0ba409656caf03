"""How services share GPUs, and what is refused because it does not fit."""

from typing import Any

import pytest

from tests.helm.chart import RELEASE, refusal, render

MIB = 24_000


def sharing(mode: str, **memory_mib: int) -> dict[str, Any]:
    services: dict[str, Any] = {name: {"gpu": {"memoryMiB": size}} for name, size in memory_mib.items()}
    return {"gpu": {"mode": mode, "totalMemoryMiB": MIB}, "services": services}


def test_what_does_not_fit_is_refused_with_the_ledger() -> None:
    told = refusal(sharing("timeSlicing", llm=20_000, embedding=3_000, reranking=2_000))
    assert "1000 MiB are lacking" in told
    assert "llm 20000 MiB × 1 GPU × 1 pod = 20000 MiB" in told
    assert "in all 25000 MiB of 1 × 24000 = 24000 MiB, -1000 free" in told


def test_replicas_count() -> None:
    values = sharing("timeSlicing", llm=13_000)
    render(values)
    values["services"]["llm"]["replicas"] = 2
    assert "2000 MiB are lacking" in refusal(values)


def test_each_gpu_must_suffice_where_services_are_put_on_them() -> None:
    values = sharing("shared", llm=20_000, embedding=10_000)
    values["gpu"]["count"] = 2
    assert "GPU 0 does not suffice: 30000 MiB are asked of its 24000" in refusal(values)
    values["services"]["embedding"]["gpu"]["device"] = 1
    assert render(values).environment("embedding")["NVIDIA_VISIBLE_DEVICES"] == "1"
    assert render(values).environment("llm")["NVIDIA_VISIBLE_DEVICES"] == "0"


def test_whole_gpus_are_counted() -> None:
    values = sharing("exclusive", llm=10_000, embedding=2_000)
    assert "ask for 2 whole GPUs and there are 1" in refusal(values)
    values["gpu"]["count"] = 2
    rendered = render(values)
    assert rendered.container("llm")["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert rendered.of("Deployment")[f"{RELEASE}-llm"]["spec"]["strategy"]["type"] == "Recreate"


def test_a_model_is_spread_over_as_many_gpus_as_it_is_given() -> None:
    values = sharing("exclusive", llm=10_000)
    values["services"]["llm"] |= {"engine": "vllm", "env": {"LEDGE_TENSOR_PARALLEL": "2"}}
    assert "LEDGE_TENSOR_PARALLEL is 2, but services.llm.gpu.count is 1" in refusal(values)
    values["gpu"]["count"] = values["services"]["llm"]["gpu"]["count"] = 2
    assert render(values).environment("llm")["LEDGE_TENSOR_PARALLEL"] == "2"


def test_the_next_pod_starts_beside_the_last_only_where_both_fit() -> None:
    def strategy(size: int) -> str:
        rendered = render(sharing("timeSlicing", llm=size))
        return str(rendered.of("Deployment")[f"{RELEASE}-llm"]["spec"]["strategy"]["type"])

    assert strategy(12_000) == "RollingUpdate"
    assert strategy(12_001) == "Recreate"


def test_a_gpu_beside_does_not_make_room_on_ones_own() -> None:
    values = sharing("shared", llm=13_000)
    values["gpu"]["count"] = 2
    strategy = render(values).of("Deployment")[f"{RELEASE}-llm"]["spec"]["strategy"]
    assert strategy == {"type": "Recreate"}


def test_a_model_over_several_gpus_needs_gpus_that_are_apart() -> None:
    values = sharing("timeSlicing", llm=10_000)
    values["gpu"]["count"] = 2
    values["services"]["llm"]["gpu"]["count"] = 2
    assert "two devices may be the same GPU" in refusal(values)
    values["gpu"]["mode"] = "shared"
    assert render(values).environment("llm")["NVIDIA_VISIBLE_DEVICES"] == "0,1"


def test_the_budget_reaches_the_engine() -> None:
    values = sharing("mps", llm=12_000, embedding=2_000)
    values["services"]["llm"]["engine"] = "vllm"
    rendered = render(values)
    assert rendered.environment("llm")["LEDGE_GPU_MEMORY_SHARE"] == "0.50"
    assert rendered.environment("embedding")["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] == "0=2000M"


def test_a_share_beyond_the_budget_is_refused() -> None:
    values = sharing("shared", llm=12_000)
    values["services"]["llm"]["env"] = {"LEDGE_GPU_MEMORY_SHARE": "0.9"}
    assert "LEDGE_GPU_MEMORY_SHARE is 0.9, but its budget is 0.50 of the GPU" in refusal(values)


def test_an_instance_of_the_hardwares_own_partitioning() -> None:
    values = sharing("mig", llm=9_000)
    assert "migProfile must name the instance" in refusal(values)
    values["services"]["llm"]["gpu"]["migProfile"] = "1g.10gb"
    assert render(values).container("llm")["resources"]["limits"]["nvidia.com/mig-1g.10gb"] == 1
    values["services"]["llm"]["gpu"]["memoryMiB"] = 11_000
    assert "the device has 10240 MiB" in refusal(values)


def test_a_claim_for_all() -> None:
    values = sharing("dra", llm=9_000)
    rendered = render(values)
    assert rendered.of("ResourceClaim")["ledge-gpu"]["spec"]["devices"]["requests"][0]["exactly"]["count"] == 1
    spec = rendered.of("Deployment")[f"{RELEASE}-llm"]["spec"]["template"]["spec"]
    assert spec["resourceClaims"] == [{"name": "gpu", "resourceClaimName": "ledge-gpu"}]
    assert spec["containers"][0]["resources"]["claims"] == [{"name": "gpu"}]
    assert "resourceClaims" not in rendered.of("Deployment")[f"{RELEASE}-asr"]["spec"]["template"]["spec"]


@pytest.mark.parametrize("values", [{"gpu": {"memoryMiB": 4000}}, {"env": {"LEDGE_DEVICE": "cuda"}}])
def test_a_gpu_without_a_mode_is_refused(values: dict[str, Any]) -> None:
    assert "gpu.mode is none" in refusal({"services": {"embedding": values}})


def test_the_memory_of_the_gpus_must_be_said() -> None:
    values = sharing("shared", llm=1_000)
    del values["gpu"]["totalMemoryMiB"]
    assert "gpu.totalMemoryMiB must say" in refusal(values)
