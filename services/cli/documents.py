"""`ledge documents`: what has been taken in, and how it is taken out again."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import grpc
import typer
from google.protobuf.json_format import MessageToDict
from ledge.rag.v1 import rag_pb2 as pb
from ledge.rag.v1 import rag_pb2_grpc as rpc
from rich.table import Table
from rich.text import Text

from services.cli.ingest import counted
from services.cli.local.config import LocalRunConfig
from services.cli.rag_client import rag_service
from services.cli.terminal import one_line, open_console
from services.kit.models.disk import readable

app = typer.Typer(no_args_is_help=True, help="List documents and delete them.")

PAGE = 1000
CollectionOption = Annotated[str, typer.Option("--collection", help="Where they are.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]


@app.command("list")
def list_documents(collection: CollectionOption = "default", as_json: AsJson = False) -> None:
    """Every document of a collection: pages, passages, size, and when it was taken in."""
    asyncio.run(_list(collection, as_json))


@app.command()
def delete(
    names: Annotated[list[str], typer.Argument(help="Documents, called as `documents list` calls them.")],
    collection: CollectionOption = "default",
    as_json: AsJson = False,
) -> None:
    """Delete documents and all their passages. Exit 1 if one was not there; the others are deleted."""
    deleted, missing = asyncio.run(_delete(collection, list(dict.fromkeys(names))))
    if as_json:
        typer.echo(json.dumps({"deleted": deleted, "missing": missing}, ensure_ascii=False, indent=1))
    else:
        console = open_console()
        for document in deleted:
            told = f"deleted   {one_line(document['name'], 120)}  {counted(document['chunks'], 'passage')}"
            console.print(told, soft_wrap=True, markup=False)
    if missing:
        if not as_json:
            typer.echo(f"ledge: not in the collection {collection!r}: {', '.join(missing)}", err=True)
        raise typer.Exit(1)


async def _list(collection: str, as_json: bool) -> None:
    async with rag_service(LocalRunConfig.read()) as rag:
        documents = [document async for document in _documents(rag, collection)]
    if as_json:
        typer.echo(json.dumps([_document_json(document) for document in documents], ensure_ascii=False, indent=1))
        return
    console = open_console()
    if documents:
        table = Table(box=None, padding=(0, 2, 0, 0))
        for heading in ("document", "pages", "passages", "size", "taken in"):
            number = heading in ("pages", "passages", "size")
            table.add_column(heading, justify="right" if number else "left", overflow="fold", no_wrap=number)
        for document in documents:
            table.add_row(
                Text(one_line(document.name, 200)),
                str(document.pages),
                str(document.chunks),
                readable(document.size_bytes),
                document.ingested_at,
            )
        console.print(table)
    console.print(f"{counted(len(documents), 'document')} in {collection}", style="dim", markup=False)


async def _documents(rag: "rpc.RagServiceAsyncStub", collection: str) -> AsyncIterator[pb.Document]:
    request = pb.ListDocumentsRequest(collection=collection, limit=PAGE)
    while True:
        response = await rag.ListDocuments(request)
        for document in response.documents:
            yield document
        if not response.next_page_token:
            return
        request.page_token = response.next_page_token


def _document_json(document: pb.Document) -> dict[str, Any]:
    return {
        "name": document.name,
        "media_type": document.media_type,
        "sha256": document.sha256.hex(),
        "size_bytes": document.size_bytes,
        "pages": document.pages,
        "chunks": document.chunks,
        "ingested_at": document.ingested_at,
        "metadata": MessageToDict(document.metadata),
    }


async def _delete(collection: str, names: list[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """What was deleted, and the names that were not there."""
    deleted: list[dict[str, Any]] = []
    missing: list[str] = []
    async with rag_service(LocalRunConfig.read()) as rag:
        # An unknown collection fails as one, not as so many unknown documents.
        await rag.ListDocuments(pb.ListDocumentsRequest(collection=collection, limit=1))
        for name in names:
            try:
                response = await rag.DeleteDocument(pb.DeleteDocumentRequest(collection=collection, name=name))
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.NOT_FOUND:
                    raise
                missing.append(name)
            else:
                deleted.append({"name": name, "chunks": response.chunks})
    return deleted, missing
