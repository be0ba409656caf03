"""`ledge voices`: who can speak."""

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated

import typer
from ledge.tts.v1 import tts_pb2 as pb
from ledge.tts.v1 import tts_pb2_grpc as rpc
from rich.table import Table

from services.cli.local.config import LocalRunConfig
from services.cli.service_channel import service_channel
from services.cli.terminal import open_console


def command(
    language: Annotated[str, typer.Option(help="BCP-47; en is any English.", show_default="all")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
    address: Annotated[str | None, typer.Option(help="Of the tts service.", show_default="the suite's")] = None,
) -> None:
    """The voices of the suite, with their languages and licences."""
    voices = asyncio.run(_voices(language, address))
    if as_json:
        typer.echo(json.dumps([_to_json(voice) for voice in voices], indent=1))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("voice", "language", "gender", "licence", "sample rate", ""):
        table.add_column(column)
    for voice in voices:
        rate = f"{voice.sample_rate_hz} Hz"
        default = "speaks by default" if voice.default_of_language else ""
        table.add_row(voice.id, voice.language, _gender(voice), voice.licence, rate, default)
    open_console().print(table)


async def _voices(language: str, address: str | None) -> Sequence[pb.Voice]:
    async with service_channel("tts", pb.DESCRIPTOR, LocalRunConfig.read(), address) as channel:
        response = await rpc.TtsServiceStub(channel).ListVoices(pb.ListVoicesRequest(language=language))
        return list(response.voices)


def _gender(voice: pb.Voice) -> str:
    return pb.Voice.Gender.Name(voice.gender).lower() if voice.gender else ""


def _to_json(voice: pb.Voice) -> dict[str, object]:
    return {
        "id": voice.id,
        "language": voice.language,
        "gender": _gender(voice),
        "licence": voice.licence,
        "sample_rate_hz": voice.sample_rate_hz,
        "default_of_language": voice.default_of_language,
    }
