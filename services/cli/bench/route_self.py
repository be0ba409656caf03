"""A small model's word on itself: does it know which of its answers are right?

The questions are made here, with four options of which one is right, so the truth is known and nobody has trained on
them. Labels are scored, not sampled: each allowed answer is forced by a grammar and its log-probability read, which is
one forward step each and stands for "special tokens" without training.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from ledge.llm.v1 import llm_pb2 as pb
from ledge.llm.v1 import llm_pb2_grpc as rpc

from services.cli.bench.engine_settings import engine_settings
from services.cli.bench.report import Row
from services.cli.bench.running import RunningService
from services.hybrid.routing.measures import auroc, interval
from services.kit.client import open_channel
from services.kit.errors import EngineFailed, from_rpc

LETTERS = "ABCD"
FREE_TOKENS = 16
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
WORDS = ("apple", "bridge", "candle", "desert", "engine", "forest", "garden", "harbour", "island", "kettle")


@dataclass(frozen=True)
class Asked:
    """A question, its four options and the number of the right one."""

    text: str
    right: int


@dataclass(frozen=True)
class Judged:
    """What came of one question."""

    right: bool
    label: float
    """Probability of the letter that it chose, of the four."""
    verdict: float
    """P(yes) of yes and no, asked whether it can answer."""
    place: float
    """P(local) of local and cloud, asked who should answer."""
    mean_logprob: float
    """Of the tokens of a free answer."""


async def self_assessment(engine: str, count: int, seed: int) -> list[Row]:
    """Raises EngineFailed where the engine tells no log-probabilities, and what its calls raise."""
    asked = questions(count, np.random.default_rng(seed))
    with RunningService("llm", {**engine_settings(engine), "LEDGE_SLOTS": "1"}) as service:
        async with open_channel(service.address) as channel:
            await channel.channel_ready()
            stub = rpc.LlmServiceStub(channel)
            try:
                judged = [await _judge(stub, one) for one in asked]
            except grpc.aio.AioRpcError as error:
                raise from_rpc(error) from error
    return _rows(judged, seed)


def questions(count: int, generator: np.random.Generator) -> list[Asked]:
    """Sums, days, letters and sizes, from easy to hard."""
    found = []
    for number in range(count):
        digits = 1 + int(generator.integers(0, 3))
        left, right = (int(one) for one in generator.integers(1, 10**digits, 2))
        day, word = int(generator.integers(0, 7)), str(generator.choice(WORDS))
        match number % 4:
            case 0:
                stem, truth = f"What is {left} + {right}?", str(left + right)
                wrong = [str(left + right + off) for off in (1, -1, 10)]
            case 1:
                ahead = 1 + int(generator.integers(0, 3))
                stem, truth = f"Which day is {ahead} days after {DAYS[day]}?", DAYS[(day + ahead) % 7]
                wrong = [DAYS[(day + ahead + off) % 7] for off in (1, 2, 4)]
            case 2:
                stem, truth = f"With which letter does the word {word} begin?", word[0]
                others = [letter for letter in "abcdefghik" if letter != word[0]]
                wrong = [str(one) for one in generator.choice(others, 3, replace=False)]
            case _:
                sizes = sorted({int(one) for one in generator.integers(1, 10**digits + 20, 12)})
                stem, truth = "Which number is the largest?", str(sizes[-1])
                wrong = [str(one) for one in sizes[-4:-1]]
        options = [truth, *wrong]
        order = generator.permutation(len(options))
        lines = [f"{LETTERS[place]}. {options[which]}" for place, which in enumerate(order)]
        found.append(Asked("\n".join([stem, *lines]), int(np.argmin(order))))
    return found


async def _judge(stub: Any, asked: Asked) -> Judged:
    letters = await _scored(stub, f"{asked.text}\nAnswer with the letter alone.", LETTERS)
    verdict = await _scored(stub, f"{asked.text}\nCan you answer this question right? Answer yes or no.", ("Yes", "No"))
    place = await _scored(
        stub,
        f"{asked.text}\nShould you answer this yourself (local), or a model ten times your size (cloud)? "
        f"Answer local or cloud.",
        ("local", "cloud"),
    )
    free = await stub.Chat(_request(f"{asked.text}\nAnswer:", FREE_TOKENS))
    logprobs = [token.logprob for token in free.choices[0].logprobs]
    chosen = int(np.argmax(letters))
    return Judged(
        right=chosen == asked.right,
        label=letters[chosen],
        verdict=verdict[0],
        place=place[0],
        mean_logprob=sum(logprobs) / len(logprobs) if logprobs else -math.inf,
    )


async def _scored(stub: Any, prompt: str, labels: Sequence[str]) -> list[float]:
    """The labels' probabilities among themselves, by the first token of each."""
    found = []
    for label in labels:
        request = _request(prompt, 1)
        request.constraint.CopyFrom(pb.Constraint(regex=label))
        tokens = (await stub.Chat(request)).choices[0].logprobs
        if not tokens:
            raise EngineFailed("this engine tells no log-probabilities, without which it cannot judge itself")
        found.append(math.exp(tokens[0].logprob))
    return [one / (sum(found) or 1.0) for one in found]


def _request(prompt: str, tokens: int) -> pb.ChatRequest:
    return pb.ChatRequest(
        messages=[pb.Message(role=pb.Message.USER, content=prompt)],
        sampling=pb.Sampling(temperature=0, max_tokens=tokens, top_logprobs=1),
    )


def _rows(judged: Sequence[Judged], seed: int) -> list[Row]:
    right = np.array([one.right for one in judged], float)
    rows = [
        Row("right answers", float(right.mean()), "share", "a coin", 0.25, note=f"{len(judged)} questions of 4 options")
    ]
    for name, field in (
        ("probability of its own letter", "label"),
        ("verdict: can you?", "verdict"),
        ("local or cloud", "place"),
        ("mean log-probability of a free answer", "mean_logprob"),
    ):
        scores = np.array([getattr(one, field) for one in judged])
        spread = interval(lambda drawn, scores=scores: auroc(scores[drawn], right[drawn]), len(right), seed)  # type: ignore[misc]
        null = "; says nothing" if spread.low <= 0.5 <= spread.high else ""
        rows.append(
            Row(
                f"AUROC of being right, {name}",
                auroc(scores, right),
                "",
                "a coin",
                0.5,
                note=f"95 %: {spread.low:.2f} to {spread.high:.2f}{null}",
            )
        )
        sent = scores < 0.5 if field in ("verdict", "place") else scores < np.median(scores)
        kept_wrong = 1 - right[~sent].mean() if (~sent).any() else 0.0
        rows.append(
            Row(
                f"dispatched, {name}",
                float(sent.mean()),
                "share",
                note=f"kept and wrong {kept_wrong:.0%}, sent though right {(sent & (right > 0)).mean():.0%}; "
                + ("by its own word" if field in ("verdict", "place") else "the less sure half"),
            )
        )
    return rows
