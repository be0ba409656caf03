"""`ledge models` as a user and as a program meet it: output, exit codes, and what Ctrl-C leaves."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.cli.models import app
from tests.kit.models.conftest import FILES, contents, entry, write_catalog
from tests.kit.models.file_server import FileServer

PROFILE = """
name: small
description: One encoder.
hardware: { cpu_cores: 1, memory_bytes: 2000 }
services:
  embedding: { engine: ctranslate2, model: tiny, budget: { memory_bytes: 1000, cpu_cores: 1 } }
"""

Run = Callable[..., Result]


@pytest.fixture
def site(tmp_path: Path, server: FileServer) -> Path:
    """A machine's files: a catalogue of two models, and a profile that needs the first."""
    entries = [entry(model_id, [f"{server.url}/tiny"]) for model_id in ("tiny", "twin")]
    write_catalog(tmp_path / "deploy" / "models.yaml", *entries)
    (tmp_path / "small.yaml").write_text(PROFILE)
    return tmp_path


def environment(site: Path) -> dict[str, str]:
    return {
        "LEDGE_DEPLOY_DIR": str(site / "deploy"),
        "LEDGE_MODELS_DIR": str(site / "store"),
        "LEDGE_PROFILE": str(site / "small.yaml"),
        "COLUMNS": "100",
    }


