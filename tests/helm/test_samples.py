"""The values for certain sites render over the profiles that they are for."""

import pytest
import yaml

from tests.helm.chart import ROOT, render

SAMPLES = ROOT / "helm" / "samples"
OVER = {
    "k3s": "embedded-cpu",
    "microshift": "embedded-cpu",
    "gpu-time-slicing": "gpu-24g",
    "gpu-mps": "gpu-24g",
    "gpu-mig": "gpu-80g",
    "gpu-dra": "gpu-24g",
}


def test_every_sample_is_tried_and_told() -> None:
    assert {file.stem for file in SAMPLES.glob("*.yaml")} == set(OVER)
    told = (SAMPLES / "README.md").read_text()
    assert [name for name in OVER if f"`{name}.yaml`" not in told] == []


@pytest.mark.parametrize("sample", OVER)
def test_a_sample_renders(sample: str) -> None:
    values = yaml.safe_load((SAMPLES / f"{sample}.yaml").read_text())
    rendered = render(values, OVER[sample])
    mode = values.get("gpu", {}).get("mode")
    limits = rendered.container("llm")["resources"]["limits"]
    if mode in ("timeSlicing", "mps"):
        assert limits["nvidia.com/gpu"] == 1
    elif mode == "mig":
        assert limits["nvidia.com/mig-4g.40gb"] == 1
        # The share is of the instance, and worked out here.
        assert rendered.environment("llm")["LEDGE_GPU_MEMORY_SHARE"] == "0.87"
    elif mode == "dra":
        assert "ledge-gpu" in rendered.of("ResourceClaim")
    else:
        assert rendered.of("Ingress")
