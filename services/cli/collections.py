"""`ledge collections`: which there are, what is in them, and how one is removed."""

import asyncio
import json
from typing import Annotated

import typer
from ledge.rag.v1 import rag_pb2 as pb
from rich.table import Table

from services.cli.local.config import LocalRunConfig
from services.cli.rag_client import rag_service
from services.cli.terminal import open_console

app = typer.Typer(no_args_is_help=True, help="List collections of documents and delete them.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]


@app.command("list")
def list_collections(as_json: AsJson = False) -> None:
    """Every collection, with how many documents and passages it holds."""
    held = asyncio.run(_list())
    if as_json:
        found = [{"name": it.name, "documents": it.documents, "chunks": it.chunks} for it in held]
        typer.echo(json.dumps(found, indent=1))
        return
    console = open_console()
    if not held:
        console.print("no collections yet: `ledge ingest` makes them")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("collection")
    table.add_column("documents", justify="right")
    table.add_column("passages", justify="right")
    for it in held:
        table.add_row(it.name, str(it.documents), str(it.chunks))
    console.print(table)


@app.command()
def delete(
    name: Annotated[str, typer.Argument(help="The collection.")],
    as_json: AsJson = False,
) -> None:
    """Delete a collection with all its documents. There is no way back but to take them in again."""
    asyncio.run(_delete(name))
    if as_json:
        typer.echo(json.dumps({"deleted": name}))
    else:
        open_console().print(f"deleted   {name}", markup=False)


async def _list() -> list[pb.Collection]:
    async with rag_service(LocalRunConfig.read()) as rag:
        return list((await rag.ListCollections(pb.ListCollectionsRequest())).collections)


async def _delete(name: str) -> None:
    async with rag_service(LocalRunConfig.read()) as rag:
        await rag.DeleteCollection(pb.DeleteCollectionRequest(name=name))
