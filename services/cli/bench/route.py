"""`ledge bench route`: how well it is known beforehand which questions need the big model, and by what signal."""

import asyncio
import statistics
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from services.cli.bench.report import JsonFile, Report, Row
from services.cli.bench.route_self import self_assessment
from services.estimates.lexical.training import Texts, read_texts, scores
from services.hybrid.routing.lexical import LexicalRouter
from services.hybrid.routing.measures import Floats, Measure, auroc, decided, interval, routed
from services.hybrid.routing.outcomes import Outcomes, read_outcomes, split
from services.hybrid.routing.training import train_router
from services.kit.errors import InvalidInput, NotFound

WHERE = (
    "MMLU's questions with whether a little and a big model answered them right: RouteLLM's published responses "
    "(github.com/lm-sys/RouteLLM, Apache-2.0) as CSV: prompt, little_right, big_right"
)
PUBLISHED = {"APGR": 0.603, "CPT50": 0.354, "CPT80": 0.703}
"""RouteLLM's best router on MMLU (Ong et al., 2024)."""
TIMED = 500


def command(
    outcomes: Annotated[Path | None, typer.Option(help="Questions and who answered them right, as CSV.")] = None,
    labels: Annotated[int, typer.Option(min=20, help="Outcomes that the router is trained on.")] = 1500,
    draws: Annotated[int, typer.Option(min=1, max=100, help="Of those, trained one by one; means are told.")] = 10,
    big_share: Annotated[float, typer.Option(min=0, max=1, help="Wanted share of big calls.")] = 0.3,
    self_assess: Annotated[
        int, typer.Option("--self", min=0, max=2000, help="Questions on which a small model also judges itself.")
    ] = 0,
    engine: Annotated[str, typer.Option(help="Of that small model.")] = "llamacpp",
    seed: Annotated[int, typer.Option(help="Of draws, resamples and questions.")] = 1,
    json_file: JsonFile = None,
) -> None:
    """Routers against a coin, the question's length and the published one; a small model's word on itself."""
    if outcomes is None and not self_assess:
        raise InvalidInput(f"nothing to measure: --self N, or --outcomes FILE: {WHERE}")
    rows: list[Row] = []
    if outcomes is not None:
        try:
            known = read_outcomes(outcomes)
        except NotFound as error:
            raise NotFound(f"{error.message}: {WHERE}") from error
        rows += _routers(known, labels, draws, big_share, seed)
    if self_assess:
        rows += asyncio.run(self_assessment(engine, self_assess, seed))
    Report("route", rows).publish(json_file)


def _routers(known: Outcomes, labels: int, draws: int, big_share: float, seed: int) -> list[Row]:
    pool, tested = split(known)
    if len(pool) < labels or not (tested.big - tested.little).sum() > 0:
        raise InvalidInput(f"{len(pool)} outcomes to train on, {len(tested)} to test: {labels} and a better big model")
    pool_texts, test_texts = read_texts(pool.prompts), read_texts(tested.prompts)
    generator = np.random.default_rng(seed)
    coin = np.mean([routed(generator.random(len(tested)), tested).apgr for _ in range(200)])
    length = np.array([float(len(prompt)) for prompt in tested.prompts])
    oracle = tested.big - tested.little
    trained = [_trained(pool, pool_texts, labels, big_share, seed + draw) for draw in range(draws)]
    found = [scores(router.model, test_texts) for router in trained]
    everything = train_router(pool, big_share, {}, pool_texts)
    all_scores = scores(everything.model, test_texts)
    note = f"{len(tested)} questions unseen, little {tested.little.mean():.1%} and big {tested.big.mean():.1%} right"
    return [
        Row("APGR, a coin", float(coin), "", "exactly", 0.5, note=note),
        *_of("question's length", [length], tested, seed),
        *_of(f"trained on {labels}", found, tested, seed),
        *_of(f"trained on {len(pool)}", [all_scores], tested, seed),
        Row("APGR, oracle", routed(oracle, tested).apgr, "", "published best", PUBLISHED["APGR"]),
        *_decisions(trained, found, tested, big_share),
        _cost(trained[0], tested),
    ]


def _trained(pool: Outcomes, texts: Texts, labels: int, big_share: float, seed: int) -> LexicalRouter:
    rows = np.random.default_rng(seed).permutation(len(pool))[:labels].tolist()
    return train_router(pool.chosen(rows), big_share, {}, texts.chosen(rows))


def _of(name: str, found: list[Floats], tested: Outcomes, seed: int) -> list[Row]:
    """Means over the draws; the interval is of resampled questions, the draws with them."""
    each = [routed(one, tested) for one in found]
    apgrs = [one.apgr for one in each]

    def resampled(measure: str) -> Measure:
        def of(rows: np.ndarray) -> float:
            some = tested.chosen(rows.tolist())
            # One draw a resample: so both what was trained on and what is asked vary.
            return float(getattr(routed(found[int(rows[0]) % len(found)][rows], some), measure))

        return of

    spread = interval(resampled("apgr"), len(tested), seed)
    needs_big = (tested.big > tested.little).astype(float)
    note = f"95 %: {spread.low:.3f} to {spread.high:.3f}"
    if len(found) > 1:
        note += f"; {len(found)} draws: {min(apgrs):.3f} to {max(apgrs):.3f}"
    areas = [auroc(one, needs_big) for one in found]
    area = interval(lambda rows: auroc(found[int(rows[0]) % len(found)][rows], needs_big[rows]), len(tested), seed)
    return [
        Row(f"APGR, {name}", statistics.fmean(apgrs), "", "published best", PUBLISHED["APGR"], note=note),
        Row(f"CPT50, {name}", statistics.fmean(one.cpt50 for one in each), "", "published best", PUBLISHED["CPT50"]),
        Row(f"CPT80, {name}", statistics.fmean(one.cpt80 for one in each), "", "published best", PUBLISHED["CPT80"]),
        Row(
            f"AUROC of only the big one being right, {name}",
            statistics.fmean(areas),
            "",
            "a coin",
            0.5,
            note=f"95 %: {area.low:.3f} to {area.high:.3f}",
        ),
    ]


def _decisions(trained: list[LexicalRouter], found: list[Floats], tested: Outcomes, big_share: float) -> list[Row]:
    each = [decided(one, router.threshold, tested) for router, one in zip(trained, found, strict=True)]
    coin = np.random.default_rng(0).random(len(tested))
    tossed = decided(coin, float(np.quantile(coin, 1 - big_share)), tested)

    def row(figure: str, field: str, note: str = "") -> Row:
        mean = statistics.fmean(getattr(one, field) for one in each)
        return Row(figure, mean, "share", "a coin", getattr(tossed, field), note=note)

    return [
        row("dispatched", "dispatched", f"{big_share:.0%} wanted; the threshold is from the training part"),
        row("error rate of kept answers", "kept_wrong"),
        row("needlessly dispatched", "needless", "the little one was right"),
        row("hopelessly dispatched", "hopeless", "both are wrong"),
        row("right answers of both together", "right"),
    ]


def _cost(router: LexicalRouter, tested: Outcomes) -> Row:
    asked = tested.prompts[:TIMED]
    began_s = time.process_time()
    for prompt in asked:
        router.score(prompt)
    each_ms = (time.process_time() - began_s) / len(asked) * 1000
    characters = statistics.fmean(map(len, asked))
    return Row(
        "cost of a decision", each_ms, "ms", note=f"CPU time, one core; questions of {characters:.0f} characters"
    )
