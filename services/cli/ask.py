"""`ledge ask`: a question answered from the documents, streamed, with its sources."""

import asyncio
import json
import sys
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from ledge.rag.v1 import rag_pb2 as pb
from rich.console import Console

from services.cli.answer import Answer, ask, print_marks, print_sources, print_step, print_timings
from services.cli.local.config import LocalRunConfig
from services.cli.rag_client import rag_service
from services.cli.terminal import open_console, printable
from services.kit.errors import InvalidInput


class EffortChoice(StrEnum):
    """How much work an answer may take."""

    fast = "fast"
    balanced = "balanced"
    thorough = "thorough"


class PolicyChoice(StrEnum):
    """Who words the answer."""

    quote = "quote"
    compose = "compose"


def command(
    question: Annotated[list[str], typer.Argument(help="The question, in quotes or not.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print one object for a program, when all is done.")] = False,
    collection: Annotated[list[str] | None, typer.Option(help="Where to look; may be given more than once.")] = None,
    effort: Annotated[EffortChoice | None, typer.Option(help="How much work an answer may take.")] = None,
    policy: Annotated[
        PolicyChoice | None, typer.Option(help="Quote the documents, or let the model compose.", show_default="model's")
    ] = None,
    bare: Annotated[
        bool,
        typer.Option("--bare", help="The answer alone, without sources and times: `ledge ask --bare … | ledge say`."),
    ] = False,
    trace: Annotated[bool, typer.Option("--trace", help="Print each step of the agent, when it is done.")] = False,
    history: Annotated[
        Path | None,
        typer.Option(help='Earlier turns, as JSON: ["a user turn", …] or [{"role": "user", "content": …}, …].'),
    ] = None,
) -> None:
    """Ask the documents. The answer streams; what its numbers stand for follows, then the time of each stage."""
    request = pb.AnswerRequest(
        question=" ".join(question),
        collections=collection or (),
        history=read_history(history) if history else (),
        effort=effort.name.upper() if effort else None,
        policy=policy.name.upper() if policy else None,
    )
    on_text = (lambda text: None) if as_json else write_text
    on_step = partial(print_step, Console(stderr=True, highlight=False)) if trace else (lambda step: None)
    answer = asyncio.run(_ask(request, on_text, on_step))
    if as_json:
        typer.echo(json.dumps(answer.to_json(), ensure_ascii=False, indent=1))
        return
    console = open_console()
    console.print()
    if bare:
        return
    print_marks(answer, console)
    print_sources(answer, console)
    print_timings(answer, console)


async def _ask(request: pb.AnswerRequest, on_text: Callable[[str], None], on_step: Callable[[pb.Step], None]) -> Answer:
    async with rag_service(LocalRunConfig.read()) as rag:
        return await ask(rag, request, on_text, on_step)


def write_text(text: str) -> None:
    """A piece of an answer, on standard output at once."""
    sys.stdout.write(printable(text))
    sys.stdout.flush()


def read_history(path: Path) -> list[pb.Turn]:
    """The earlier turns in a file. Raises InvalidInput for one that does not hold them."""
    form = 'a JSON list of user turns, or of {"role": "user" or "assistant", "content": …}'
    try:
        entries = json.loads(path.read_text())
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise InvalidInput(f"{path} is not {form}: {error}") from error
    if not isinstance(entries, list):
        raise InvalidInput(f"{path} is not {form}")
    return [_turn(entry, path, form) for entry in entries]


def _turn(entry: Any, path: Path, form: str) -> pb.Turn:
    if isinstance(entry, str):
        return pb.Turn(role=pb.Turn.USER, text=entry)
    roles = {"user": pb.Turn.USER, "assistant": pb.Turn.ASSISTANT}
    match entry:
        case {"role": str(role), "content": str(text)} if role in roles:
            return pb.Turn(role=roles[role], text=text)
    raise InvalidInput(f"{path} is not {form}")
