"""Waiting for models that another process brings, and progress as a log shows it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.models import app
from services.cli.models_waiting import TELL_EVERY_S, wait_for_models
from services.cli.progress_lines import TELL_EVERY_S as PROGRESS_EVERY_S
from services.cli.progress_lines import progress_lines
from services.kit.errors import NotFound
from services.kit.models import Progress
from tests.kit.models.conftest import CONFIG, StoreMaker, entry, write_catalog
from tests.kit.models.file_server import FileServer


class Time:
    """A clock that only pauses move; at a second of its own it lets something happen."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.events: dict[float, object] = {}

    def __call__(self) -> float:
        return self.now_s

    def pause(self, seconds: float) -> None:
        self.now_s += seconds
        event = self.events.pop(self.now_s, None)
        if callable(event):
            event()


def test_it_ends_when_another_has_brought_the_model(make_store: StoreMaker, server: FileServer) -> None:
    source = f"{server.url}/tiny"
    make_store(source)
    time, lines = Time(), list[str]()
    time.events[25.0] = lambda: make_store(source).pull("tiny")
    wait_for_models(["tiny"], None, lines.append, lambda: make_store(source), time, time.pause)
    assert time.now_s == 25.0
    assert lines == ["waiting for tiny: 0 B of 300.0 kB"] * (1 + int(25 // TELL_EVERY_S))


def test_what_is_there_already_is_not_waited_for(make_store: StoreMaker, server: FileServer) -> None:
    source = f"{server.url}/tiny"
    make_store(source).pull("tiny")
    wait_for_models(["tiny"], 0, pytest.fail, lambda: make_store(source))


def test_who_will_not_wait_is_told_which_files_lack(make_store: StoreMaker) -> None:
    store = make_store("https://nowhere.invalid/tiny")
    (store.directory / "tiny/nested").mkdir(parents=True)
    (store.directory / "tiny/nested/config.json").write_bytes(CONFIG[:-1])
    with pytest.raises(NotFound) as refused:
        wait_for_models(["tiny"], 0, pytest.fail, lambda: store)
    assert refused.value.message == (
        f"model 'tiny' is not whole in {store.directory}: weights.bin is missing, "
        f"nested/config.json has {len(CONFIG) - 1} bytes instead of {len(CONFIG)}"
    )


def test_patience_ends(make_store: StoreMaker) -> None:
    store, time, lines = make_store("https://nowhere.invalid/tiny"), Time(), list[str]()
    with pytest.raises(NotFound):
        wait_for_models(["tiny"], 12, lines.append, lambda: store, time, time.pause)
    assert time.now_s == 12
    assert len(lines) == 2


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    write_catalog(tmp_path / "deploy" / "models.yaml", entry())
    monkeypatch.setenv("LEDGE_DEPLOY_DIR", str(tmp_path / "deploy"))
    monkeypatch.setenv("LEDGE_MODELS_DIR", str(tmp_path / "store"))
    monkeypatch.setenv("LEDGE_OFFLINE", "1")
    return tmp_path


def test_the_command_fails_at_once_and_names_the_files(offline: Path) -> None:
    waited = CliRunner().invoke(app, ["wait", "--for-s", "0", "tiny"])
    assert waited.exit_code == 1
    assert "weights.bin is missing, nested/config.json is missing" in waited.stderr


def test_a_log_gets_a_line_at_the_beginning_at_the_end_and_now_and_then() -> None:
    time, lines = Time(), list[str]()
    watch = progress_lines(lines.append, time)
    for done in range(101):
        watch(Progress("fetching", "tiny", "weights.bin", done * 1000, 100_000))
        time.now_s += PROGRESS_EVERY_S / 40
    assert lines == [
        f"tiny: fetching weights.bin, {done} of 100.0 kB" for done in ("0 B", "40.0 kB", "80.0 kB", "100.0 kB")
    ]


def test_a_pull_tells_its_progress_in_a_log(
    tmp_path: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_catalog(tmp_path / "deploy" / "models.yaml", entry(sources=[f"{server.url}/tiny"]))
    monkeypatch.setenv("LEDGE_DEPLOY_DIR", str(tmp_path / "deploy"))
    monkeypatch.setenv("LEDGE_MODELS_DIR", str(tmp_path / "store"))
    pulled = CliRunner().invoke(app, ["pull", "tiny"])
    assert pulled.exit_code == 0, pulled.stderr
    assert "tiny: fetching weights.bin, 300.0 kB of 300.0 kB" in pulled.stderr
