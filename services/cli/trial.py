"""`ledge try`: one real call to a service, and what came of it. Exit 0: it answered as it should; 1: it did not."""

import asyncio
import json
import time
from typing import Annotated

import typer
from rich.console import Console

from services.cli.local.config import LocalRunConfig
from services.cli.service_calls import CALLS
from services.kit.errors import InvalidInput, LedgeError, TooSlow


def command(
    service: Annotated[str, typer.Argument(help=f"One of {', '.join(CALLS)}.", show_default=False)],
    address: Annotated[str | None, typer.Option(help="Of the service.", show_default="the suite's")] = None,
    timeout_s: Annotated[float, typer.Option(min=0.1, help="How long the answer may take.")] = 60,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
) -> None:
    """Make one real call to a service and say what it answered."""
    if service not in CALLS:
        raise InvalidInput(f"there is no service {service!r}; there are {', '.join(CALLS)}")
    started_s = time.monotonic()
    told = asyncio.run(_called(service, address, timeout_s))
    elapsed_ms = round((time.monotonic() - started_s) * 1000)
    if as_json:
        typer.echo(json.dumps({"service": service, "answered": told, "elapsed_ms": elapsed_ms}, ensure_ascii=False))
    else:
        Console(highlight=False).print(f"[green]{service}[/green]  {told}  [dim]{elapsed_ms} ms[/dim]", soft_wrap=True)


async def _called(service: str, address: str | None, timeout_s: float) -> str:
    try:
        async with asyncio.timeout(timeout_s):
            return await CALLS[service](LocalRunConfig.read(), address)
    except TimeoutError:
        raise TooSlow(f"{service} did not answer within {timeout_s:g} s") from None
    except LedgeError as error:
        error.message = f"{service}: {error.message}"
        raise
