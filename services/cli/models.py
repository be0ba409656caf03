"""`ledge models`: what there is, what is here, and how it gets here. Exit 0: done; 1: failed; 2: wrongly asked."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TransferSpeedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from services.cli.models_waiting import wait_for_models
from services.cli.progress_lines import progress_lines
from services.kit.errors import LedgeError
from services.kit.models import CatalogEntry, ModelStore, Progress, Watch, bundle, import_bundle
from services.kit.models.disk import readable
from services.kit.profiles import Profile

app = typer.Typer(no_args_is_help=True, help="Fetch, check and carry the models of the catalogue.")

Ids = Annotated[list[str] | None, typer.Argument(help="Model ids; none: those of the profile.", show_default=False)]
ProfileName = Annotated[
    str | None,
    typer.Option("--profile", help="The models of this profile.", show_default="LEDGE_PROFILE, embedded-cpu"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """What the catalogue has: licence, commercial use, size, and whether it is here; --json tells all."""
    with _failures_told():
        store = ModelStore.from_environment()
        statuses = store.list()
    if as_json:
        _print_json([status.entry.model_dump() | {"state": status.state} for status in statuses])
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("model", "for", "licence", "commercial", "size", "state"):
        table.add_column(heading, no_wrap=heading != "for")
    for status in statuses:
        entry = status.entry
        table.add_row(
            entry.id,
            ", ".join(entry.tasks),
            entry.licence,
            "yes" if entry.commercial_use else "[red]no[/red]",
            "unpinned" if entry.unpinned else readable(entry.size_bytes),
            {"ready": "[green]ready[/green]"}.get(status.state, status.state),
        )
    console = _console()
    console.print(table)
    console.print(f"in {store.directory}", style="dim", highlight=False, soft_wrap=True)


@app.command()
def pull(
    ids: Ids = None,
    profile: ProfileName = None,
    pin: Annotated[
        bool, typer.Option("--pin", help="Fix those that ship without sums to what the hub tells now.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch models and verify them. What is here already is not fetched again; what was cut short goes on."""
    with _failures_told(), bars(as_json) as watch:
        store = ModelStore.from_environment()
        chosen = _chosen(store, ids, profile)
        unpinned = [id for id in chosen if store.catalog.entry(id).unpinned] if pin else []
        for id in unpinned:
            store.pin(id)
        if unpinned:
            store = ModelStore.from_environment()
        done = [(store.catalog.entry(id), store.pull(id, watch)) for id in chosen]
    _print_ready(done, as_json)


@app.command()
def wait(
    ids: Annotated[list[str], typer.Argument(help="Model ids.", show_default=False)],
    for_s: Annotated[
        float | None,
        typer.Option("--for-s", min=0, help="How long; 0 only looks.", show_default="until they are there"),
    ] = None,
) -> None:
    """Wait until models are here, whoever brings them, and tell how far they are."""
    with _failures_told():
        wait_for_models(list(dict.fromkeys(ids)), for_s, lambda line: typer.echo(line, err=True))


@app.command("pin")
def pin_models(
    ids: Annotated[list[str], typer.Argument(help="Model ids.", show_default=False)], as_json: AsJson = False
) -> None:
    """Fix models that ship without sums to a revision and its sums, as the hub tells them now; then they can be had."""
    with _failures_told():
        store = ModelStore.from_environment()
        pinned = [store.pin(store.catalog.entry(id).id) for id in ids]
    if as_json:
        _print_json([entry.model_dump() for entry in pinned])
        return
    for entry in pinned:
        told = f"{len(entry.files)} files, {readable(entry.size_bytes)}, {entry.sources[0]}"
        _console().print(f"[green]pinned[/green]  {entry.id}: {told}", soft_wrap=True, highlight=False)


