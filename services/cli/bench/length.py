"""`ledge bench length`: what knowing the lengths of answers buys, modelled on published lengths and measured here."""

import asyncio
import csv
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from services.cli.bench.length_service import through_service
from services.cli.bench.length_simulator import (
    LONGEST_TOKENS,
    SLOTS,
    Guess,
    Outcome,
    Tokens,
    continuous,
    kendall,
    matching_sigma,
    noisy,
    poisson,
    share_within_100,
    static,
)
from services.cli.bench.report import JsonFile, Report, Row
from services.kit.errors import InvalidInput, NotFound

WHERE = (
    "the lengths of Vicuna's answers to Alpaca's instructions, published with Response Length Perception and Sequence "
    "Scheduling (github.com/zhengzangw/Sequence-Scheduling), as CSV: id, and the tokens at four temperatures"
)
REQUESTS = 1024
PUBLISHED_WITHIN_100 = 0.81
"""Of the paper's tuned predictor."""


def command(
    lengths: Annotated[
        Path | None, typer.Option(help="Lengths of real answers, as CSV; without it nothing is modelled.")
    ] = None,
    service: Annotated[bool, typer.Option(help="Also give a backlog to a real llm service.")] = False,
    engine: Annotated[str, typer.Option(help="Of that service.")] = "llamacpp",
    questions: Annotated[int, typer.Option(min=12, max=480, help="Of that backlog.")] = 48,
    slots: Annotated[int, typer.Option(min=1, max=64, help="Of that service.")] = 4,
    rounds: Annotated[int, typer.Option(min=1, help="Of that backlog; medians are told.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the sample, the predictor's errors and the arrivals.")] = 1,
    json_file: JsonFile = None,
) -> None:
    """Shortest first against first come: mean and tail latency, throughput, and batches that end together."""
    if lengths is None and not service:
        raise InvalidInput(f"nothing to measure: --service, or --lengths FILE: {WHERE}")
    rows: list[Row] = []
    if lengths is not None:
        rows += _modelled(_sample(lengths, seed), seed)
    if service:
        rows += asyncio.run(through_service(engine, questions, slots, rounds, seed))
    Report("length", rows).publish(json_file)


def _sample(path: Path, seed: int) -> Tokens:
    """A request a row, its answer at each temperature; the last is the one that is served."""
    try:
        with path.open(newline="") as file:
            told = [[int(cell) for cell in list(row.values())[1:]] for row in csv.DictReader(file)]
        table = np.minimum(LONGEST_TOKENS, np.array(told, np.int64))
    except FileNotFoundError:
        raise NotFound(f"there is no {path}: it takes {WHERE}") from None
    except (OSError, ValueError, TypeError, csv.Error, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read: it takes {WHERE}") from error
    if table.ndim != 2 or table.shape[1] < 2 or len(table) < REQUESTS or table.min() < 0:
        raise InvalidInput(f"{path} has not {REQUESTS} rows of lengths: it takes {WHERE}")
    return np.maximum(1, table[np.random.default_rng(seed).permutation(len(table))[:REQUESTS]])


def _modelled(table: Tokens, seed: int) -> list[Row]:
    # The paper trains its predictor for the longest answer at any temperature.
    tokens, labels = table[:, -1], table.max(1)
    sigma = matching_sigma(labels, PUBLISHED_WITHIN_100, seed, share_within_100)
    guess = noisy(labels, sigma, seed)
    quality = (
        f"{PUBLISHED_WITHIN_100:.0%} within 100 tokens of the label; rank correlation {kendall(tokens, guess):.2f}"
    )
    others = table[:, :-1].mean(1)
    return [*_static_rows(tokens, labels, guess), *_continuous_rows(tokens, guess, others, quality, seed)]


def _static_rows(tokens: Tokens, labels: Tokens, guess: Guess) -> list[Row]:
    first_come = static(tokens)
    cases = (
        ("first come", first_come, 1.39),
        ("sorted by length as predicted", static(tokens, guess), 1.64),
        ("sorted, wide batches, cut answers made again", static(tokens, guess, again=True, wide=True), 2.30),
        ("the same with the labels themselves", static(tokens, labels.astype(float), again=True, wide=True), 2.69),
    )
    return [
        Row(
            f"static batches, {name}",
            outcome.requests_per_s,
            "requests/s",
            baseline="published",
            baseline_value=published,
            note=f"{outcome.requests_per_s / first_come.requests_per_s:.2f} of first come; "
            f"{outcome.useful_share:.0%} of tokens useful; modelled",
        )
        for name, outcome, published in cases
    ]


def _continuous_rows(tokens: Tokens, guess: Guess, others: Guess, quality: str, seed: int) -> list[Row]:
    rows = []
    weaker, better = (noisy(tokens, matching_sigma(tokens, tau, seed, kendall), seed) for tau in (0.57, 0.65))
    first_come = continuous(tokens)
    for name, guessed, note in (
        ("predicted as in the paper", guess, quality),
        ("predicted with rank correlation 0.57", weaker, "as learned rankers of chats reach"),
        ("predicted with rank correlation 0.65", better, "what a mean latency 35 % lower takes"),
        ("as long as at other temperatures", others, f"rank correlation {kendall(tokens, others):.2f}: a log of them"),
        ("known", tokens.astype(float), "an oracle"),
    ):
        rows += _against(f"backlog of {REQUESTS}, {SLOTS} slots, {name}", continuous(tokens, guessed), first_come, note)
    for load in (0.7, 0.9, 1.0, 1.2):
        arrivals_s = poisson(tokens, load, seed)
        by_arrival = continuous(tokens, None, arrivals_s)
        alone = continuous(tokens, guess, arrivals_s, keep_tail=False)
        note = f"the shortest alone: mean {alone.mean_s:.1f} s, p99 {alone.percentile_s(99):.1f} s"
        rows += _against(f"load {load:g}, {SLOTS} slots", continuous(tokens, guess, arrivals_s), by_arrival, note)
    return rows


def _against(name: str, line: Outcome, first_come: Outcome, note: str) -> list[Row]:
    same = f"requests/s {line.requests_per_s:.2f} against {first_come.requests_per_s:.2f}; modelled"
    return [
        Row(f"{name}: mean latency", line.mean_s, "s", "first come", first_come.mean_s, note=note),
        Row(
            f"{name}: latency p99",
            line.percentile_s(99),
            "s",
            baseline="first come",
            baseline_value=first_come.percentile_s(99),
            note=same,
        ),
    ]
