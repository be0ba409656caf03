"""`ledge train`: what is guessed before an answer is made, fitted to one's own questions; files are data."""

import hashlib
import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer

from services.kit.bounded_file import read_bounded
from services.kit.errors import InvalidInput

MAX_FILE_BYTES = 256 << 20
Out = Annotated[Path, typer.Option(help="Where to write it, as JSON.", show_default=False)]
BigShare = Annotated[float, typer.Option(min=0, max=1, help="Share of the questions that the big model shall answer.")]

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Fit what is guessed before an answer is made.")


@app.command()
def length(
    answers: Annotated[
        Path, typer.Option(help='JSONL of questions and what their answers took: {"question": …, "tokens": …}.')
    ],
    out: Out,
) -> None:
    """Guess the lengths of answers, for the llm service's LEDGE_LENGTH_FILE."""
    import numpy as np

    from services.estimates.lexical.model import write_json
    from services.estimates.lexical.training import read_texts, scores, train
    from services.llm.length import GUESSES

    rows = _lines(answers, ("question", "tokens"))
    questions, tokens = [str(row["question"]) for row in rows], [row["tokens"] for row in rows]
    if not all(_is_count(one) for one in tokens):
        raise InvalidInput(f"{answers}: tokens are numbers from 0 to 10 000 000")
    # Every fifth is held back once, to tell how good it is; the file is made from all.
    held = [row for row in range(len(rows)) if row % 5 == 4]
    kept = [row for row in range(len(rows)) if row % 5 != 4]
    texts = read_texts(questions)
    targets = [math.log1p(float(one)) for one in tokens]
    provenance = {**_origin(answers), "made_by": "ledge train length"}
    model = train(texts, targets, GUESSES, provenance, ridge=_ridge(len(rows)))
    trial = train(texts.chosen(kept), [targets[row] for row in kept], GUESSES, {}, ridge=_ridge(len(kept)))
    guessed = scores(trial, texts.chosen(held))
    truth = np.array([targets[row] for row in held])
    off = np.abs(np.expm1(guessed) - np.expm1(truth))
    write_json(out, model.to_json())
    tau = _rank_correlation(truth, guessed)
    typer.echo(
        f"{out}: from {len(rows)} answers; on a fifth held back, rank correlation {tau:.2f}, "
        f"median error {np.median(off):.0f} tokens of a median of {np.median(np.expm1(truth)):.0f}"
    )


@app.command()
def router(
    outcomes: Annotated[Path, typer.Option(help="CSV: prompt, little_right, big_right (0 or 1); gzipped or not.")],
    out: Out,
    big_share: BigShare = 0.3,
    labels: Annotated[int | None, typer.Option(min=20, help="So many of them only.", show_default="all")] = None,
    seed: Annotated[int, typer.Option(help="Of which.")] = 1,
) -> None:
    """Guess which questions only the big model answers right, for the hybrid service's LEDGE_ROUTER_FILE.

    A third of the questions is held back to tell how good it is; the threshold is that for `--big-share` of the others.
    """
    import numpy as np

    from services.estimates.lexical.model import write_json
    from services.estimates.lexical.training import read_texts, scores
    from services.hybrid.routing.measures import decided, interval, routed
    from services.hybrid.routing.outcomes import read_outcomes, split
    from services.hybrid.routing.training import train_router

    trained, tested = split(read_outcomes(outcomes))
    if labels is not None:
        chosen = np.random.default_rng(seed).permutation(len(trained))[:labels]
        trained = trained.chosen(chosen.tolist())
    found = train_router(trained, big_share, {**_origin(outcomes), "seed": seed, "made_by": "ledge train router"})
    write_json(out, found.to_json())
    typer.echo(f"{out}: from {len(trained)} outcomes, threshold {found.threshold:.4f}")
    if len(tested) < 2 or not (tested.big - tested.little).sum() > 0:
        typer.echo("too few questions are held back to tell how good it is, or the big model is no better on them")
        return
    scored = scores(found.model, read_texts(tested.prompts))
    apgr = routed(scored, tested).apgr
    spread = interval(lambda rows: routed(scored[rows], tested.chosen(rows.tolist())).apgr, len(tested), seed, 200)
    at = decided(scored, found.threshold, tested)
    typer.echo(f"on {len(tested)} held back: APGR {apgr:.3f} ({spread.low:.3f} to {spread.high:.3f}; a coin has 0.5)")
    typer.echo(
        f"sends {at.dispatched:.1%}, right {at.right:.1%} "
        f"(little alone {tested.little.mean():.1%}, big alone {tested.big.mean():.1%})"
    )


@app.command()
def threshold(
    file: Annotated[Path, typer.Option("--router", help="A file of `ledge train router`.")],
    questions: Annotated[Path, typer.Option(help='Your own questions, as JSONL: {"question": …}. No labels needed.')],
    out: Out,
    big_share: BigShare = 0.3,
) -> None:
    """Set a router's threshold for a share of big calls on your own questions."""
    from services.estimates.lexical.model import write_json
    from services.hybrid.routing.lexical import LexicalRouter
    from services.hybrid.routing.training import recalibrated

    try:
        read = LexicalRouter.from_json(json.loads(read_bounded(file, MAX_FILE_BYTES)))
    except (ValueError, RecursionError) as error:
        why = "it is no JSON" if isinstance(error, json.JSONDecodeError) else error
        raise InvalidInput(f"{file}: {why}") from None
    asked = [str(row["question"]) for row in _lines(questions, ("question",))]
    set_anew = recalibrated(read, asked, big_share)
    write_json(out, {**set_anew.to_json(), "calibration": {**_origin(questions), "big_share": big_share}})
    typer.echo(f"{out}: threshold {set_anew.threshold:.4f}, was {read.threshold:.4f}; {len(asked)} questions")


def _ridge(examples: int) -> float:
    """Less is known from few examples, but lengths follow from a few words: a hundredth of the examples, 1 to 30."""
    return min(30.0, max(1.0, examples / 100))


def _is_count(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 10_000_000


def _rank_correlation(truth: Any, guess: Any) -> float:
    from services.cli.bench.length_simulator import kendall

    return kendall(truth, guess)


def _origin(path: Path) -> dict[str, Any]:
    """What a file was made from: its name, and the sum of its content."""
    return {"data": path.name, "data_sha256": hashlib.sha256(read_bounded(path, MAX_FILE_BYTES)).hexdigest()}


def _lines(path: Path, fields: tuple[str, ...]) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(read_bounded(path, MAX_FILE_BYTES).splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            raise InvalidInput(f"{path}, line {number}: it is no JSON") from None
        if not isinstance(row, dict) or any(field not in row for field in fields):
            raise InvalidInput(f"{path}, line {number}: it needs {' and '.join(fields)}")
        rows.append(row)
    return rows
