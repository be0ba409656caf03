"""`ledge translate`: text of one language into another, of the arguments or of standard input."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer
from ledge.translation.v1 import translation_pb2 as pb
from ledge.translation.v1 import translation_pb2_grpc as rpc

from services.cli.local.config import LocalRunConfig
from services.cli.service_channel import service_channel
from services.kit.errors import InvalidInput

TEXT_CHARACTERS = 20_000
TEXTS = 64
"""Of a request: what the service takes at a time in less than a minute."""


def command(
    text: Annotated[list[str] | None, typer.Argument(help="What to translate; none: standard input.")] = None,
    target: Annotated[str, typer.Option("--to", help="Language to translate to, BCP-47.", show_default=False)] = ...,  # type: ignore[assignment]
    source: Annotated[
        str, typer.Option("--from", help="Language of the text, BCP-47.", show_default="what it seems to be")
    ] = "",
    keep: Annotated[
        list[str] | None, typer.Option(help="A term that stays as it is, or TERM=WHAT STANDS THERE; repeatable.")
    ] = None,
    model: Annotated[str, typer.Option(help="Id of the model.", show_default="one that has the pair")] = "",
    address: Annotated[str | None, typer.Option(help="Of the translation service.", show_default="the suite's")] = None,
) -> None:
    """Translate a text, or a file: `ledge translate --from en --to es < letter.txt`. Line breaks stay as they are."""
    if not text and sys.stdin.isatty():
        raise InvalidInput("say what to translate: `ledge translate --to es TEXT`, or a pipe")
    whole = " ".join(text) if text else sys.stdin.buffer.read().decode(errors="replace")
    request = pb.TranslateRequest(model=model, source_language=source, target_language=target)
    for term in keep or ():
        name, _, instead = term.partition("=")
        request.protected_terms.add(term=name, translation=instead)
    asyncio.run(_translate(list(_pieces(whole)), request, address, end="" if whole.endswith("\n") else "\n"))


async def _translate(pieces: Sequence[str], asked: pb.TranslateRequest, address: str | None, end: str) -> None:
    """Printed as it comes; the language is that of the beginning."""
    async with service_channel("translation", pb.DESCRIPTOR, LocalRunConfig.read(), address) as channel:
        stub = rpc.TranslationServiceStub(channel)
        for start in range(0, len(pieces), TEXTS):
            request = pb.TranslateRequest()
            request.CopyFrom(asked)
            request.texts.extend(pieces[start : start + TEXTS])
            response = await stub.Translate(request)
            sys.stdout.write("".join(translation.text for translation in response.translations))
            sys.stdout.flush()
            if not asked.source_language:
                found = (translation.source_language for translation in response.translations)
                asked.source_language = next(filter(None, found), "")
    sys.stdout.write(end)


def _pieces(text: str) -> Iterator[str]:
    """Whole paragraphs where they fit, else lines, else what fits; nothing is lost in between."""
    start = 0
    while start < len(text):
        end = start + TEXT_CHARACTERS
        if end < len(text):
            ends = (text.rfind(mark, start + 1, end) + len(mark) for mark in ("\n\n", "\n", ". ", " "))
            end = next((found for found in ends if found > start + 2), end)
        yield text[start:end]
        start = end
