"""The `ledge` command itself: help, exit codes, and failures told in one sentence."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.__main__ import MEMBERS, app
from services.cli.bench import MEMBERS as BENCHES
from tests.ledge_command import Ledge


def test_help_lists_every_command(ledge: Ledge) -> None:
    shown = ledge.run("--help").stdout
    assert all(name in shown for name in MEMBERS)


def explained(*arguments: str) -> str:
    """Help, asked in this process: a process for each of them would take long."""
    result = CliRunner().invoke(app, [*arguments, "--help"], prog_name="ledge")
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_every_command_explains_itself(name: str) -> None:
    assert f"Usage: ledge {name}" in explained(name)


@pytest.mark.parametrize("name", sorted(BENCHES))
def test_every_bench_explains_itself_and_writes_json(name: str) -> None:
    assert "--json" in explained("bench", name)


def test_a_mistyped_command_is_refused_with_a_suggestion(ledge: Ledge) -> None:
    refused = ledge.run("sttus", code=2)
    assert "Did you mean 'status'" in refused.stderr


def test_the_release_is_told(ledge: Ledge) -> None:
    assert ledge.run("--version").stdout.strip()[0].isdigit()


@pytest.mark.parametrize("arguments", [["ask", "what?"], ["search", "what"], ["ingest", __file__]])
def test_without_a_suite_a_question_fails_in_one_sentence(ledge: Ledge, arguments: list[str]) -> None:
    failed = ledge.run(*arguments, code=1)
    assert "nothing answers at 127.0.0.1:" in failed.stderr
    assert "ledge up" in failed.stderr
    assert failed.stderr.count("\n") == 1


def test_status_without_a_suite_is_json_too(ledge: Ledge) -> None:
    assert ledge.json("status", code=1) == {
        "running": False,
        "message": "the suite is not running: start it with `ledge up`",
        "services": [],
    }


@pytest.mark.parametrize(
    "content", ["{}", "[1]", '[{"role": "system", "content": "x"}]', "not JSON", '[{"role": "user"}]']
)
def test_a_wrong_history_is_the_callers_fault(ledge: Ledge, tmp_path: Path, content: str) -> None:
    file = tmp_path / "history.json"
    file.write_text(content)
    refused = ledge.run("ask", "--history", str(file), "and then?", code=2)
    assert "history.json is not a JSON list" in refused.stderr


def test_a_history_that_is_not_there_is_the_callers_fault(ledge: Ledge) -> None:
    assert "no-such-file" in ledge.run("ask", "--history", "no-such-file", "and?", code=2).stderr


def test_an_unknown_profile_names_those_there_are(ledge: Ledge) -> None:
    refused = ledge.run("up", "--profile", "gpu-9000", code=1)
    assert "embedded-cpu" in refused.stderr


def test_a_bench_that_would_wait_for_an_index_that_nobody_makes_is_refused(ledge: Ledge) -> None:
    refused = ledge.run("bench", "retrieval", "--points", "1000", code=2)
    assert "so few vectors get no index: --points above 1333" in refused.stderr


def test_a_port_out_of_range_is_the_callers_fault(ledge: Ledge) -> None:
    assert "LEDGE_PORT_BASE" in ledge.run("up", "--port-base", "80", code=2).stderr


def test_a_missing_model_is_told_with_the_command_that_fetches_it(ledge: Ledge, tmp_path: Path) -> None:
    offline = {"LEDGE_MODELS_DIR": str(tmp_path / "models"), "LEDGE_OFFLINE": "1"}
    failed = ledge.run("up", "--profile", "embedded-cpu", code=1, **offline)
    assert "ledge models pull" in failed.stderr
    assert failed.stderr.count("\n") == 1
    checks = ledge.json("doctor", "--profile", "embedded-cpu", code=1, **offline)["checks"]
    missing = [check for check in checks if check["name"].startswith("model ")]
    assert missing
    assert all("ledge models pull" in check["advice"] for check in missing)


def test_doctor_finds_a_well_machine_well(ledge: Ledge) -> None:
    found = ledge.json("doctor")
    assert found["fits"]
    assert [check["name"] for check in found["checks"]] == [
        "python",
        "profile",
        "packages",
        "engine scripted",
        "engine memory",
        "cores",
        "memory",
        "disk, state",
        "disk, models",
        "ports",
    ]


def test_doctor_tells_of_an_engine_that_does_not_load(ledge: Ledge, light_profile: Path) -> None:
    light_profile.write_text(light_profile.read_text().replace("engine: memory", "engine: none-such"))
    checks = {check["name"]: check for check in ledge.json("doctor", code=1)["checks"]}
    assert checks["engine none-such"]["level"] == "failure"
    assert checks["engine none-such"]["advice"]


def test_doctor_says_what_a_larger_profile_lacks(ledge: Ledge, light_profile: Path) -> None:
    light_profile.write_text(
        light_profile.read_text()
        .replace("memory_bytes: 1_000_000_000", "memory_bytes: 9_000_000_000_000_000")
        .replace("memory_bytes: 100_000_000, cpu_cores: 0.1", "memory_bytes: 4_000_000_000_000_000, cpu_cores: 0.1")
        .replace("cpu_cores: 1,", "cpu_cores: 4096,")
    )
    report = ledge.run("doctor", "--json", code=1)
    levels = {check["name"]: check["level"] for check in json.loads(report.stdout)["checks"]}
    assert levels["cores"] == "warning"
    assert levels["memory"] == "failure"
