"""Two models whose probabilities can be read, for benches: of counts, or one of the catalogue and what is cut of it."""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.estimates.language_models.ngram import NgramContext, NgramModel
from services.hybrid.bild.curve import Contexts
from services.kit.deploy import deploy_directory
from services.kit.errors import InvalidInput

QUESTIONS = (
    "What is a water tower for?",
    "Name three rivers of Europe and the seas they flow into.",
    "Write two sentences about a pump that was left running.",
    "Why is the sky blue?",
    "Explain to a child what a valve does.",
    "List the steps of making tea.",
)
END = 0
HELD_OUT = 10
"""One line in so many is a prompt and not learnt from."""
PROMPT_TOKENS = 6


@dataclass(frozen=True)
class Pair:
    """What is measured; both models have one vocabulary."""

    name: str
    little: Contexts
    big: Contexts
    prompts: Sequence[Sequence[int]]
    ends: frozenset[int]
    text: Callable[[Sequence[int]], str]
    ids: Callable[[str], list[int]]


def pairs(model: str, dropped: Sequence[float], prompts: int, device: str) -> list[Pair]:
    """Several little models for one big one.

    Args:
        model: `ngram`, or an id of the catalogue that torch can load.
        dropped: how many layers each of the little models lacks.
    """
    if model == "ngram":
        return [_grams(order, prompts) for order in (2, 3)]
    from services.cli.bench.cut_model import CutModel

    whole = CutModel(model, device)
    asked = [whole.prompt(question) for question in QUESTIONS[:prompts]]
    return [
        Pair(
            f"{model} without {count:g} of {whole.layers} layers",
            whole.without(int(count)),
            whole.context,
            asked,
            whole.ends,
            whole.text,
            whole.ids,
        )
        for count in dropped
    ]


def _grams(order: int, prompts: int) -> Pair:
    """A short memory against a long one, of the sample documents' words."""
    lines = _lines()
    words = sorted({word for line in lines for word in line})
    ids = {word: number for number, word in enumerate(words, start=END + 1)}
    sequences = [[END, *(ids[word] for word in line), END] for line in lines]
    learnt = [sequence for place, sequence in enumerate(sequences) if place % HELD_OUT]
    held_out = [sequence for place, sequence in enumerate(sequences) if not place % HELD_OUT]
    asked = [sequence[:PROMPT_TOKENS] for sequence in held_out if len(sequence) > PROMPT_TOKENS + 2]
    chosen = random.Random(7).sample(asked, min(prompts, len(asked)))  # noqa: S311 - the same prompts each time
    little, big = (NgramModel(learnt, size, len(ids) + 1) for size in (order, 4))
    return Pair(
        f"{order}-gram and 4-gram",
        _contexts(little),
        _contexts(big),
        chosen,
        frozenset({END}),
        lambda tokens: " ".join(words[token - 1] for token in tokens if token != END),
        lambda text: [ids[word] for word in text.split()],
    )


def _contexts(model: NgramModel) -> Callable[[], NgramContext]:
    return lambda: NgramContext(model)


def _lines() -> list[list[str]]:
    folder = deploy_directory() / "samples" / "documents"
    texts = [path.read_text() for path in sorted(folder.glob("*.md"))]
    sentences = [sentence for text in texts for sentence in re.split(r"(?<=[.!?])\s+|\n+", text)]
    return [line for sentence in sentences if len(line := re.findall(r"\w+|[^\w\s]", sentence)) > 3]


def numbers(text: str) -> list[float]:
    """Of an option like 0,0.3,0.6."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InvalidInput(f"{text!r} is no list of numbers like 0,0.3,0.6") from None
