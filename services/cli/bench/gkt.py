"""`ledge bench gkt`: what guidance by the big model saves of its tokens, and how near the answer comes to its own.

Over the guidance's length G. G = 0 is the little model alone, and what all the others have to beat.
"""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Annotated

import typer

from services.cli.bench.report import JsonFile, Report, Row
from services.cli.bench.two_models import Pair, numbers, pairs
from services.hybrid.bild.curve import Alone, big_alone, mean_negative_logprob
from services.hybrid.bild.in_process import greedy
from services.hybrid.guided import whole_words


def command(
    model: Annotated[
        str,
        typer.Option(help="`ngram`, or an id of the catalogue: its layers are dropped for the little model (torch)."),
    ] = "ngram",
    dropped: Annotated[
        str, typer.Option(help="Layers dropped, comma-separated; each a little model of its own.")
    ] = "1,2",
    guide: Annotated[str, typer.Option(help="Tokens that the big model writes.")] = "0,4,8,16,32",
    tokens: Annotated[int, typer.Option(min=8, help="Most tokens of an answer.")] = 64,
    prompts: Annotated[int, typer.Option(min=1, help="How many prompts.")] = 6,
    device: Annotated[str, typer.Option(help="Where torch computes.")] = "cpu",
    json_file: JsonFile = None,
) -> None:
    """Agreement with the big model's own answer against the tokens it writes, over the length of its guidance."""
    rows: list[Row] = []
    for pair in pairs(model, numbers(dropped), prompts, device):
        alone = big_alone(pair.big, pair.prompts, tokens, pair.ends)
        rows += [_row(pair, alone, int(length), tokens) for length in numbers(guide)]
    Report("gkt", rows).publish(json_file)


def _row(pair: Pair, alone: Alone, length: int, most: int) -> Row:
    answers: list[tuple[int, ...]] = []
    written = 0
    for prompt, own in zip(pair.prompts, alone.answers, strict=True):
        answer, spent = guided(pair, prompt, own, length, most)
        answers.append(answer)
        written += spent
    agreements = [agreement(pair.text(mine), pair.text(its)) for mine, its in zip(answers, alone.answers, strict=True)]
    # An answer of the guidance alone may be empty.
    told = [(prompt, answer) for prompt, answer in zip(pair.prompts, answers, strict=True) if answer]
    loss = mean_negative_logprob(pair.big, [prompt for prompt, _ in told], [answer for _, answer in told])
    return Row(
        f"{pair.name}: G {length}",
        sum(agreements) / len(agreements),
        "agreement",
        note=f"{1 - written / max(1, alone.tokens):.0%} of the big one's tokens saved; −log p {loss:.3f} beside "
        f"{alone.negative_logprob:.3f}; {sum(map(len, answers))} tokens beside {alone.tokens}",
    )


def guided(
    pair: Pair, prompt: Sequence[int], own: Sequence[int], length: int, most: int
) -> tuple[tuple[int, ...], int]:
    """The guided answer, and how many tokens of it the big model wrote; `own` is what it says by itself."""
    guidance = own[:length]
    if length >= len(own):
        return tuple(own), len(own)
    kept = pair.ids(whole_words(pair.text(guidance))) if guidance else []
    rest = greedy(pair.little(), [*prompt, *kept], max(1, most - len(kept)), pair.ends)
    return (*kept, *rest), len(guidance)


def agreement(mine: str, its: str) -> float:
    """Words in common and in order, of both texts' words: 1 for the same text."""
    return SequenceMatcher(None, mine.split(), its.split(), autojunk=False).ratio()
