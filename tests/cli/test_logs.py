"""Logs read back: whole, per service, followed, and robust against what libraries write."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from services.cli.local import log_lines
from tests.ledge_command import ROOT, Ledge

TIME = "2026-01-02T03:04:05.678Z"
ERROR = json.dumps({"time": TIME, "level": "error", "event": "engine failed", "exception": "Boom"})
INFO = json.dumps({"time": "2026-01-02T03:04:06.000Z", "level": "info", "event": "ready", "load_s": 0.5})


def test_logs_of_all_services_are_merged_by_time(ledge: Ledge) -> None:
    logs = ledge.state / "logs"
    logs.mkdir(parents=True)
    for service, seconds in (("llm", (1, 4, 5)), ("rag", (2, 3, 6))):
        entries = [
            {"time": f"2026-01-02T03:04:0{second}.000Z", "level": "info", "event": str(second)} for second in seconds
        ]
        (logs / f"{service}.log").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    shown = [json.loads(line)["event"] for line in ledge.run("logs", "--json", "-n", "5").stdout.splitlines()]
    assert shown == ["2", "3", "4", "5", "6"]


def test_a_running_suite_logs_by_service(running: Ledge) -> None:
    lines = [json.loads(line) for line in running.run("logs", "--json").stdout.splitlines()]
    assert {line["service"] for line in lines} == {"embedding", "retrieval"}


def test_logs_of_one_service_are_readable(running: Ledge) -> None:
    shown = running.run("logs", "embedding", "-n", "20").stdout
    assert "listening port=" in shown
    assert "{" not in shown


def test_a_service_without_a_log_is_told_with_those_that_have_one(running: Ledge) -> None:
    assert "there are: embedding, retrieval" in running.run("logs", "asr", code=1).stderr


def test_followed_logs_go_on_until_interrupted(running: Ledge) -> None:
    following = running.start("logs", "-f", "-n", "0")
    assert following.stdout is not None
    # Its first line says that it follows: it comes after the places in the files were taken.
    assert "following" in following.stdout.readline()
    psutil.Process(running.service("embedding")["pid"]).kill()
    assert any("listening" in line for line in following.stdout)
    following.send_signal(signal.SIGINT)
    following.communicate(timeout=10)
    assert following.returncode == 130


def test_a_log_that_is_rotated_while_it_is_followed_loses_no_line(ledge: Ledge) -> None:
    log = ledge.state / "logs" / "llm.log"
    log.parent.mkdir(parents=True)
    log.touch()
    following = ledge.start("logs", "-f", "llm")
    assert following.stdout is not None
    following.stdout.readline()
    with log.open("a") as file:
        file.write("before\nbe")
        file.flush()
        assert following.stdout.readline() == "before\n"
        file.write("tween\n")
    log.rename(log.with_name("llm.log.1"))
    log.write_text("after\n")
    assert following.stdout.readline() == "between\n"
    assert following.stdout.readline() == "after\n"
    following.send_signal(signal.SIGINT)
    following.communicate(timeout=10)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_in_the_background_of_a_script_can_be_ended(running: Ledge, number: int) -> None:
    ignoring = ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh"]
    command = [*ignoring, sys.executable, "-m", "services.cli", "logs", "--follow", "--lines", "1"]
    with subprocess.Popen(command, env=running.environment, cwd=ROOT, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        assert following.stdout.readline()
        following.send_signal(number)
        assert following.wait(timeout=10) == 130


def test_a_library_line_is_kept_as_it_is() -> None:
    assert log_lines.parse("OMP: Info #1\n").readable() == "OMP: Info #1"
    assert log_lines.parse("[1, 2]").readable() == "[1, 2]"
    assert log_lines.parse(INFO).readable() == "03:04:06.000 info    ready load_s=0.5"


def test_the_last_error_is_found_among_later_lines(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("\n".join([INFO, ERROR, INFO, "noise"]) + "\n")
    error = log_lines.last_error(log)
    assert error is not None
    assert error.event == "engine failed"
    assert log_lines.last_words(log) == "engine failed (Boom)"


def test_errors_of_an_earlier_run_are_not_this_runs(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text(ERROR + "\n")
    since_bytes = log.stat().st_size
    with log.open("a") as file:
        file.write(INFO + "\nlast line\n")
    assert log_lines.last_error(log, since_bytes) is None
    assert log_lines.last_words(log, since_bytes) == "last line"


def test_a_rotated_log_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text(ERROR + "\n")
    assert log_lines.last_error(log, since_bytes=10_000) is not None


def test_only_the_end_of_a_huge_log_is_read(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("x" * 3 * log_lines.TAIL_BYTES + "\nend\n")
    assert [line.text for line in log_lines.tail(log)] == ["end"]


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert log_lines.tail(tmp_path / "none.log") == []
    assert "no word" in log_lines.last_words(tmp_path / "none.log")
