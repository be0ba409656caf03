"""`ledge up --cluster`: what it hands to Helm, and what it says where it cannot."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.__main__ import app
from services.cli.cluster import installing
from services.kit.errors import LedgeError
from tests.cli.cluster.installs_on_file import fill
from tests.helm.chart import helm_program
from tests.kubernetes_server import ApiServer, api_server


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    with api_server() as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "kubeconfig")))
        monkeypatch.setenv("HELM", "no-such-helm")
        yield server


def up(*arguments: str) -> tuple[str, str]:
    """What it prints, and what it fails with."""
    result = CliRunner().invoke(app, ["up", *arguments], prog_name="ledge")
    if result.exception is None:
        return result.output, ""
    assert isinstance(result.exception, LedgeError), result.output
    return result.output, result.exception.message


def test_without_helm_it_says_what_to_call_elsewhere(server: ApiServer) -> None:
    _, told = up("--cluster", "--profile", "cpu", "-n", "site")
    assert "there is no helm here" in told
    assert "helm upgrade --install ledge " in told
    assert "--namespace site --create-namespace --values " in told
    assert "values-cpu.yaml" in told


def test_a_profile_without_values_is_told_with_those_that_have_some(server: ApiServer) -> None:
    _, told = up("--cluster", "--profile", "mainframe")
    assert "no values for the profile 'mainframe', only for airgap, ci, cpu, embedded-cpu" in told


def test_what_helm_refuses_is_told(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    # This API server is too small for Helm, which says so.
    monkeypatch.setenv("HELM", helm_program())
    assert "helm refuses: Error:" in up("--cluster", "--no-connect")[1]


def test_a_helm_that_does_not_end_is_told(server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = tmp_path / "helm"
    hangs.write_text("#!/bin/sh\nexec sleep 600\n")
    hangs.chmod(0o755)
    monkeypatch.setenv("HELM", str(hangs))
    monkeypatch.setattr(installing, "HELM_TIMEOUT_S", 0.3)
    _, told = up("--cluster", "--no-connect", "-n", "site")
    assert "helm has not ended after 0.3 s" in told
    assert "helm status ledge --namespace site" in told


def test_an_installed_release_is_shown_until_it_is_ready(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELM", shutil.which("true") or "true")
    fill(server, "ready")
    shown, told = up("--cluster", "--no-connect")
    assert "ready    ledge-llm-7d9f6c5b8-x2x9p" in shown
    assert told == ""


def test_a_release_that_stays_stuck_ends_with_the_reason(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELM", shutil.which("true") or "true")
    fill(server, "image-never")
    shown, told = up("--cluster", "--timeout-s", "1")
    assert "image.pullPolicy is Never" in shown
    assert "the release is stuck after 1 s" in told


def test_options_of_the_one_do_not_go_with_the_other() -> None:
    assert "go with --cluster" in up("--namespace", "site")[1]
