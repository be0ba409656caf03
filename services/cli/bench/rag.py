"""`ledge bench rag`: passages found, answers right and refused, and how fast, on questions with known answers."""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from services.cli.bench.counts import counts
from services.cli.bench.question_set import read_questions
from services.cli.bench.rag_efforts import effort_rows
from services.cli.bench.rag_quality import quality_rows
from services.cli.bench.rag_speed import speed_rows
from services.cli.bench.rag_suite import running_suite
from services.cli.bench.report import JsonFile, Report
from services.kit.deploy import deploy_directory


class Policies(StrEnum):
    """Who words the answers that are judged."""

    quote = "quote"
    compose = "compose"
    both = "both"


class Part(StrEnum):
    """What to measure."""

    quality = "quality"
    efforts = "efforts"
    speed = "speed"
    both = "both"
    """Quality and speed."""


def command(
    documents: Annotated[Path | None, typer.Option(help="A folder of documents.", show_default="the samples")] = None,
    questions: Annotated[
        Path | None, typer.Option(help="Questions about them, as JSONL.", show_default="the samples' test set")
    ] = None,
    part: Annotated[Part, typer.Option(help="What to measure.")] = Part.both,
    policies: Annotated[Policies, typer.Option(help="Who words the answers that are judged.")] = Policies.both,
    callers: Annotated[str, typer.Option(help="Callers at a time, for the speed.")] = "1,16",
    model_decides: Annotated[
        bool, typer.Option("--model-decides", help="Of the efforts also those whose decisions the model makes.")
    ] = False,
    seconds: Annotated[float, typer.Option(min=1, help="How long each number of callers asks.")] = 15.0,
    json_file: JsonFile = None,
) -> None:
    """Finding, answering, refusing, what more effort buys, and speed; a suite of its own with the profile's engines."""
    samples = deploy_directory() / "samples"
    asked = read_questions(questions or samples / "questions" / "test.jsonl")
    at_a_time = counts("--callers", callers)
    with running_suite(documents or samples / "documents") as suite:
        address = suite["rag"].address
        rows = []
        if part in (Part.quality, Part.both):
            rows += asyncio.run(quality_rows(address, asked, _policies(policies)))
        if part is Part.efforts:
            rows += asyncio.run(effort_rows(address, asked, with_model=model_decides))
        if part in (Part.speed, Part.both):
            for count in at_a_time:
                rows += asyncio.run(speed_rows(address, asked, count, seconds))
    Report("rag", rows).publish(json_file)


def _policies(chosen: Policies) -> list[str]:
    return [Policies.quote.value, Policies.compose.value] if chosen is Policies.both else [chosen.value]