@pytest.fixture
def run(site: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in ("LEDGE_OFFLINE", "LEDGE_MODELS_CATALOG", "NIM_CACHE_PATH", "NIM_DISABLE_MODEL_DOWNLOAD"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, **settings: str) -> Result:
        return CliRunner().invoke(app, arguments, env=environment(site) | settings)

    return run


def start(site: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from services.cli.models import app; app()", *arguments],
        env=os.environ | environment(site),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_list_shows_licence_commercial_use_and_state(run: Run) -> None:
    listed = run("list")
    assert listed.exit_code == 0
    (tiny,) = [line.split() for line in listed.stdout.splitlines() if line.startswith("tiny")]
    assert tiny == ["tiny", "embedding", "CC-BY-NC-4.0", "no", "300.0", "kB", "absent"]


def test_list_for_a_program_is_json(run: Run) -> None:
    models = json.loads(run("list", "--json").stdout)
    assert {(model["id"], model["licence"], model["commercial_use"], model["state"]) for model in models} == {
        ("tiny", "CC-BY-NC-4.0", False, "absent"),
        ("twin", "CC-BY-NC-4.0", False, "absent"),
    }


def test_pull_without_names_fetches_what_the_profile_needs(run: Run, site: Path) -> None:
    pulled = run("pull")
    assert pulled.exit_code == 0, pulled.stderr
    assert "tiny (CC-BY-NC-4.0, not for commercial use)" in pulled.stdout
    assert contents(site / "store" / "tiny") == FILES
    assert not (site / "store" / "twin").exists()


def test_pull_for_a_program_prints_json_and_nothing_else(run: Run, site: Path) -> None:
    pulled = run("pull", "twin", "--json")
    expected = {"id": "twin", "licence": "CC-BY-NC-4.0", "commercial_use": False}
    assert json.loads(pulled.stdout) == [expected | {"path": str(site / "store" / "twin")}]
    assert pulled.stderr == ""


def test_a_pull_that_fails_exits_with_1_and_one_line(run: Run, server: FileServer) -> None:
    server.files.clear()
    pulled = run("pull", "tiny")
    assert pulled.exit_code == 1
    assert f"model 'tiny' could not be fetched: {server.url}/tiny: HTTP 404" in pulled.stderr


def test_offline_the_command_says_what_to_do(run: Run) -> None:
    pulled = run("pull", "tiny", LEDGE_OFFLINE="1")
    assert pulled.exit_code == 1
    assert "`ledge models pull tiny`" in pulled.stderr
    assert "`ledge models import FILE`" in pulled.stderr


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "told"),
    [
        (["pull", "nosuch"], {}, 1, "which has: tiny, twin"),
        (["pull", "tiny", "--profile", "small"], {}, 2, "not both"),
        (["pull", "--nosuch"], {}, 2, "--nosuch"),
        (["pull", "--profile", "nosuch"], {}, 1, "no profile 'nosuch'"),
        (["list"], {"LEDGE_OFFLINE": "perhaps"}, 2, "LEDGE_OFFLINE"),
        (["list"], {"LEDGE_MODELS_CATALOG": "/nowhere.yaml"}, 1, "/nowhere.yaml"),
        (["import", "/nowhere.tar"], {}, 1, "/nowhere.tar"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    run: Run, arguments: list[str], settings: dict[str, str], code: int, told: str
) -> None:
    failed = run(*arguments, **settings)
    assert failed.exit_code == code
    assert told in failed.stderr


def test_a_bundle_goes_from_a_connected_machine_to_one_that_is_not(run: Run, site: Path) -> None:
    assert run("pull").exit_code == 0
    bundled = run("bundle", "--output", str(site / "models.tar"))
    assert bundled.exit_code == 0, bundled.stderr
    assert "tiny (CC-BY-NC-4.0)" in bundled.stdout
    there = {"LEDGE_MODELS_DIR": str(site / "there"), "LEDGE_OFFLINE": "1"}
    assert run("import", str(site / "models.tar"), **there).exit_code == 0
    assert contents(site / "there" / "tiny") == FILES
    assert run("verify", **there).exit_code == 0


def test_verify_exits_with_1_for_damage_and_names_the_repair(run: Run, site: Path) -> None:
    run("pull")
    (site / "store" / "tiny" / "weights.bin").write_bytes(bytes(300_000))
    verified = run("verify", "tiny")
    assert verified.exit_code == 1
    assert "weights.bin has the wrong content (repair: ledge models pull tiny)" in verified.stdout
    faults = json.loads(run("verify", "tiny", "--json").stdout)
    assert faults == [{"id": "tiny", "intact": False, "faults": ["weights.bin has the wrong content"]}]
    assert run("pull", "tiny").exit_code == 0
    assert run("verify", "tiny").exit_code == 0


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_pull_leaves_only_what_the_next_one_goes_on_from(
    run: Run, site: Path, server: FileServer, stop: signal.Signals
) -> None:
    server.hold_after_bytes = 100_000
    pulling = start(site, "pull", "tiny")
    server.wait_for_hold("/tiny/weights.bin")
    pulling.send_signal(stop)
    _, told = pulling.communicate(timeout=30)
    assert pulling.returncode == 130
    assert "the same command goes on where this one was" in told
    assert all(name.endswith(".partial") for name in contents(site / "store" / "tiny"))
    server.hold_after_bytes = None
    server.release.set()
    assert run("pull", "tiny").exit_code == 0
    assert contents(site / "store" / "tiny") == FILES


def test_a_stopped_download_of_a_wheel_leaves_nothing(
    site: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_catalog(site / "deploy" / "models.yaml", entry("tiny", ["pypi://tiny-model==1.0#tiny_model/data"]))
    name = "tiny_model-1.0-py3-none-any.whl"
    server.files["/wheels/"] = f'<!DOCTYPE html><a href="{name}">{name}</a>'.encode()
    server.files[f"/wheels/{name}"] = bytes(32_000_000)
    for setting in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": f"{server.url}/wheels/", "PIP_NO_CACHE_DIR": "1"}.items():
        monkeypatch.setenv(*setting)
    # More than the page, less than the wheel; what is left is more than a socket takes from a server unread.
    server.hold_after_bytes = 1_000_000
    pulling = start(site, "pull", "tiny")
    server.wait_for_hold(f"/wheels/{name}")
    pulling.send_signal(signal.SIGINT)
    pulling.communicate(timeout=30)
    assert pulling.returncode == 130
    assert contents(site / "store" / "tiny") == {}
    # pip is gone too: the server cannot send it the rest.
    server.release.set()
    assert server.broken.wait(timeout=30)
