"""A model that ships without sums is fetched only once it is pinned, and then only as it was pinned."""

import hashlib
import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.kit.errors import EngineFailed, InvalidInput, NotFound
from services.kit.models import Catalog, ModelStore, Network
from services.kit.models.pinning import PINNED
from tests.kit.models.conftest import contents, entry, write_catalog
from tests.kit.models.file_server import FileServer

COMMIT = "0" * 39 + "a"
WEIGHTS = b"weights" * 1000
CONFIG = b"{}"
LISTED = "/api/models/nobody/tiny/revision/main?blobs=true"


def listing(**changes: object) -> bytes:
    weights = {"rfilename": "model.safetensors", "size": len(WEIGHTS), "lfs": {"sha256": _sha256(WEIGHTS)}}
    config = {"rfilename": "config.json", "size": len(CONFIG)}
    readme = {"rfilename": "README.md", "size": 5}
    return json.dumps({"sha": COMMIT, "siblings": [weights | changes, config, readme]}).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def hub() -> FileServer:
    at = f"/nobody/tiny/resolve/{COMMIT}"
    return FileServer({LISTED: listing(), f"{at}/model.safetensors": WEIGHTS, f"{at}/config.json": CONFIG})


def store(folder: Path, hub: FileServer, **network: object) -> ModelStore:
    unpinned = entry(files=[], unpinned=["*.safetensors", "config.json"], sources=["hf://nobody/tiny@main"])
    catalog = write_catalog(folder / "models.yaml", unpinned)
    pinned = folder / "store" / PINNED
    additions = [pinned] if pinned.exists() else []
    told = {"hub_endpoint": hub.url, "back_off_s": 0.0} | network
    return ModelStore(folder / "store", Catalog.load(catalog, *additions), Network(**told))  # type: ignore[arg-type]


def test_an_unpinned_model_is_not_fetched_and_says_what_to_do(tmp_path: Path, hub: FileServer) -> None:
    with hub:
        mine = store(tmp_path, hub)
        assert mine.state("tiny") == "absent"
        for ask in (mine.pull, mine.require, mine.path, mine.verify):
            with pytest.raises(NotFound, match="ledge models pin tiny"):
                ask("tiny")
        assert not hub.requests


def test_a_pinned_model_is_fetched_at_its_commit_with_its_sums(tmp_path: Path, hub: FileServer) -> None:
    with hub:
        pinned = store(tmp_path, hub, hub_token=SecretStr("secret")).pin("tiny")
        assert pinned.sources == (f"hf://nobody/tiny@{COMMIT}",)
        assert {file.path: file.sha256 for file in pinned.files} == {
            "model.safetensors": _sha256(WEIGHTS),
            "config.json": _sha256(CONFIG),
        }
        folder = store(tmp_path, hub).pull("tiny")
        assert contents(folder) == {"model.safetensors": WEIGHTS, "config.json": CONFIG}
        assert hub.requests[0].authorization == "Bearer secret"
        assert "secret" not in (tmp_path / "store" / PINNED).read_text()


def test_bytes_that_changed_after_the_pin_are_refused(tmp_path: Path, hub: FileServer) -> None:
    with hub:
        store(tmp_path, hub).pin("tiny")
        hub.files[f"/nobody/tiny/resolve/{COMMIT}/model.safetensors"] = WEIGHTS[:-1] + b"X"
        with pytest.raises(EngineFailed, match="wrong content"):
            store(tmp_path, hub).pull("tiny")


def test_what_is_pinned_is_not_pinned_again(tmp_path: Path, hub: FileServer) -> None:
    with hub:
        store(tmp_path, hub).pin("tiny")
        with pytest.raises(InvalidInput, match="has its sums already"):
            store(tmp_path, hub).pin("tiny")


def test_pinning_needs_a_connection(tmp_path: Path, hub: FileServer) -> None:
    with hub, pytest.raises(InvalidInput, match="LEDGE_OFFLINE"):
        store(tmp_path, hub, offline=True).pin("tiny")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"[]", "not known here"),
        (b'{"sha": "abc", "siblings": []}', "has no file"),
        (listing(lfs=None, size=2**40), "tells no sum"),
        (listing(rfilename="../model.safetensors"), "not known here"),
        (None, "HTTP 404"),
    ],
    ids=["a list", "no files", "a large file without a sum", "a path that leaves the folder", "no such repository"],
)
def test_a_hub_that_tells_something_else_pins_nothing(
    tmp_path: Path, hub: FileServer, answer: bytes | None, words: str
) -> None:
    hub.files.pop(LISTED) if answer is None else hub.files.update({LISTED: answer})
    with hub, pytest.raises(EngineFailed, match=words):
        store(tmp_path, hub).pin("tiny")
    assert not (tmp_path / "store" / PINNED).exists()


def test_a_gated_model_says_that_its_licence_must_be_accepted(tmp_path: Path, hub: FileServer) -> None:
    hub.statuses = [403]
    with hub, pytest.raises(EngineFailed, match="HF_TOKEN"):
        store(tmp_path, hub).pin("tiny")
