"""The data files are found wherever the package is, and an installed package has all of them."""

import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from services.kit.deploy import deploy_directory

ROOT = Path(__file__).parents[2]
BUILD_FILES = {"Dockerfile", "README.md", "e2e-earlier", "e2e.sh", "images.sh"}
"""What images and clusters are made with, in a checkout; nothing reads them at run time."""


def test_in_a_checkout_they_are_beside_the_package() -> None:
    assert deploy_directory() == ROOT / "deploy"


def test_the_environment_may_name_another_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGE_DEPLOY_DIR", str(tmp_path))
    assert deploy_directory() == tmp_path


@pytest.mark.parametrize("folder", ["", "profiles", "samples/documents", "samples/questions"])
def test_the_wheel_takes_every_data_file_along(folder: str) -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    package = ".".join(["deploy", *filter(None, folder.split("/"))])
    assert package in setuptools["packages"]["find"]["include"]
    found = (path for path in (ROOT / "deploy" / folder).iterdir() if path.is_file() and path.suffix != ".py")
    files = [path for path in found if folder or path.name not in BUILD_FILES]
    assert files
    for path in files:
        assert any(fnmatch(path.name, pattern) for pattern in setuptools["package-data"][package]), path