@app.command()
def verify(ids: Ids = None, profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Read every byte of models again. A file that is wrong is not offered to services until it was pulled anew."""
    with _failures_told(), bars(as_json) as watch:
        store = ModelStore.from_environment()
        faults = {id: list(store.verify(id, watch)) for id in _chosen(store, ids, profile)}
    if as_json:
        _print_json([{"id": id, "intact": not found, "faults": found} for id, found in faults.items()])
    else:
        for id, found in faults.items():
            told = f"{'; '.join(found)} (repair: ledge models pull {id})" if found else ""
            _console().print(
                f"[red]damaged[/red]  {id}: {told}" if found else f"[green]intact[/green]  {id}", soft_wrap=True
            )
    if any(faults.values()):
        raise typer.Exit(1)


@app.command("bundle")
def bundle_models(
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.", dir_okay=False)],
    ids: Ids = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Put models that are here into one file, for a machine without a connection."""
    with _failures_told(), bars(as_json) as watch:
        store = ModelStore.from_environment()
        manifest = bundle(store, _chosen(store, ids, profile), output, watch)
    if as_json:
        _print_json({"path": str(output)} | manifest.model_dump())
    else:
        held = ", ".join(f"{model.id} ({model.licence})" for model in manifest.models)
        _console().print(f"{output}  {readable(output.stat().st_size)}: {held}", soft_wrap=True, highlight=False)


@app.command("import")
def import_models(
    file: Annotated[Path, typer.Argument(help="A file that `ledge models bundle` wrote.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Take in the models of a bundle, after every byte of it was checked against the catalogue here."""
    with _failures_told(), bars(as_json) as watch:
        store = ModelStore.from_environment()
        models = import_bundle(store, file, watch).models
        done = [(store.catalog.entry(model.id), store.path(model.id)) for model in models]
    _print_ready(done, as_json)


@app.command()
def remove(ids: Annotated[list[str], typer.Argument(help="Model ids.", show_default=False)]) -> None:
    """Take models out of the store."""
    with _failures_told():
        store = ModelStore.from_environment()
        for id in ids:
            store.remove(id)


def _chosen(store: ModelStore, ids: list[str] | None, profile: str | None) -> list[str]:
    """The ids given, all known before the first is worked on; else those of the profile."""
    if ids and profile:
        raise typer.BadParameter("give model ids or --profile, not both")
    if ids:
        return [store.catalog.entry(id).id for id in dict.fromkeys(ids)]
    if profile:
        return list(Profile.load(profile, store.catalog).models)
    return list(Profile.from_environment(store.catalog).models)


@contextmanager
def _failures_told() -> Iterator[None]:
    """One line on standard error and the exit code; SIGTERM cleans up as Ctrl-C does."""

    def stop(signum: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except LedgeError as error:
        _fail(error.message, 1)
    except ValidationError as error:
        _fail("; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()), 2)
    except KeyboardInterrupt:
        _fail("stopped; the same command goes on where this one was", 130)
    finally:
        signal.signal(signal.SIGTERM, before)


def _fail(message: str, code: int) -> NoReturn:
    typer.secho(f"ledge models: {message}", err=True)
    raise typer.Exit(code) from None


@contextmanager
def bars(quiet: bool) -> Iterator[Watch]:
    """One bar a model and stage, on standard error so that standard output stays for the result; lines in a log."""
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    if not quiet and not console.is_terminal:
        yield progress_lines(lambda line: typer.echo(line, err=True))
        return
    with Bars(*columns, console=console, disable=quiet) as display:
        tasks: dict[tuple[str, str], TaskID] = {}
        files: dict[TaskID, dict[str, Progress]] = {}

        def watch(progress: Progress) -> None:
            key = (progress.model, progress.stage)
            if key not in tasks:
                tasks[key] = display.add_task(f"{progress.model} [dim]{progress.stage}[/dim]", total=None)
            seen = files.setdefault(tasks[key], {})
            seen[progress.file] = progress
            total_bytes = sum(file.total_bytes or 0 for file in seen.values())
            done_bytes = sum(file.done_bytes for file in seen.values())
            display.update(tasks[key], completed=done_bytes, total=total_bytes or None)

        yield watch


def _print_ready(models: list[tuple[CatalogEntry, Path]], as_json: bool) -> None:
    if as_json:
        _print_json(
            [
                {"id": entry.id, "path": folder, "licence": entry.licence, "commercial_use": entry.commercial_use}
                for entry, folder in models
            ]
        )
        return
    for entry, folder in models:
        terms = entry.licence if entry.commercial_use else f"{entry.licence}, [red]not for commercial use[/red]"
        _console().print(f"[green]ready[/green]  {entry.id} ({terms})  [dim]{folder}[/dim]", soft_wrap=True)


def _console() -> Console:
    return Console(file=sys.stdout)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1, default=str))
