"""`ledge bench asr`: Whisper by many callers and many speakers, the default engine, and how soon a final comes."""

from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from services.cli.bench.counts import counts
from services.cli.bench.report import JsonFile, Report, Row
from services.kit.errors import InvalidInput


class PartChoice(StrEnum):
    """What is measured."""

    callers = "callers"
    gains = "gains"
    streams = "streams"
    default = "default"
    barge = "barge"
    all = "all"


def command(
    shapes: Annotated[str, typer.Option(help="Shapes of Whisper, comma-separated.")] = "tiny,base",
    callers: Annotated[str, typer.Option(help="How many call at a time, comma-separated.")] = "1,4,8,16",
    utterances: Annotated[int, typer.Option(min=1, help="Utterances that each caller has heard, a round.")] = 4,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds, ours and the baseline's in turn.")] = 3,
    streams: Annotated[str, typer.Option(help="How many speak at a time, comma-separated.")] = "4,8,12,16,24,32,48",
    spoken: Annotated[int, typer.Option(min=1, help="Utterances of 5 s that each of them says.")] = 3,
    part: Annotated[PartChoice, typer.Option(help="What is measured.")] = PartChoice.all,
    json_file: JsonFile = None,
) -> None:
    """Whisper by many callers and speakers beside wyoming-faster-whisper; the default engine beside its library."""
    # Here, because the other benches are read where no asr engine is installed.
    from services.cli.bench.asr_callers import caller_rows, gain_rows
    from services.cli.bench.asr_default import default_rows
    from services.cli.bench.asr_streams import barge_rows, stream_rows
    from services.cli.bench.random_whisper import SHAPES

    chosen = shapes.split(",")
    if unknown := [shape for shape in chosen if shape not in SHAPES]:
        raise InvalidInput(f"--shapes: there is no {unknown[0]!r}; there are {', '.join(SHAPES)}")
    calling, speaking = counts("--callers", callers), counts("--streams", streams)

    def wanted(one: PartChoice) -> bool:
        return part in (one, PartChoice.all)

    rows: list[Row] = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        for shape in chosen:
            if wanted(PartChoice.callers):
                rows += caller_rows(folder / f"callers-{shape}", shape, calling, utterances, rounds)
            if wanted(PartChoice.gains):
                rows += gain_rows(folder / f"gains-{shape}", shape, utterances, rounds)
            if wanted(PartChoice.streams):
                rows += stream_rows(folder / f"streams-{shape}", shape, speaking, spoken)
        if wanted(PartChoice.default):
            rows += default_rows(rounds)
        if wanted(PartChoice.barge):
            rows += barge_rows(folder / "barge", chosen)
    Report("asr", rows).publish(json_file)
