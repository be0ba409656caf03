"""`ledge up`: from nothing to an answered question, with the suite left running.

MODELS ──► START ──────────────► DOCUMENTS ──► QUESTION ──► what next
fetched,   one process a service, the samples,  streamed,
verified   waited for             once          cited
Ctrl-C anywhere ends what this command has started, and only that. Run again, it repeats nothing.
"""

import asyncio
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from ledge.rag.v1 import rag_pb2 as pb
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from services.cli.answer import Answer, ask, print_sources, print_timings
from services.cli.connect import open_to
from services.cli.ingest import outcomes_json, summary, upload_with_bars
from services.cli.local.checks import check_disk, check_packages
from services.cli.local.config import LocalRunConfig
from services.cli.local.plan import RunPlan
from services.cli.local.suite import Started, Suite
from services.cli.local.tls import gateway_scheme
from services.cli.models import bars
from services.cli.profile import open_profile
from services.cli.rag_client import rag_service
from services.cli.terminal import open_console, printable
from services.cli.upload import select
from services.kit.deploy import deploy_directory
from services.kit.errors import EngineFailed, InvalidInput
from services.kit.models import ModelStore
from services.kit.profiles import DEFAULT_PROFILE

SAMPLE_QUESTION = "How long is the probation period, and when are the reviews?"
COLLECTION = "default"


@dataclass
class Story:
    """What one `up` did, for `--json` and for the closing words."""

    ready_s: dict[str, float] = field(default_factory=dict)
    """Service → seconds from the start of the services until it was ready."""
    stages_s: dict[str, float] = field(default_factory=dict)
    documents: list[pb.DocumentResult] = field(default_factory=list)
    answer: Answer | None = None
    first_words_s: float | None = None
    """Seconds from the start of this process to the first words of the answer."""


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
    as_json: Annotated[bool, typer.Option("--json", help="Print one object for a program, when all is done.")] = False,
    cluster: Annotated[bool, typer.Option("--cluster", help="In Kubernetes, by Helm.")] = False,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="With --cluster.", show_default="kubectl's")
    ] = None,
    release: Annotated[str | None, typer.Option(help="With --cluster.", show_default="ledge")] = None,
    context: Annotated[str | None, typer.Option(help="With --cluster.", show_default="the current one")] = None,
    values: Annotated[list[Path] | None, typer.Option(help="With --cluster, values over the profile's.")] = None,
    chart: Annotated[Path | None, typer.Option(help="With --cluster.", show_default="helm/ledge")] = None,
    timeout_s: Annotated[float, typer.Option(min=1, help="With --cluster, how long it may take.")] = 900,
    connected: Annotated[bool, typer.Option("--connect/--no-connect", help="With --cluster, then connect.")] = True,
) -> None:
    """Start the suite, ingest the sample documents, ask one question; the suite is left running.

    With --cluster: install or upgrade the release, show how far it is until it is ready, and connect to it.
    """
    if cluster:
        if as_json or port_base is not None or not ingest:
            raise InvalidInput("--json, --port-base and --no-ingest do not go with --cluster")
        target = (namespace, release or "ledge", context)
        _install(target, profile or DEFAULT_PROFILE, values or [], chart, timeout_s)
        if connected:
            open_to(*target, gateway_port if gateway_port is not None else 8000, None)
        return
    if namespace or release or context or values or chart:
        raise InvalidInput("--namespace, --release, --context, --values and --chart go with --cluster")
    config = LocalRunConfig.read(profile=profile, port_base=port_base, gateway_port=gateway_port)
    console = open_console(stderr=as_json)
    _, plan, store = open_profile(config)
    suite = Suite(config)
    for check in (check_packages(plan), check_disk("disk", suite.state.path, "LEDGE_STATE_DIR")):
        if check.level == "failure":
            raise EngineFailed(check.sentence())
    for absent in plan.left_out:
        console.print(Text(f"{absent.name} is left out: ", "yellow") + Text(absent.advice), soft_wrap=True)
    story = Story()
    _fetch_models(store, plan, story, console)
    with suite.state.locked(lambda: console.print("waiting for another `ledge up` or `ledge down`")):
        started = Started()
        with _undone_if_interrupted(suite, started, console):
            _start(suite, plan, started, story, console)
            if ingest:
                asyncio.run(_show(config, bool(started.services), story, console))
    if as_json:
        typer.echo(json.dumps(_json(plan, started, story), ensure_ascii=False, indent=1))
        return
    if started.services:
        console.print(f"\n[bold]The suite is running[/bold] [dim](this took {age_s():.1f} s)[/dim]")
    else:
        console.print("\n[bold]The suite was running already[/bold]")
    if config.is_exposed and not any(os.environ.get(f"LEDGE_API_KEYS{ending}") for ending in ("", "_FILE")):
        console.print(
            Text(f"It listens on {config.host} and asks for no key: whoever reaches that may call. ", "yellow")
            + Text("Set LEDGE_API_KEYS to require one."),
            soft_wrap=True,
        )
    _next_steps(config, plan, console)


def _install(
    target: tuple[str | None, str, str | None], profile: str, values: list[Path], chart: Path | None, timeout_s: float
) -> None:
    from services.cli.cluster.access import Cluster
    from services.cli.cluster.installing import install

    namespace, release, context = target
    install(Cluster(namespace, context), release, context, profile, values, chart, timeout_s, open_console())


def age_s() -> float:
    """Seconds since this process began, its imports included."""
    return time.time() - psutil.Process().create_time()


@contextmanager
def _stage(name: str, story: Story, console: Console) -> Iterator[None]:
    began_s = time.monotonic()
    console.print(Text(name, "bold"))
    yield
    story.stages_s[name] = time.monotonic() - began_s
    console.print(Text(f"  {name} took {story.stages_s[name]:.1f} s", "dim"))


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


