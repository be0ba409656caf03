"""`ledge search`: the passages that a question finds, without an answer."""

import asyncio
import json
from enum import StrEnum
from typing import Annotated

import typer
from ledge.rag.v1 import rag_pb2 as pb
from rich.text import Text

from services.cli.answer import passage_json, place, print_indented
from services.cli.local.config import LocalRunConfig
from services.cli.rag_client import rag_service
from services.cli.terminal import one_line, open_console

SHOWN_CHARACTERS = 300


class ModeChoice(StrEnum):
    """How passages are found and ordered."""

    dense = "dense"
    text = "text"
    hybrid = "hybrid"
    reranked = "hybrid_reranked"


def command(
    query: Annotated[list[str], typer.Argument(help="What to look for.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
    collection: Annotated[list[str] | None, typer.Option(help="Where to look; may be given more than once.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Passages to show.")] = 5,
    mode: Annotated[ModeChoice, typer.Option(help="How passages are found and ordered.")] = ModeChoice.reranked,
) -> None:
    """Find passages: retrieval and reranking only."""
    request = pb.SearchRequest(
        query=" ".join(query),
        collections=collection or (),
        limit=limit,
        mode=mode.value.upper(),
    )
    response = asyncio.run(_search(request))
    if as_json:
        found = {
            "passages": [passage_json(passage) for passage in response.passages],
            "degraded": list(response.degraded),
        }
        typer.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    console = open_console()
    for rank, passage in enumerate(response.passages, 1):
        heading = Text(f"{rank:>3}  ", "bold") + Text(place(passage), "cyan") + Text(f"  {passage.score:.3f}", "dim")
        console.print(heading, soft_wrap=True)
        print_indented(Text(one_line(passage.text, SHOWN_CHARACTERS)), console, indent=5)
    if not response.passages:
        console.print("nothing found")
    if response.degraded:
        console.print(Text(f"done without: {', '.join(response.degraded)}", "yellow"))


async def _search(request: pb.SearchRequest) -> pb.SearchResponse:
    async with rag_service(LocalRunConfig.read()) as rag:
        return await rag.Search(request)
