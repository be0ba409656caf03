"""`ledge ingest`: files and folders into the collection, with progress, and what became of each."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from ledge.rag.v1 import rag_pb2 as pb
from ledge.rag.v1 import rag_pb2_grpc as rpc
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from services.cli.local.config import LocalRunConfig
from services.cli.rag_client import rag_service
from services.cli.terminal import one_line, open_console
from services.cli.upload import LocalDocument, Selection, Watch, select, upload
from services.kit.errors import InvalidInput

OUTCOMES = {
    pb.DocumentResult.STORED: ("stored", "green"),
    pb.DocumentResult.REPLACED: ("replaced", "green"),
    pb.DocumentResult.UNCHANGED: ("unchanged", "dim"),
    pb.DocumentResult.REJECTED: ("rejected", "red"),
}


def command(
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders with PDF, DOCX, HTML, Markdown and text.")],
    collection: Annotated[str, typer.Option(help="Where to put them; made when it is not there.")] = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print one object for a program, when all is done.")] = False,
) -> None:
    """Take documents in. What is there already, byte for byte, is not sent again; exit 1 if one was rejected."""
    selection = select(paths)
    if not selection.documents:
        raise InvalidInput(f"no documents there ({selection.passed_over} files of other kinds)")
    console = open_console(stderr=as_json)
    results = asyncio.run(_ingest(selection, collection, console, quiet=as_json))
    if as_json:
        typer.echo(json.dumps(outcomes_json(results), ensure_ascii=False, indent=1))
    else:
        console.print(summary(results), soft_wrap=True)
        if selection.passed_over:
            console.print(Text(f"{selection.passed_over} files of other kinds passed over", "dim"))
    if any(result.outcome == pb.DocumentResult.REJECTED for result in results):
        raise typer.Exit(1)


async def _ingest(selection: Selection, collection: str, console: Console, quiet: bool) -> list[pb.DocumentResult]:
    async with rag_service(LocalRunConfig.read()) as rag:
        return await upload_with_bars(rag, selection.documents, collection, console, quiet=quiet)


async def upload_with_bars(
    rag: "rpc.RagServiceAsyncStub",
    documents: list[LocalDocument],
    collection: str,
    console: Console,
    quiet: bool = False,
    only_changes: bool = False,
) -> list[pb.DocumentResult]:
    """An ingest with a bar over all documents and a line for each that is done (`only_changes`: each that is news)."""
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("documents", total=len(documents))

        def on_progress(progress: pb.IngestProgress) -> None:
            name = one_line(progress.name, 40)
            bar.update(task, description=f"[dim]{name}: {counted(progress.pages, 'page')}[/dim]")

        def on_result(result: pb.DocumentResult) -> None:
            bar.advance(task)
            if not quiet and not (only_changes and result.outcome == pb.DocumentResult.UNCHANGED):
                bar.console.print(_line(result), soft_wrap=True)

        return await upload(rag, documents, collection, Watch(on_progress=on_progress, on_result=on_result))


def _line(result: pb.DocumentResult) -> Text:
    word, style = OUTCOMES.get(result.outcome, ("?", "red"))
    name = one_line(result.name, 120)
    if result.outcome == pb.DocumentResult.REJECTED:
        return Text(f"{word:<9} ", style) + Text(f"{name}: {one_line(result.reason, 300)}")
    size = f"  {counted(result.pages, 'page')}, {counted(result.chunks, 'passage')}"
    return Text(f"{word:<9} ", style) + Text(name) + Text(size, "dim")


def summary(results: list[pb.DocumentResult]) -> str:
    """How many documents went which way."""
    outcomes = Counter(OUTCOMES.get(result.outcome, ("?", ""))[0] for result in results)
    parts = [f"{outcomes[word]} {word}" for word, _ in OUTCOMES.values() if outcomes[word]]
    return f"{counted(len(results), 'document')}: {', '.join(parts)}"


def counted(number: int, noun: str) -> str:
    """ "1 page", "2 pages"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def outcomes_json(results: list[pb.DocumentResult]) -> dict[str, Any]:
    """The results for a program: each document, and how many went which way."""
    return {
        "documents": [
            {
                "name": result.name,
                "outcome": OUTCOMES.get(result.outcome, ("?", ""))[0],
                "reason": result.reason,
                "pages": result.pages,
                "chunks": result.chunks,
            }
            for result in results
        ],
        **{word: sum(result.outcome == outcome for result in results) for outcome, (word, _) in OUTCOMES.items()},
    }
