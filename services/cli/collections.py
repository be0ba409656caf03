"""`ledge collections`: which there are, what is in them, how one is removed, and how one is moved to another store."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from ledge.rag.v1 import rag_pb2 as pb
from rich.console import Console
from rich.table import Table

from services.cli.local.config import LocalRunConfig
from services.cli.rag_client import rag_service
from services.cli.service_channel import service_channel
from services.cli.terminal import open_console

if TYPE_CHECKING:
    from services.cli.moving.exporting import Tell
    from services.cli.moving.folder import Manifest
    from services.cli.moving.importing import Imported

TELL_EVERY_S = 2.0
app = typer.Typer(
    no_args_is_help=True, help="List collections of documents, delete them, and move them to another store."
)

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


@app.command()
def export(
    name: Annotated[str, typer.Argument(help="The collection.")],
    folder: Annotated[Path, typer.Argument(help="A folder that is not there yet, or that an export was cut off in.")],
    as_json: AsJson = False,
) -> None:
    """Write a collection into a folder: documents, passages, vectors. Cut off, the same call goes on where it was."""
    manifest = asyncio.run(_export(name, folder, open_console(stderr=True)))
    found = {
        "collection": manifest.collection,
        "model": manifest.model,
        **{part: asdict(told) for part, told in manifest.parts.items()},
    }
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    chunks, documents = manifest.parts["chunks"], manifest.parts["documents"]
    console = open_console()
    console.print(f"exported  {manifest.collection}: {documents.points} records of documents, {chunks.points} passages")
    for part, told in manifest.parts.items():
        console.print(f"          {part}.points  {told.bytes} bytes  sha256 {told.sha256}", soft_wrap=True)


@app.command("import")
def import_collection(
    folder: Annotated[Path, typer.Argument(help="What `ledge collections export` wrote.")],
    name: Annotated[str | None, typer.Option("--as", help="Another name.", show_default="the one it had")] = None,
    as_json: AsJson = False,
) -> None:
    """Put an exported collection into the store, and read all of it back. Cut off, the same call goes on."""
    done = asyncio.run(_import(name, folder, open_console(stderr=True)))
    if as_json:
        typer.echo(json.dumps(asdict(done), indent=1))
        return
    open_console().print(
        f"imported  {done.collection}: {done.documents} records of documents, {done.chunks} passages; "
        "read back and the same",
        soft_wrap=True,
    )


async def _export(name: str, folder: Path, console: Console) -> "Manifest":
    from services.cli.moving.exporting import export
    from services.rag.collections import collection

    async with _stores() as (retrieval, embedding):
        return await export(retrieval, embedding, collection(name), folder, _teller(console))


async def _import(name: str | None, folder: Path, console: Console) -> "Imported":
    from services.cli.moving.importing import import_
    from services.rag.collections import collection

    target = collection(name) if name is not None else None
    async with _stores() as (retrieval, embedding):
        return await import_(retrieval, embedding, target, folder, _teller(console))


@asynccontextmanager
async def _stores() -> AsyncIterator[tuple[Any, Any]]:
    """Stubs of `retrieval` and `embedding` of the running suite, or of LEDGE_RETRIEVAL_ADDRESS and the other."""
    from ledge.embedding.v1 import embedding_pb2, embedding_pb2_grpc
    from ledge.retrieval.v1 import retrieval_pb2, retrieval_pb2_grpc

    config = LocalRunConfig.read()
    async with (
        service_channel("retrieval", retrieval_pb2.DESCRIPTOR, config) as retrieval,
        service_channel("embedding", embedding_pb2.DESCRIPTOR, config) as embedding,
    ):
        yield (
            retrieval_pb2_grpc.RetrievalServiceStub(retrieval),
            embedding_pb2_grpc.EmbeddingServiceStub(embedding),
        )


def _teller(console: Console) -> "Tell":
    """Tells how far a move is, no more than every two seconds."""
    told_s = time.monotonic()

    def tell(part: str, done: int, total: int) -> None:
        nonlocal told_s
        if time.monotonic() - told_s >= TELL_EVERY_S:
            told_s = time.monotonic()
            console.print(f"{part}: {done} of {total}")

    return tell


async def _list() -> list[pb.Collection]:
    async with rag_service(LocalRunConfig.read()) as rag:
        return list((await rag.ListCollections(pb.ListCollectionsRequest())).collections)


async def _delete(name: str) -> None:
    async with rag_service(LocalRunConfig.read()) as rag:
        await rag.DeleteCollection(pb.DeleteCollectionRequest(name=name))
