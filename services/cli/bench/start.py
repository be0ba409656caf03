"""`ledge bench start`: from an installed suite to its first answer, what it takes of memory, and of the disk."""

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from ledge.rag.v1 import rag_pb2 as pb
from rich.console import Console

from services.cli.answer import ask
from services.cli.bench.report import JsonFile, Report, Row
from services.cli.bench.running import proportional_bytes, resident_bytes
from services.cli.local.config import LocalRunConfig
from services.cli.local.ports import free_bases
from services.cli.local.state import StateDirectory
from services.cli.local.suite import Suite
from services.cli.profile import open_profile
from services.cli.rag_client import rag_service
from services.kit.deploy import deploy_directory
from services.kit.errors import EngineFailed

MIB = 2**20
CALLERS = 16


def command(
    rounds: Annotated[int, typer.Option(min=1, help="Starts to measure; the median counts.")] = 3,
    questions: Annotated[int, typer.Option(min=0, help="Questions asked before memory is read again.")] = 64,
    json_file: JsonFile = None,
) -> None:
    """Start to first answer, memory of every process, and disk; with a suite of its own, on free ports."""
    _, plan, store = open_profile(LocalRunConfig.read())
    for service in plan.services:
        if service.model:
            store.path(service.model)
    progress = Console(stderr=True, highlight=False)
    firsts: list[dict[str, Any]] = []
    laters: list[dict[str, Any]] = []
    for number in range(1, rounds + 1):
        with _own_suite() as environment:
            progress.print(f"round {number} of {rounds}", style="dim")
            firsts.append(_up(environment))
            _ledge(environment, "down")
            laters.append(_up(environment))
            if number == rounds:
                memory_rows = list(_memory(environment, "after the first answer"))
                if questions:
                    _ask_many(environment, questions)
                    memory_rows += _memory(environment, f"after {questions} questions, {CALLERS} at a time")
                state = StateDirectory(Path(environment["LEDGE_STATE_DIR"]))
                disk_rows = list(_disk(state, [store.directory / model for model in _models(plan.services)]))
    rows = [*_times("first start", firsts), *_times("later start", laters), *memory_rows, *disk_rows]
    Report("start", rows).publish(json_file)


def _models(services: Sequence[Any]) -> list[str]:
    return list(dict.fromkeys(service.model for service in services if service.model))


@contextmanager
def _own_suite() -> Iterator[dict[str, str]]:
    """The environment of a suite that touches no other; stopped and removed at the end."""
    folder = tempfile.mkdtemp(prefix="ledge-bench-")
    base, gateway = free_bases()
    environment = {
        **{name: value for name, value in os.environ.items() if name != "LEDGE_DATA_DIR"},
        "LEDGE_STATE_DIR": folder,
        "LEDGE_PORT_BASE": str(base),
        "LEDGE_GATEWAY_PORT": str(gateway),
    }
    try:
        yield environment
    finally:
        _ledge(environment, "down")
        shutil.rmtree(folder, ignore_errors=True)


def _ledge(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "services.cli", *arguments]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or ["(no words)"]
        raise EngineFailed(f"`ledge {' '.join(arguments)}` failed: {words[-1]}")
    return done.stdout


def _up(environment: dict[str, str]) -> dict[str, Any]:
    began_s = time.monotonic()
    story: dict[str, Any] = json.loads(_ledge(environment, "up", "--json"))
    story["whole_s"] = time.monotonic() - began_s
    if not story["answer"] or story["first_words_s"] is None:
        raise EngineFailed("the sample question got no answer")
    return story


def _times(name: str, stories: list[dict[str, Any]]) -> Iterator[Row]:
    fresh = "sample documents taken in on the way" if name == "first start" else "documents are there"
    spread = ", ".join(f"{story['first_words_s']:.1f}" for story in stories)
    yield Row(
        f"{name}: `ledge up` to the first words of an answer",
        statistics.median(story["first_words_s"] for story in stories),
        "s",
        note=f"{fresh}; median of {spread}",
    )
    stages = {stage for story in stories for stage in story["stages_s"]}
    for stage in sorted(stages, key=list(stories[0]["stages_s"]).index):
        yield Row(f"{name}: {stage}", statistics.median(story["stages_s"][stage] for story in stories), "s")
    for service in stories[0]["ready_s"]:
        yield Row(f"{name}: {service} ready", statistics.median(story["ready_s"][service] for story in stories), "s")


def _memory(environment: dict[str, str], when: str) -> Iterator[Row]:
    """Shared pages divided among those that share them (PSS): these figures may be added up."""
    state = StateDirectory(Path(environment["LEDGE_STATE_DIR"]))
    suite = Suite(LocalRunConfig.read(state_dir=state.path))
    supervisor = suite.supervisor.pid
    if supervisor is None:
        raise EngineFailed("the suite ended while it was measured")
    total_pss = total_rss = 0
    names = {process.pid: process.name for process in suite.supervisor.states()}
    for process in [psutil.Process(supervisor), *psutil.Process(supervisor).children()]:
        family = [process, *(process.children(recursive=True) if process.pid != supervisor else [])]
        pss = sum(proportional_bytes(member.pid) for member in family)
        rss = sum(resident_bytes(member.pid) for member in family)
        total_pss += pss
        total_rss += rss
        children = f", {len(family)} processes" if len(family) > 1 else ""
        name = names.get(process.pid, "supervisord")
        yield Row(f"memory {when}: {name}", pss / MIB, "MiB", note=f"RSS {rss / MIB:.0f} MiB{children}")
    note = f"RSS {total_rss / MIB:.0f} MiB, where shared pages are counted every time"
    yield Row(f"memory {when}: the whole suite", total_pss / MIB, "MiB", note=note)


def _ask_many(environment: dict[str, str], number: int) -> None:
    file = deploy_directory() / "samples" / "questions" / "calibration.jsonl"
    asked = [json.loads(line)["question"] for line in file.read_text().splitlines()][:number]
    config = LocalRunConfig.read(state_dir=Path(environment["LEDGE_STATE_DIR"]))

    async def ask_all() -> None:
        free = asyncio.Semaphore(CALLERS)
        async with rag_service(config) as rag:

            async def one(question: str) -> None:
                async with free:
                    await ask(rag, pb.AnswerRequest(question=question))

            await asyncio.gather(*(one(question) for question in asked))

    asyncio.run(ask_all())


def _disk(state: StateDirectory, models: list[Path]) -> Iterator[Row]:
    environment = Path(sys.prefix)
    if environment != Path(sys.base_prefix):
        yield Row("disk: the environment", _tree_bytes(environment) / MIB, "MiB", note="what this `ledge` runs in")
    yield Row("disk: models of the profile", sum(map(_tree_bytes, models)) / MIB, "MiB")
    yield Row("disk: the sample documents as stored", _tree_bytes(state.path / "data") / MIB, "MiB")


def _tree_bytes(folder: Path) -> int:
    """What the files of a folder occupy; holes of sparse files are not counted."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
