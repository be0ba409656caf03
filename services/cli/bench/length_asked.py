"""How long will your answer be? The model itself is asked, which is what a predictor from words is measured against.

The prompts are after "Response Length Perception and Sequence Scheduling" (Zheng et al., NeurIPS 2023): the number
alone, or Perception in Advance, where the number is the first line of the answer. The third way holds the model to
digits by a grammar, so that there is a number to read at all.
"""

import re
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ledge.llm.v1 import llm_pb2 as pb

from services.cli.bench.length_simulator import kendall
from services.cli.bench.report import Row

ALONE = (
    "\nDon't output the response for the above instruction. Instead, you need to predict the number of tokens in your "
    "response. Output one number only."
)
IN_ADVANCE = (
    "\nBefore responding to the above instruction, you have to predict the length of your response. Print the "
    "estimated number of tokens in your response in the first line. Then change to a new line to respond to the "
    "instruction."
)
FIRST_LINE_TOKENS = 24
CLOSE_TOKENS = 100
"""What the paper counts as close."""
_NUMBER = re.compile(r"\d{1,6}")


@dataclass(frozen=True)
class Way:
    """One way to ask."""

    name: str
    prompt: str
    regex: str = ""


WAYS = (
    Way("asked for the number alone", ALONE),
    Way("the same, held to digits", ALONE, "[1-9][0-9]{0,3}"),
    Way("asked in advance of the answer", IN_ADVANCE),
)


@dataclass(frozen=True)
class Asked:
    """What came of one way to ask; a guess a question, None where there was no number."""

    way: Way
    guesses: Sequence[int | None]
    mean_ms: float
    """One question after the other, each alone."""


async def ask(stub: Any, way: Way, questions: Sequence[str]) -> Asked:
    """Raises what the calls raise."""
    guesses: list[int | None] = []
    began_s = time.perf_counter()
    for question in questions:
        request = pb.ChatRequest(
            messages=[pb.Message(role=pb.Message.USER, content=question + way.prompt)],
            sampling=pb.Sampling(temperature=0, max_tokens=FIRST_LINE_TOKENS),
        )
        if way.regex:
            request.constraint.regex = way.regex
        answer = await stub.Chat(request)
        guesses.append(number_of(answer.choices[0].message.content))
    return Asked(way, guesses, (time.perf_counter() - began_s) * 1000 / max(1, len(questions)))


def number_of(text: str) -> int | None:
    """The first number of the first line that says anything."""
    said = text.strip().split("\n", 1)[0]
    found = _NUMBER.search(said.replace(",", ""))
    return int(found.group()) if found else None


def row(engine: str, asked: Asked, tokens: Sequence[int], from_words: float) -> Row:
    """Its rank correlation with the lengths that came, beside that of the predictor from words."""
    readable = [guess for guess in asked.guesses if guess is not None]
    # No number says nothing: neither early nor late.
    middle = statistics.median(readable) if readable else 0.0
    guesses = np.array([middle if guess is None else guess for guess in asked.guesses], float)
    close = float((np.abs(guesses - np.array(tokens, float)) <= CLOSE_TOKENS).mean())
    return Row(
        f"{engine}, rank correlation of lengths, {asked.way.name}",
        kendall(tokens, guesses),
        "",
        baseline="from words",
        baseline_value=from_words,
        note=f"{len(readable) / max(1, len(guesses)):.0%} told a number, {len(set(readable))} different ones, median "
        f"{middle:.0f}; {close:.0%} within {CLOSE_TOKENS} tokens; {asked.mean_ms:.0f} ms a guess",
    )
