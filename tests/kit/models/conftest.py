"""A model of two files with random content, the catalogue that describes it, and a web server that has it."""

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.kit.models import Catalog, ModelStore, Network
from tests.kit.models.file_server import FileServer

WEIGHTS = random.Random(1).randbytes(300_000)
CONFIG = b'{"hidden_size": 384}\n'
FILES = {"weights.bin": WEIGHTS, "nested/config.json": CONFIG}


def entry(model_id: str = "tiny", sources: list[str] | None = None, **changes: Any) -> dict[str, Any]:
    """A catalogue entry for FILES, as it stands in YAML."""
    return {
        "id": model_id,
        "tasks": ["embedding"],
        "engines": ["ctranslate2"],
        "origin": "nobody tiny",
        "description": "Random bytes.",
        "licence": "CC-BY-NC-4.0",
        "commercial_use": False,
        "memory": {"cpu_bytes": 1000, "gpu_bytes": 0},
        "dimensions": 3,
        "files": [
            {"path": path, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for path, content in FILES.items()
        ],
        "sources": ["https://nowhere.invalid/tiny"] if sources is None else sources,
    } | changes


def write_catalog(path: Path, *entries: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"models": list(entries)}))
    return path


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Everything in a model's directory but the store's record of it."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    files.pop(".verified", None)
    return files


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer({f"/tiny/{path}": content for path, content in FILES.items()}) as running:
        yield running


class StoreMaker:
    """Makes stores for one entry whose sources the test chooses; all of them share one directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.catalog = folder / "models.yaml"
        self.directory = folder / "store"

    def __call__(self, *sources: str, directory: Path | None = None, **network: Any) -> ModelStore:
        write_catalog(self.catalog, entry(sources=list(sources)))
        settings = Network(**{"back_off_s": 0.0} | network)
        return ModelStore(directory or self.directory, Catalog.load(self.catalog), settings)


@pytest.fixture
def make_store(tmp_path: Path) -> StoreMaker:
    return StoreMaker(tmp_path)
