"""`ledge up`: from nothing to an answered question, with the suite left running.

MODELS ──► START ──────────────► DOCUMENTS ──► QUESTION ──► what next
fetched,   one process a service, the samples,  streamed,
verified   waited for             once          cited
Ctrl-C anywhere ends what this command has started, and only that. Run again, it repeats nothing.
"""

import asyncio
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from ledge.rag.v1 import rag_pb2 as pb
from rich.console import Console
from rich.text import Text

from services.cli.answer import ask, print_sources, print_timings
from services.cli.ask import write_text
from services.cli.ingest import summary, upload_with_bars
from services.cli.local.checks import check_disk, check_packages
from services.cli.local.config import LocalRunConfig
from services.cli.local.plan import RunPlan
from services.cli.local.suite import Started, Suite
from services.cli.models import bars
from services.cli.profile import open_profile
from services.cli.rag_client import rag_service
from services.cli.terminal import open_console
from services.cli.upload import select
from services.kit.deploy import deploy_directory
from services.kit.errors import EngineFailed
from services.kit.models import ModelStore

SAMPLE_QUESTION = "How quickly does a Class 2 alarm have to be acknowledged?"
COLLECTION = "default"


def command(
    profile: Annotated[
        str | None, typer.Option(help="A shipped profile, or the path of your own.", show_default="embedded-cpu")
    ] = None,
    ingest: Annotated[bool, typer.Option(help="Take in the sample documents and ask one sample question.")] = True,
    port_base: Annotated[
        int | None, typer.Option(help="gRPC port of the first service.", show_default="LEDGE_PORT_BASE, 50101")
    ] = None,
    gateway_port: Annotated[
        int | None, typer.Option(help="HTTP port of the gateway.", show_default="LEDGE_GATEWAY_PORT, 8000")
    ] = None,
) -> None:
    """Start the suite, ingest the sample documents, ask one question; the suite is left running."""
    config = LocalRunConfig.read(profile=profile, port_base=port_base, gateway_port=gateway_port)
    console = open_console()
    _, plan, store = open_profile(config)
    suite = Suite(config)
    for check in (check_packages(plan), check_disk("disk", suite.state.path, "LEDGE_STATE_DIR")):
        if check.level == "failure":
            raise EngineFailed(check.sentence())
    began_s = time.monotonic()
    _fetch_models(store, plan, console)
    with suite.state.locked(lambda: console.print("waiting for another `ledge up` or `ledge down`")):
        started = Started()
        with _undone_if_interrupted(suite, started, console):
            _start(suite, plan, started, console)
            if ingest:
                asyncio.run(_show(config, bool(started.services), console))
    if started.services:
        console.print(f"\n[bold]The suite is running[/bold] [dim](this took {time.monotonic() - began_s:.1f} s)[/dim]")
    else:
        console.print("\n[bold]The suite was running already[/bold]")
    _next_steps(config, console)


@contextmanager
def _stage(name: str, console: Console) -> Iterator[None]:
    began_s = time.monotonic()
    console.print(Text(name, "bold"))
    yield
    console.print(Text(f"  {name} took {time.monotonic() - began_s:.1f} s", "dim"))


@contextmanager
def _undone_if_interrupted(suite: Suite, started: Started, console: Console) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        console.print("\nstopping what was started …")
        suite.undo(started)
        raise


def _fetch_models(store: ModelStore, plan: RunPlan, console: Console) -> None:
    wanted = list(dict.fromkeys(service.model for service in plan.services if service.model))
    missing = [model for model in wanted if store.state(model) != "ready"]
    if not missing:
        console.print(Text("models", "bold") + Text(f" {', '.join(wanted) or 'none needed'}: ready"))
        return
    with _stage("models", console):
        with bars(quiet=False) as watch:
            for model in missing:
                store.require(model, watch)
        console.print(f"  {', '.join(wanted)}: fetched and verified, in {store.directory}", soft_wrap=True)


def _start(suite: Suite, plan: RunPlan, started: Started, console: Console) -> None:
    """Raises LedgeError after stopping what it started."""
    names = [service.name for service in plan.services]
    try:
        with _stage("services", console):
            suite.start(plan, started)
            if started.cleared:
                console.print(f"  ended {started.cleared} processes that an earlier run had left behind")
            waiting = list(names)
            if not console.is_terminal:
                console.print(f"  waiting for {', '.join(waiting)}")
            with console.status("") as status:
                status.update(_waiting_for(waiting))

                def on_ready(name: str, elapsed_s: float) -> None:
                    waiting.remove(name)
                    console.print(Text("  ready  ", "green") + Text(f"{name} ({elapsed_s:.1f} s)"))
                    status.update(_waiting_for(waiting))

                asyncio.run(suite.wait_until_ready(plan, started, on_ready))
    except Exception:
        suite.undo(started)
        raise


def _waiting_for(names: list[str]) -> str:
    return f"waiting for {', '.join(names)}"


async def _show(config: LocalRunConfig, is_fresh: bool, console: Console) -> None:
    """The sample documents, and one question about them. A run that was there before is not asked again."""
    documents = select([deploy_directory() / "samples" / "documents"]).documents
    async with rag_service(config) as rag:
        with _stage("documents", console):
            results = await upload_with_bars(rag, documents, COLLECTION, console, only_changes=True)
            console.print(f"  {summary(results)}")
        is_news = any(result.outcome in (pb.DocumentResult.STORED, pb.DocumentResult.REPLACED) for result in results)
        if not is_fresh and not is_news:
            return
        with _stage("question", console):
            console.print(Text(f"\n  {SAMPLE_QUESTION}\n", "italic"))
            answer = await ask(rag, pb.AnswerRequest(question=SAMPLE_QUESTION), write_text)
            console.print()
            print_sources(answer, console)
            print_timings(answer, console)


def _next_steps(config: LocalRunConfig, console: Console) -> None:
    ledge = _as_invoked()
    api = f"http://{config.address('gateway')}/v1"
    steps = [
        (f'{ledge} ask "What are farmers paid for sowing a cover crop?"', "ask the sample documents"),
        (f"{ledge} ingest --collection mine FOLDER", "take in your own"),
        (f'{ledge} ask --collection mine "…"', "and ask them"),
        (f"{ledge} status", "how each service is; also logs, doctor, bench"),
        (f"OPENAI_BASE_URL={api}", "for any OpenAI client: model ledge-rag answers from the documents"),
        (f"{ledge} down", "stop; what was ingested stays"),
    ]
    console.print("Try next:")
    for line, meaning in steps:
        console.print(Text(f"  {line}") + Text(f"   # {meaning}", "dim"), soft_wrap=True)


def _as_invoked() -> str:
    """How this program can be called from here."""
    path = Path(sys.argv[0])
    if not path.is_file() or any(Path(folder) == path.parent for folder in os.get_exec_path()):
        return "ledge"
    relative = os.path.relpath(path)
    return shlex.quote(str(path) if relative.startswith("..") else relative)
