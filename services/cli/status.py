"""`ledge status`: how each service is, asked now. Exit 0 when all are ready, else 1; of a release that is stuck 3."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.cli.local.config import LocalRunConfig
from services.cli.local.suite import ServiceStatus, Suite
from services.cli.local.supervisor import NotRunning
from services.cli.terminal import one_line, open_console
from services.kit.errors import InvalidInput

STYLES = {"ready": "green", "starting": "yellow", "restarting": "red", "given up": "red"}


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
    cluster: Annotated[bool, typer.Option("--cluster", help="Of a release in Kubernetes.")] = False,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="The release's.", show_default="kubectl's")
    ] = None,
    release: Annotated[str | None, typer.Option(help="Its name in Helm.", show_default="ledge")] = None,
    context: Annotated[str | None, typer.Option(help="Of the kubeconfig.", show_default="the current one")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on until all is ready.")] = False,
    timeout_s: Annotated[
        float | None, typer.Option(min=0, help="With --watch, the longest that it goes on.", show_default="no end")
    ] = None,
) -> None:
    """Show every service: state, uptime, restarts, memory, ports, model, and its last error.

    With --cluster every pod of a release: what it waits for, how far its models are, and why it is stuck. Exit 0: all
    are ready; 1: some are on their way; 3: one is stuck, and will not go on by itself.
    """
    if cluster:
        raise typer.Exit(_of_cluster(namespace, release or "ledge", context, watch, timeout_s, as_json))
    if namespace or release or context or watch or timeout_s is not None:
        raise InvalidInput("--namespace, --release, --context, --watch and --timeout-s go with --cluster")
    _of_local_run(as_json)


def _of_cluster(
    namespace: str | None, release: str, context: str | None, goes_on: bool, timeout_s: float | None, as_json: bool
) -> int:
    from services.cli.cluster.access import Cluster
    from services.cli.cluster.watching import show, watch

    reached = Cluster(namespace, context)
    return watch(reached, release, as_json, timeout_s) if goes_on else show(reached, release, as_json)


def _of_local_run(as_json: bool) -> None:
    suite = Suite(LocalRunConfig.read())
    try:
        statuses = suite.status()
    except NotRunning as error:
        if not as_json:
            raise
        typer.echo(json.dumps({"running": False, "message": error.message, "services": []}, indent=1))
        raise typer.Exit(1) from None
    all_ready = all(status.ready for status in statuses)
    if as_json:
        record = suite.state.record()
        body = {
            "running": True,
            "ready": all_ready,
            "profile": record.profile if record else None,
            "state_directory": str(suite.state.path),
            "services": [asdict(status) for status in statuses],
        }
        typer.echo(json.dumps(body, indent=1))
    else:
        _print(statuses, open_console())
    if not all_ready:
        raise typer.Exit(1)


def _print(statuses: list[ServiceStatus], console: Console) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("service", "state", "up", "restarts", "memory", "port", "ops", "runs"):
        number = heading not in ("service", "state", "runs")
        table.add_column(heading, justify="right" if number else "left", no_wrap=heading != "runs", overflow="fold")
    for status in statuses:
        table.add_row(
            status.name,
            Text(status.state, STYLES.get(status.state, "")),
            duration(status.uptime_s) if status.uptime_s is not None else "-",
            str(status.restarts),
            f"{status.memory_bytes / 2**20:.0f} MiB" if status.memory_bytes is not None else "-",
            status.address.rpartition(":")[2],
            status.ops_url.rpartition(":")[2],
            " · ".join(filter(None, [status.engine, status.model])),
        )
    console.print(table)
    known = [status.memory_bytes for status in statuses if status.memory_bytes is not None]
    console.print(f"{sum(known) / 2**20:.0f} MiB in all", style="dim")
    for status in statuses:
        if status.last_error:
            when = f" at {status.last_error_at}" if status.last_error_at else ""
            console.print(
                Text(f"last error of {status.name}{when}: ", "yellow") + Text(one_line(status.last_error, 300)),
                soft_wrap=True,
            )


def duration(seconds: float) -> str:
    """75 → "1 min", 7300 → "2 h"."""
    for unit_s, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit_s:
            return f"{seconds // unit_s:.0f} {unit}"
    return f"{seconds:.0f} s"
