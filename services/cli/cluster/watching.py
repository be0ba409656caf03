"""Shows how far a release is: once, or until it is ready."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from services.cli.cluster.access import Cluster
from services.cli.cluster.progress import Line, Progress, progress_of
from services.cli.terminal import open_console
from services.kit.errors import NotFound, NotReady

LOOK_EVERY_S = 1.5
EXIT_READY, EXIT_COMING, EXIT_STUCK = 0, 1, 3
STYLES = {"ready": "green", "done": "green", "stuck": "bold red", "ending": "dim", "asleep": "dim"}


def show(cluster: Cluster, release: str, as_json: bool) -> int:
    """Prints a release as it is now. Returns the exit code: 0 ready, 1 on its way, 3 stuck."""
    progress = look(cluster, release)
    if as_json:
        typer.echo(json.dumps(as_object(progress, cluster.namespace, release), indent=1))
    else:
        open_console().print(_table(progress), soft_wrap=False)
    return exit_code(progress)


def watch(
    cluster: Cluster,
    release: str,
    as_json: bool = False,
    timeout_s: float | None = None,
    is_over: Callable[[], bool] = lambda: False,
    console: Console | None = None,
) -> int:
    """Prints a release whenever it changes, until it is ready or time is out. Returns the exit code as `show` does.

    Args:
        timeout_s: None: as long as it takes.
        is_over: ends it early, for what happens beside it has failed.
    """
    console = console or open_console()
    ends_s = time.monotonic() + timeout_s if timeout_s is not None else None
    told: dict[tuple[str, str], tuple[str, str]] = {}
    with (
        Live(console=console, refresh_per_second=4, transient=False)
        if console.is_terminal and not as_json
        else _Still() as live
    ):
        while True:
            try:
                progress = look(cluster, release)
            except (NotFound, NotReady) as error:
                # Not installed yet, or the cluster is away for a moment.
                progress = Progress([], [error.message])
            if as_json:
                _tell_objects(progress, cluster.namespace, release, told)
            elif isinstance(live, Live):
                live.update(_table(progress))
            else:
                _tell_lines(progress, told, console)
            if progress.state == "ready" or is_over() or (ends_s is not None and time.monotonic() >= ends_s):
                return exit_code(progress)
            time.sleep(LOOK_EVERY_S)


def look(cluster: Cluster, release: str) -> Progress:
    return progress_of(cluster.snapshot(release), datetime.now(UTC))


def exit_code(progress: Progress) -> int:
    return {"ready": EXIT_READY, "coming": EXIT_COMING, "stuck": EXIT_STUCK}[progress.state]


def as_object(progress: Progress, namespace: str, release: str) -> dict[str, Any]:
    """For programs."""
    return {
        "release": release,
        "namespace": namespace,
        "state": progress.state,
        "pods": [asdict(line) for line in progress.lines],
        "notes": list(progress.notes),
    }


class _Still:
    """Nothing that moves, for a pipe."""

    def __enter__(self) -> "_Still":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to take away."""


def _tell_objects(progress: Progress, namespace: str, release: str, told: dict[Any, Any]) -> None:
    seen = {(line.component, line.pod): (line.state, line.what) for line in progress.lines}
    if seen != told or not seen:
        told.clear()
        told.update(seen)
        typer.echo(json.dumps(as_object(progress, namespace, release)))


def _tell_lines(progress: Progress, told: dict[tuple[str, str], tuple[str, str]], console: Console) -> None:
    for note in progress.notes:
        if told.get(("", note)) is None:
            told["", note] = ("", "")
            console.print(Text(note, "dim"), soft_wrap=True)
    for line in progress.lines:
        key, seen = (line.component, line.pod), (line.state, line.what)
        if told.get(key) != seen:
            told[key] = seen
            console.print(_sentence(line), soft_wrap=True)


def _sentence(line: Line) -> Text:
    name = line.pod or line.component
    return Text(f"{line.state:<9}", STYLES.get(line.state, "yellow")) + Text(f"{name}  {line.what}".rstrip())


def _table(progress: Progress) -> Group:
    from services.cli.status import duration

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("service", "state", "pod", "up", "restarts", "what"):
        number = heading in ("up", "restarts")
        table.add_column(heading, justify="right" if number else "left", no_wrap=heading != "what", overflow="fold")
    for line in progress.lines:
        table.add_row(
            line.component,
            Text(line.state, STYLES.get(line.state, "yellow")),
            # The name's end tells pods of one service apart.
            line.pod.rpartition(f"{line.component}-")[2] or line.pod or "-",
            duration(line.age_s),
            str(line.restarts) if line.pod else "-",
            Text(line.what),
        )
    return Group(table, *(Text(note, "dim") for note in progress.notes))