def _fetch_models(store: ModelStore, plan: RunPlan, story: Story, console: Console) -> None:
    wanted = list(dict.fromkeys(service.model for service in plan.services if service.model))
    missing = [model for model in wanted if store.state(model) != "ready"]
    if not missing:
        console.print(Text("models", "bold") + Text(f" {', '.join(wanted) or 'none needed'}: ready"))
        return
    with _stage("models", story, console):
        console.print(f"  fetching {', '.join(missing)}")
        with bars(quiet=False) as watch:
            for model in missing:
                store.require(model, watch)
        console.print(f"  {', '.join(wanted)}: fetched and verified, in {store.directory}", soft_wrap=True)


def _start(suite: Suite, plan: RunPlan, started: Started, story: Story, console: Console) -> None:
    """Raises LedgeError after stopping what it started."""
    waiting = [service.name for service in plan.services]
    try:
        with _stage("services", story, console):
            suite.start(plan, started)
            if started.cleared:
                console.print(f"  ended {started.cleared} processes that an earlier run had left behind")
            if not console.is_terminal:
                console.print(f"  {_waiting_for(waiting)}")
            columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
            with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as spinner:
                task = spinner.add_task(_waiting_for(waiting), total=None)

                def on_ready(name: str, elapsed_s: float) -> None:
                    waiting.remove(name)
                    story.ready_s[name] = elapsed_s
                    console.print(Text("  ready  ", "green") + Text(f"{name} ({elapsed_s:.1f} s)"))
                    spinner.update(task, description=_waiting_for(waiting))

                asyncio.run(suite.wait_until_ready(plan, started, on_ready))
    except Exception:
        suite.undo(started)
        raise


def _waiting_for(names: list[str]) -> str:
    return f"waiting for {', '.join(names)}"


async def _show(config: LocalRunConfig, is_fresh: bool, story: Story, console: Console) -> None:
    """The sample documents, and one question about them. A run that was there before is not asked again."""
    documents = select([deploy_directory() / "samples" / "documents"]).documents
    async with rag_service(config) as rag:
        with _stage("documents", story, console):
            story.documents = await upload_with_bars(rag, documents, COLLECTION, console, only_changes=True)
            console.print(f"  {summary(story.documents)}")
        news = (pb.DocumentResult.STORED, pb.DocumentResult.REPLACED)
        if not is_fresh and not any(result.outcome in news for result in story.documents):
            return
        with _stage("question", story, console):
            console.print(Text(f"\n  {SAMPLE_QUESTION}\n", "italic"))

            def on_text(text: str) -> None:
                if story.first_words_s is None:
                    story.first_words_s = age_s()
                console.out(printable(text), end="", highlight=False)

            story.answer = await ask(rag, pb.AnswerRequest(question=SAMPLE_QUESTION), on_text)
            console.print()
            print_sources(story.answer, console)
            print_timings(story.answer, console)


def _json(plan: RunPlan, started: Started, story: Story) -> dict[str, Any]:
    return {
        "profile": plan.profile,
        "started": started.services,
        "ready_s": {name: round(elapsed_s, 2) for name, elapsed_s in story.ready_s.items()},
        "stages_s": {name: round(elapsed_s, 2) for name, elapsed_s in story.stages_s.items()},
        "documents": outcomes_json(story.documents),
        "question": SAMPLE_QUESTION if story.answer else None,
        "answer": story.answer.to_json() if story.answer else None,
        "first_words_s": round(story.first_words_s, 2) if story.first_words_s is not None else None,
        "addresses": {service.name: service.address for service in plan.services},
        "left_out": {absent.name: list(absent.packages) for absent in plan.left_out},
    }


def _next_steps(config: LocalRunConfig, plan: RunPlan, console: Console) -> None:
    ledge = _as_invoked()
    api = f"{gateway_scheme()}://{config.address('gateway')}/v1"
    steps = [
        *_page(config, {service.name for service in plan.services}),
        (f'{ledge} ask "When was Lammas Treatment Works opened?"', "ask the sample documents"),
        (f"{ledge} ingest --collection mine FOLDER", "take in your own"),
        (f'{ledge} ask --collection mine "…"', "and ask them"),
        (f"{ledge} status", "how each service is; also logs, doctor, bench"),
        *_spoken(ledge, {service.name for service in plan.services}),
        (f"OPENAI_BASE_URL={api}", "for any OpenAI client: model ledge-rag answers from the documents"),
        (f"{ledge} down", "stop; what was ingested stays"),
    ]
    console.print("Try next:")
    for line, meaning in steps:
        console.print(Text(f"  {line}") + Text(f"   # {meaning}", "dim"), soft_wrap=True)


def _page(config: LocalRunConfig, running: set[str]) -> Iterator[tuple[str, str]]:
    if {"gateway", "voice"} <= running:
        yield f"{gateway_scheme()}://{config.address('gateway')}/", "open this in a browser, and talk"


def _spoken(ledge: str, running: set[str]) -> Iterator[tuple[str, str]]:
    if "tts" in running:
        yield f'{ledge} say -o hello.wav "The pump is running."', "speak"
    if "asr" in running:
        yield f"{ledge} transcribe hello.wav", "and write down what was said"
    if "translation" in running:
        yield f'{ledge} translate --to es "Open the window, please."', "say it in Spanish"


def _as_invoked() -> str:
    """How this program can be called from here."""
    path = Path(sys.executable).parent / "ledge"
    if not path.is_file() or any(Path(folder) == path.parent for folder in os.get_exec_path()):
        return "ledge"
    relative = os.path.relpath(path)
    return shlex.quote(str(path) if relative.startswith("..") else relative)
