"""The make targets: listed, and what a bare machine lacks told in one sentence."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def make(*arguments: str, cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    # As a person calls it, also when these tests were themselves started by make.
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=environment,
    )


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A checkout in which nothing was made yet."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def interpreter(folder: Path, answer: str) -> str:
    """A `python3` that does what a shell line says."""
    path = folder / "python3"
    path.write_text(f"#!/bin/sh\n{answer}\n")
    path.chmod(0o755)
    return f"PYTHON={path}"


def test_make_lists_every_target() -> None:
    listed = make().stdout
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert "up" in targets
    assert [target for target in targets if f"make {target} " not in listed] == []


def test_a_missing_venv_package_is_told_in_one_sentence(bare: Path) -> None:
    failed = make("up", interpreter(bare, 'case "$*" in *ensurepip*) exit 1;; esac'), cwd=bare)
    assert failed.returncode != 0
    told = [line for line in failed.stderr.splitlines() if not line.startswith("make:")]
    assert told == ["the Python package venv is missing: run `apt-get install python3-venv` (as root), then make again"]


def test_an_old_python_is_told_in_one_sentence(bare: Path) -> None:
    failed = make("up", interpreter(bare, 'case "$*" in *version_info*) exit 1;; esac'), cwd=bare)
    assert failed.returncode != 0
    assert "Python 3.11 or newer" in failed.stderr


def test_a_full_disk_is_told_in_one_sentence(bare: Path) -> None:
    failed = make("up", interpreter(bare, "exit 0"), "NEEDED_MB=999999999999", cwd=bare)
    assert failed.returncode != 0
    assert "MB are free here and 999999999999 MB are needed" in failed.stderr


def test_a_step_that_is_done_is_not_repeated(bare: Path) -> None:
    (bare / ".venv").mkdir()
    for stamp in (".made", ".default"):
        (bare / ".venv" / stamp).touch()
    planned = make("--dry-run", "up", cwd=bare).stdout
    assert "pip" not in planned
    assert "ledge up" in planned


def test_changed_requirements_are_installed_anew(bare: Path) -> None:
    (bare / ".venv").mkdir()
    for stamp in (".made", ".default"):
        (bare / ".venv" / stamp).touch()
    later_s = (bare / ".venv" / ".default").stat().st_mtime + 10
    os.utime(bare / "pyproject.toml", (later_s, later_s))
    assert "pip" in make("--dry-run", "up", cwd=bare).stdout


@pytest.mark.parametrize("question", ["it's 50% of $HOME?", 'a "quoted" `date` question', "a; exit 3 #"])
def test_a_question_reaches_the_command_as_it_was_typed(bare: Path, question: str) -> None:
    binaries = bare / ".venv" / "bin"
    binaries.mkdir(parents=True)
    (bare / ".venv" / ".made").touch()
    (bare / ".venv" / ".default").touch()
    (binaries / "ledge").write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    (binaries / "ledge").chmod(0o755)
    asked = make("ask", f"Q={question}", cwd=bare)
    assert asked.stdout == f"ask|--|{question}|"


def test_a_question_that_is_missing_is_asked_for(bare: Path) -> None:
    (bare / ".venv").mkdir()
    for stamp in (".made", ".default"):
        (bare / ".venv" / stamp).touch()
    assert 'make ask Q="' in make("ask", cwd=bare).stderr


def test_ci_runs_make_targets_and_nothing_else() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [line for line in lines if line and not line.startswith("#")]
    *others, last = [line for line in commands if not line.startswith(("set -", "cd "))]
    assert last == "exec make --no-print-directory check test-clients test-torch test-page test </dev/null"
    assert all(line.startswith("make ") for line in others)
