"""The catalogue is closed: what it does not understand it refuses, and says where."""

from pathlib import Path
from typing import Any

import pytest

from services.kit.deploy import deploy_directory
from services.kit.errors import InvalidInput, NotFound
from services.kit.models import Catalog
from services.kit.models.source import parse_source
from tests.kit.models.conftest import entry, write_catalog


@pytest.fixture
def shipped() -> Catalog:
    return Catalog.load(deploy_directory() / "models.yaml")


def test_the_shipped_models_may_be_used_commercially_and_say_under_which_licence(shipped: Catalog) -> None:
    summed = [entry for entry in shipped if not entry.unpinned]
    assert {entry.id for entry in summed} == {"smollm2-135m-instruct", "all-minilm-l6-v2"}
    assert all(entry.licence == "Apache-2.0" for entry in summed)
    assert all(entry.licence for entry in shipped)
    # What a voice was tuned from decides as well, and is not known of these.
    assert {entry.id for entry in shipped if not entry.commercial_use} == {
        "piper-de-de-thorsten",
        "piper-es-es-sharvard",
    }


def test_a_shipped_model_has_all_its_sums_or_none_and_says_that_it_is_unproven(shipped: Catalog) -> None:
    for model in shipped:
        assert bool(model.files) != bool(model.unpinned)
        assert not model.unpinned or "Unproven" in model.description


def test_the_shipped_models_come_from_the_package_index_first(shipped: Catalog) -> None:
    for model in shipped:
        assert model.unpinned or (model.sources[0].startswith("pypi://") and len(model.sources) > 1)


def test_the_small_llm_quotes(shipped: Catalog) -> None:
    assert shipped.entry("smollm2-135m-instruct").answer_policy == "quote"


def test_one_encoder_serves_embedding_and_reranking(shipped: Catalog) -> None:
    assert shipped.entry("all-minilm-l6-v2").tasks == ("embedding", "reranking")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"license": "MIT"}, "models.0.license: unknown key"),
        ({"licence": "free for all!"}, "models.0.licence: "),
        ({"id": "../up"}, "models.0.id: "),
        ({"tasks": ["chat"]}, "models.0.tasks.0: "),
        ({"files": []}, "or is unpinned, and not both"),
        ({"unpinned": ["*.bin"]}, "or is unpinned, and not both"),
        ({"files": [], "unpinned": ["*.bin"]}, "comes from the hub"),
        ({"commercial_use": "perhaps"}, "models.0.commercial_use: "),
        ({"memory": {"cpu_bytes": -1, "gpu_bytes": 0}}, "models.0.memory.cpu_bytes: "),
        ({"sources": []}, "models.0.sources: "),
        ({"sources": ["ftp://x/y"]}, "ftp://x/y"),
        ({"answer_policy": "quote"}, "only an LLM, states its answer_policy"),
        ({"tasks": ["llm"], "dimensions": None}, "only an LLM, states its answer_policy"),
        ({"dimensions": None}, "states its dimensions"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, change: dict[str, Any], fault: str) -> None:
    path = write_catalog(tmp_path / "models.yaml", entry(**change))
    with pytest.raises(InvalidInput) as refused:
        Catalog.load(path)
    assert str(path) in refused.value.message
    assert fault in refused.value.message


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../up", "a/../../b", "a//b", "./a", ".verified", "a/.hidden", "", "a\\b", "a\nb", "ä", "a/"],
)
def test_a_path_that_could_leave_the_store_is_refused(tmp_path: Path, path: str) -> None:
    files = [{"path": path, "size_bytes": 1, "sha256": "0" * 64}]
    with pytest.raises(InvalidInput, match="plain relative path"):
        Catalog.load(write_catalog(tmp_path / "models.yaml", entry(files=files)))


@pytest.mark.parametrize("paths", [("a", "a"), ("a", "a/b")])
def test_paths_that_collide_are_refused(tmp_path: Path, paths: tuple[str, str]) -> None:
    files = [{"path": path, "size_bytes": 1, "sha256": "0" * 64} for path in paths]
    with pytest.raises(InvalidInput, match=r"twice|another file's folder"):
        Catalog.load(write_catalog(tmp_path / "models.yaml", entry(files=files)))


@pytest.mark.parametrize(
    "text",
    [
        "hf://owner/name",
        "hf://name@main",
        "hf://owner/name@../x",
        "pypi://package",
        "pypi://--index-url==1",
        "pypi://package==1 --pre",
        "pypi://package>=1",
        "https://",
        "https://user:password@host/folder",
        "https://host/folder?token=secret",
        "file://relative/folder",
        "owner/name",
    ],
)
def test_a_source_that_is_none_of_the_four_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="source"):
        parse_source(text)


def test_a_model_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="given twice: tiny"):
        Catalog.load(write_catalog(tmp_path / "models.yaml", entry(), entry()))


@pytest.mark.parametrize(
    "text", ["models: [", "- 1", "models: 3", "a: &a [*a]", "x: !!python/object:os.system ls", "models: []\nmodels: []"]
)
def test_a_file_that_is_no_catalogue_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "models.yaml"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=str(path)):
        Catalog.load(path)


def test_bytes_that_are_no_text_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "models.yaml"
    path.write_bytes(b"models: \xff\xfe\x00")
    with pytest.raises(InvalidInput, match=str(path)):
        Catalog.load(path)


def test_a_deeply_nested_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "models.yaml"
    path.write_text("[" * 1000)
    with pytest.raises(InvalidInput, match="YAML"):
        Catalog.load(path)


def test_an_absent_catalogue_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"absent\.yaml"):
        Catalog.load(tmp_path / "absent.yaml")


def test_a_sites_own_catalogue_adds_models_and_replaces_them_whole(tmp_path: Path) -> None:
    ours = write_catalog(tmp_path / "ours.yaml", entry("one"), entry("two", context_tokens=512))
    theirs = write_catalog(tmp_path / "theirs.yaml", entry("two", licence="MIT"), entry("three"))
    catalog = Catalog.load(ours, theirs)
    assert {entry.id for entry in catalog} == {"one", "two", "three"}
    assert catalog.entry("two").licence == "MIT"
    assert catalog.entry("two").context_tokens is None
