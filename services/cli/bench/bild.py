"""`ledge bench bild`: what Big Little decoding saves in calls of the big model, and what it costs in quality.

Calls and quality hold anywhere; the time is this machine's, and is told whatever it says. A time that is modelled for
another machine is called so.
"""

from typing import Annotated

import typer

from services.cli.bench.report import JsonFile, Report, Row
from services.cli.bench.two_models import Pair, numbers, pairs
from services.hybrid.bild.curve import Alone, Costs, Point, big_alone, cheapest, measure
from services.hybrid.bild.decoding import Policy


def command(
    model: Annotated[
        str,
        typer.Option(help="`ngram`, or an id of the catalogue: its layers are dropped for the little model (torch)."),
    ] = "ngram",
    dropped: Annotated[
        str, typer.Option(help="Layers dropped, comma-separated; each a little model of its own.")
    ] = "1,2",
    fallback: Annotated[str, typer.Option(help="Thresholds of fallback.")] = "0,0.3,0.6,0.9",
    rollback: Annotated[str, typer.Option(help="Thresholds of rollback; 0 is exact.")] = "0,1,2,5",
    tokens: Annotated[int, typer.Option(min=8, help="Most tokens of an answer.")] = 64,
    prompts: Annotated[int, typer.Option(min=1, help="How many prompts.")] = 6,
    loss: Annotated[float, typer.Option(min=0, help="Most loss in −log p that the chosen thresholds may have.")] = 0.05,
    device: Annotated[str, typer.Option(help="Where torch computes.")] = "cpu",
    little_ms: Annotated[float, typer.Option(help="A step of the little model, for the modelled time.")] = 4.0,
    big_ms: Annotated[float, typer.Option(help="A step of the big model, for the modelled time.")] = 25.0,
    rtt_ms: Annotated[float, typer.Option(help="The round trip, for the modelled time.")] = 1.0,
    json_file: JsonFile = None,
) -> None:
    """Big calls per token against the loss in quality, over both thresholds; wall time beside it."""
    costs = Costs(little_ms / 1000, big_ms / 1000, rtt_ms / 1000)
    policies = [Policy(one, other) for one in numbers(fallback) for other in numbers(rollback)]
    rows: list[Row] = []
    for pair in pairs(model, numbers(dropped), prompts, device):
        alone = big_alone(pair.big, pair.prompts, tokens, pair.ends)
        rows.append(_row_alone(pair, alone))
        points = [measure(pair.little, pair.big, pair.prompts, policy, tokens, pair.ends, alone) for policy in policies]
        rows += [_row(pair, point, alone, costs) for point in points]
        if (best := cheapest(points, alone, loss)) is not None:
            rows.append(_chosen(pair, best, alone, loss))
    Report("bild", rows).publish(json_file)


def _row_alone(pair: Pair, alone: Alone) -> Row:
    return Row(
        f"{pair.name}: the big one alone",
        1.0,
        "calls/token",
        note=f"−log p {alone.negative_logprob:.3f}; {alone.tokens} tokens in {alone.elapsed_s:.2f} s "
        f"({1000 * alone.cpu_s / max(1, alone.tokens):.2f} ms of CPU a token)",
    )


def _row(pair: Pair, point: Point, alone: Alone, costs: Costs) -> Row:
    counts, policy = point.counts, point.policy
    rounds = max(1, counts.big_calls)
    faster = (alone.elapsed_s / max(1, alone.tokens)) / (point.elapsed_s / max(1, counts.tokens))
    return Row(
        f"{pair.name}: FB {policy.fallback:g}, RB {policy.rollback:g}",
        point.calls_per_token,
        "calls/token",
        note=f"−log p {point.negative_logprob:.3f} ({_loss(point, alone):+.1%}), "
        f"exact {point.exact}/{len(alone.answers)}; of the rounds "
        f"{counts.fallbacks / rounds:.0%} fell back, {counts.rollbacks / rounds:.0%} rolled back; "
        f"{counts.big_tokens / max(1, counts.tokens):.2f} big tokens a token; here "
        f"{1000 * point.cpu_s / max(1, counts.tokens):.2f} ms of CPU a token, {faster:.2f} × the big one's speed; "
        f"modelled {1000 * point.modelled_token_s(costs):.1f} ms, {1000 * costs.big_step_s:.1f} without",
    )


def _loss(point: Point, alone: Alone) -> float:
    return point.negative_logprob / alone.negative_logprob - 1


def _chosen(pair: Pair, best: Point, alone: Alone, loss: float) -> Row:
    return Row(
        f"{pair.name}: fewest calls within {loss:.0%} of −log p",
        best.calls_per_token,
        "calls/token",
        note=f"LEDGE_BILD_FALLBACK={best.policy.fallback:g} LEDGE_BILD_ROLLBACK={best.policy.rollback:g}, "
        f"{_loss(best, alone):+.1%}",
    )
