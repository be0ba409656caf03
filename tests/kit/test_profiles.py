"""A profile is closed, fits its hardware, and names only engines and models that go together."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from services.kit.deploy import deploy_directory
from services.kit.errors import InvalidInput, NotFound
from services.kit.models import Catalog
from services.kit.profiles import Profile, shipped_profiles
from tests.kit.models.conftest import entry, write_catalog

CATALOG = Catalog.load(deploy_directory() / "models.yaml")


def profile(**changes: Any) -> dict[str, Any]:
    """A valid profile of two services, as it stands in YAML."""
    budget = {"memory_bytes": 1_000_000_000, "cpu_cores": 1}
    return {
        "name": "mine",
        "description": "For a test.",
        "hardware": {"cpu_cores": 2, "memory_bytes": 2_000_000_000},
        "services": {
            "embedding": {"engine": "ctranslate2", "model": "all-minilm-l6-v2", "budget": budget},
            "rag": {"budget": budget},
        },
    } | changes


def service(name: str, **changes: Any) -> dict[str, Any]:
    """The same profile with one service changed."""
    mine = profile()
    mine["services"][name] = {"budget": {"memory_bytes": 1_000_000, "cpu_cores": 0.1}} | mine["services"].get(name, {})
    mine["services"][name] |= changes
    return mine


def load(folder: Path, content: dict[str, Any]) -> Profile:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    return Profile.load(str(path), CATALOG)


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_shipped_profile_is_sound_and_real(name: str) -> None:
    loaded = Profile.load(name, CATALOG)
    assert {"llm", "embedding", "retrieval", "reranking", "rag", "gateway"} <= set(loaded.services)
    assert all(service.engine != "scripted" for service in loaded.services.values())


def test_the_default_profile_is_small_and_free_to_use() -> None:
    loaded = Profile.load("embedded-cpu", CATALOG)
    assert loaded.models == ("smollm2-135m-instruct", "all-minilm-l6-v2")
    assert all(CATALOG.entry(model).commercial_use for model in loaded.models)
    assert loaded.hardware.accelerator == "none"
    speech = {"asr", "tts", "translation", "voice", "riva", "wyoming"}
    texts = [service.budget.memory_bytes for name, service in loaded.services.items() if name not in speech]
    assert sum(texts) <= 2 * 2**30, "answers from documents"
    assert sum(service.budget.memory_bytes for service in loaded.services.values()) <= 3.65e9, "on 4 GB, with speech"


def test_the_environment_chooses_the_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEDGE_PROFILE", raising=False)
    assert Profile.from_environment(CATALOG).name == "embedded-cpu"
    load(tmp_path, profile())
    monkeypatch.setenv("LEDGE_PROFILE", str(tmp_path / "mine.yaml"))
    assert Profile.from_environment(CATALOG).name == "mine"


def test_an_unknown_profile_is_answered_with_those_there_are() -> None:
    with pytest.raises(NotFound, match=r"no profile 'cloud'; there are: .*embedded-cpu"):
        Profile.load("cloud", CATALOG)


def test_environment_values_may_be_written_as_yaml_has_them(tmp_path: Path) -> None:
    loaded = load(tmp_path, service("rag", env={"LEDGE_A": 8, "OMP_WAIT_POLICY": "passive", "LEDGE_B": True}))
    assert loaded.services["rag"].env == {"LEDGE_A": "8", "OMP_WAIT_POLICY": "passive", "LEDGE_B": "true"}


def test_a_model_on_an_accelerator_is_held_against_the_accelerators_memory(tmp_path: Path) -> None:
    hardware = {
        "cpu_cores": 2,
        "memory_bytes": 2_000_000_000,
        "accelerator": "cuda",
        "accelerator_count": 1,
        "accelerator_bytes": 24_000_000_000,
    }
    on_gpu = {"memory_bytes": 1_000_000, "cpu_cores": 1, "accelerator_count": 1, "accelerator_bytes": 1_000_000_000}
    encoder = entry("gpu-encoder", memory={"cpu_bytes": 2_000_000, "gpu_bytes": 900_000_000})
    catalog = Catalog.load(write_catalog(tmp_path / "models.yaml", encoder))

    def load(folder: Path, content: dict[str, Any]) -> Profile:
        content["services"]["embedding"]["model"] = "gpu-encoder"
        (folder / "mine.yaml").write_text(yaml.safe_dump(content))
        return Profile.load(str(folder / "mine.yaml"), catalog)

    assert load(tmp_path, service("embedding", budget=on_gpu) | {"hardware": hardware}).models == ("gpu-encoder",)
    with pytest.raises(InvalidInput, match=r"accelerator_bytes add up to 1e\+09, the hardware has 0"):
        load(tmp_path, service("embedding", budget=on_gpu))
    with pytest.raises(InvalidInput, match="gpu-encoder takes"):
        load(tmp_path, service("embedding", budget=on_gpu | {"accelerator_bytes": 1}) | {"hardware": hardware})


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (profile(flavour="big"), "flavour: unknown key"),
        (service("oracle"), "services.oracle"),
        (service("rag", replicas=3), "services.rag.replicas: unknown key"),
        (service("rag", engine="llamacpp"), "only a capability, names its engine"),
        (service("retrieval"), "only a capability, names its engine"),
        (service("retrieval", engine="qdrant-edge", model="all-minilm-l6-v2"), "service retrieval loads no model"),
        (service("rag", env={"lower case": "x"}), "services.rag.env"),
        (service("embedding", model="nosuch"), "service embedding: no model 'nosuch' in the catalogue"),
        (service("embedding", model="smollm2-135m-instruct"), "smollm2-135m-instruct is a model for llm"),
        (service("embedding", engine="llamacpp"), "llamacpp does not read all-minilm-l6-v2"),
        (service("embedding", budget={"memory_bytes": 1, "cpu_cores": 1}), "all-minilm-l6-v2 takes"),
        (service("rag", budget={"memory_bytes": 2 * 10**9, "cpu_cores": 1}), "memory_bytes add up to 3e+09"),
        (service("rag", budget={"memory_bytes": 1, "cpu_cores": 1.5}), "cpu_cores add up to 2.5, the hardware has 2"),
        (profile(services={}), "services: "),
    ],
)
def test_a_profile_that_cannot_work_is_refused_with_the_reason(
    tmp_path: Path, content: dict[str, Any], fault: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        load(tmp_path, content)
    assert "mine.yaml" in refused.value.message
    assert fault in refused.value.message
