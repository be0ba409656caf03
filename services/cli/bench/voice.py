"""`ledge bench voice`: how soon an answer is heard, what voice adds to its engines, and how it is interrupted."""

from enum import StrEnum
from typing import Annotated

import typer

from services.cli.bench.counts import counts
from services.cli.bench.report import JsonFile, Report, Row

MOST = 256


class PartChoice(StrEnum):
    """What is measured."""

    latency = "latency"
    scripted = "scripted"
    barge = "barge"
    all = "all"


def command(
    callers: Annotated[str, typer.Option(help="How many ask at a time, comma-separated.")] = "1,4,16",
    questions: Annotated[int, typer.Option(min=1, help="Questions that each of them asks.")] = 8,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds, with and without each means in turn.")] = 2,
    interruptions: Annotated[
        int, typer.Option(min=1, max=4, help="Ways to interrupt, and sounds of each kind that are none, a round.")
    ] = 4,
    sessions: Annotated[str, typer.Option(help="Sessions with scripted engines, comma-separated.")] = "1,16,64",
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each number of those talks.")] = 20.0,
    piece_ms: Annotated[
        int, typer.Option(min=20, max=200, help="Audio that each of those sends at a time, in milliseconds.")
    ] = 100,
    in_step: Annotated[
        bool, typer.Option("--in-step", help="The pieces of all those sessions leave at the same moments: the worst.")
    ] = False,
    part: Annotated[PartChoice, typer.Option(help="What is measured.")] = PartChoice.all,
    json_file: JsonFile = None,
) -> None:
    """End of speech to first sound, beside the same without each means; what voice adds; interruptions."""
    # Here, because the other benches are read where no speech engine is installed.
    from services.cli.bench.voice_barge import barge_rows
    from services.cli.bench.voice_latency import latency_rows
    from services.cli.bench.voice_scripted import scripted_rows
    from services.cli.bench.voice_suite import documents_suite

    asking, talking = counts("--callers", callers, MOST), counts("--sessions", sessions, MOST)
    rows: list[Row] = []
    if part is not PartChoice.scripted:
        with documents_suite() as peers:
            if part in (PartChoice.latency, PartChoice.all):
                rows += latency_rows(peers, asking, questions, rounds)
            if part in (PartChoice.barge, PartChoice.all):
                rows += barge_rows(peers, interruptions, rounds)
    if part in (PartChoice.scripted, PartChoice.all):
        rows += scripted_rows(talking, seconds, piece_ms / 1000, in_step=in_step)
    Report("voice", rows).publish(json_file)
