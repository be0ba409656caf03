"""The local run, by real processes: started, killed, interrupted, hindered, stopped."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.ledge_command import Ledge


def eventually(holds: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
    """Asks again until it holds; fails when the time is over."""
    until_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until_s, f"never: {what}"


def pids(ledge: Ledge) -> dict[str, int]:
    return {service["name"]: service["pid"] for service in ledge.json("status")["services"]}


def kill_supervisor(ledge: Ledge) -> None:
    supervisor = psutil.Process(int((ledge.state / "supervisord.pid").read_text()))
    supervisor.kill()
    supervisor.wait()


def test_up_starts_every_service_and_says_so(running: Ledge) -> None:
    status = running.json("status")
    assert status["ready"]
    assert [service["name"] for service in status["services"]] == ["embedding", "retrieval"]
    for service in status["services"]:
        assert service["state"] == "ready"
        assert service["restarts"] == 0
        assert service["memory_bytes"] > 2**20
        assert service["uptime_s"] >= 0
        assert service["last_error"] is None
    table = running.run("status").stdout
    assert "scripted" in table
    assert "ready" in table


def test_up_run_twice_repeats_nothing(running: Ledge) -> None:
    before = pids(running)
    again = running.run("up", "--no-ingest")
    assert "running already" in again.stdout
    assert pids(running) == before


def test_a_killed_service_comes_back(running: Ledge) -> None:
    killed = running.service("retrieval")
    psutil.Process(killed["pid"]).kill()
    eventually(lambda: running.service("retrieval")["state"] == "ready", "retrieval ready again")
    back = running.service("retrieval")
    assert back["pid"] != killed["pid"]
    assert back["restarts"] == killed["restarts"] + 1


def test_up_with_other_settings_is_refused_while_it_runs(running: Ledge) -> None:
    base = int(running.environment["LEDGE_PORT_BASE"]) + 1
    refused = running.run("up", "--no-ingest", "--port-base", str(base), code=1)
    assert "already runs" in refused.stderr
    assert "ledge down" in refused.stderr
    assert running.json("status")["ready"]


def test_services_have_the_profiles_environment_and_a_key_of_their_own(tmp_path: Path, light_profile: Path) -> None:
    hard = "it's \"50%\" of $HOME, a=b; c\\d 'e' ü"
    quoted = hard.replace("\\", "\\\\").replace('"', '\\"')
    light_profile.write_text(light_profile.read_text().replace("LEDGE_LOG_LEVEL: INFO", f'HARD_TO_QUOTE: "{quoted}"'))
    ledge = Ledge(tmp_path / "state", LEDGE_PROFILE=str(light_profile), LEDGE_API_KEYS="alice=sesame")
    try:
        ledge.run("up", "--no-ingest")
        environment = psutil.Process(pids(ledge)["retrieval"]).environ()
        assert environment["HARD_TO_QUOTE"] == hard
        assert "HARD_TO_QUOTE" not in psutil.Process(pids(ledge)["embedding"]).environ()
        peer = environment["LEDGE_PEER_API_KEY"]
        assert environment["LEDGE_API_KEYS"] == f"alice=sesame,peer={peer}"
        written = [path.read_text(errors="replace") for path in ledge.state.rglob("*") if path.is_file()]
        assert not any("sesame" in text or peer in text for text in written)
    finally:
        ledge.close()


def test_down_leaves_no_process_and_keeps_documents(ledge: Ledge) -> None:
    ledge.run("up", "--no-ingest")
    assert len(ledge.processes()) >= 3
    (ledge.state / "data").mkdir(exist_ok=True)
    (ledge.state / "data" / "kept").write_text("a document")
    assert ledge.run("down").stdout == "stopped\n"
    with socket.create_server(("127.0.0.1", int(ledge.environment["LEDGE_PORT_BASE"]) + 4)):
        assert ledge.processes() == []
    assert (ledge.state / "data" / "kept").read_text() == "a document"
    assert not (ledge.state / "supervisord.sock").exists()
    assert ledge.run("down").stdout == "nothing was running\n"
    assert "ledge up" in ledge.run("status", code=1).stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_leaves_nothing_behind(ledge: Ledge, light_profile: Path, number: signal.Signals) -> None:
    # One service never gets ready, so that the interrupt comes while it is waited for.
    light_profile.write_text(light_profile.read_text().replace("engine: memory", "engine: never"))
    up = ledge.start("up", "--no-ingest")
    eventually(lambda: len(ledge.processes()) >= 2, "services being started")
    up.send_signal(number)
    out, err = up.communicate(timeout=60)
    assert up.returncode == 130, err
    assert "stopping what was started" in out
    assert "Traceback" not in err
    assert ledge.processes() == []
    assert not (ledge.state / "run.json").exists()


def test_a_service_that_cannot_start_is_named_with_the_reason(ledge: Ledge, light_profile: Path) -> None:
    light_profile.write_text(light_profile.read_text().replace("engine: memory", "engine: no-such-engine"))
    failed = ledge.run("up", "--no-ingest", code=1)
    assert "retrieval does not start: bad configuration: LEDGE_ENGINE" in failed.stderr
    assert failed.stderr.count("\n") == 1
    assert ledge.processes() == []


def test_a_busy_port_is_told_with_its_owner_and_the_remedy(ledge: Ledge) -> None:
    port = int(ledge.environment["LEDGE_PORT_BASE"]) + 5
    owner = subprocess.Popen(
        [sys.executable, "-c", f"import socket; s = socket.create_server(('127.0.0.1', {port})); print(); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert owner.stdout is not None
    owner.stdout.readline()
    try:
        failed = ledge.run("up", "--no-ingest", code=1)
        assert f"port {port}, where retrieval would listen" in failed.stderr
        assert f"(process {owner.pid})" in failed.stderr
        assert "--port-base" in failed.stderr
        assert failed.stderr.count("\n") == 1
        assert ledge.processes() == []
        told = [check for check in ledge.json("doctor", code=1)["checks"] if check["name"] == "ports"]
        assert told[0]["level"] == "failure"
        assert str(owner.pid) in told[0]["found"]
        assert "--port-base" in told[0]["advice"]
    finally:
        owner.communicate(b"\n")


def test_what_a_killed_supervisor_left_is_cleared_away(ledge: Ledge) -> None:
    ledge.run("up", "--no-ingest")
    before = pids(ledge)
    kill_supervisor(ledge)
    assert "not running" in ledge.run("status", code=1).stderr
    # Stale socket, stale pid file, stale record, and both services still on their ports.
    up = ledge.run("up", "--no-ingest")
    assert "ended 2 processes that an earlier run had left behind" in up.stdout
    assert not any(psutil.pid_exists(pid) for pid in before.values())
    assert ledge.json("status")["ready"]
    kill_supervisor(ledge)
    assert ledge.run("down").stdout == "stopped\n"
    assert ledge.processes() == []


def test_a_state_directory_too_deep_for_a_socket_works(tmp_path: Path, light_profile: Path) -> None:
    ledge = Ledge(tmp_path / ("deep" * 20) / ("deeper" * 10), LEDGE_PROFILE=str(light_profile))
    try:
        ledge.run("up", "--no-ingest")
        assert ledge.json("status")["ready"]
    finally:
        ledge.close()


def test_a_state_directory_that_cannot_be_made_is_told(tmp_path: Path, light_profile: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    ledge = Ledge(tmp_path / "file" / "state", LEDGE_PROFILE=str(light_profile))
    failed = ledge.run("up", "--no-ingest", code=1)
    assert "LEDGE_STATE_DIR" in failed.stderr


def test_serve_runs_one_service_in_the_foreground(ledge: Ledge) -> None:
    port = int(ledge.environment["LEDGE_PORT_BASE"]) + 4
    serving = ledge.start("serve", "embedding")
    assert serving.stderr is not None
    try:
        line = next(line for line in serving.stderr if "listening" in line)
        assert f"port={port}" in line
        assert next(line for line in serving.stderr if "ready" in line)
        refused = ledge.run("serve", "embedding", code=1)
        assert f"port {port}" in refused.stderr
    finally:
        serving.send_signal(signal.SIGINT)
        _, err = serving.communicate(timeout=30)
    assert serving.returncode == 0, err


def test_serving_what_the_profile_lacks_names_what_it_has(ledge: Ledge) -> None:
    refused = ledge.run("serve", "asr", code=2)
    assert "it has: embedding, retrieval" in refused.stderr
