"""Guesses how long an answer will become, before it is made: the order of the queue rests on it, and nothing else.

An answer is never cut at its guess. What is not chat, and what is held to a grammar, is guessed by its limit alone.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from services.estimates.lexical.model import LexicalModel, read_model
from services.llm.engine import ChatPrompt, Job, Role

GUESSES = "log-answer-tokens"
"""The natural logarithm of an answer's tokens and one."""
MOST_TOKENS = 100_000.0


class Lengths(Protocol):
    """Shared by all calls; answers within a millisecond, for it stands before each of them."""

    def predict(self, job: Job) -> float:
        """Tokens of the answer; 0 where there is nothing to go by."""


class LexicalLengths:
    """From the words of the last question."""

    def __init__(self, model: LexicalModel) -> None:
        self._model = model

    @classmethod
    def read(cls, path: Path) -> "LexicalLengths":
        """Raises NotFound, InvalidInput for a file that is not there, or none of `ledge train length`."""
        return cls(read_model(path, GUESSES))

    def predict(self, job: Job) -> float:
        limit = job.sampling.max_tokens
        most = MOST_TOKENS if limit is None else float(limit)
        prompt = job.prompt
        if not isinstance(prompt, ChatPrompt):
            return min(most, float(limit or 0))
        asked = next((message.content for message in reversed(prompt.messages) if message.role is Role.USER), "")
        guess = math.expm1(min(math.log(MOST_TOKENS), self._model.score(asked)))
        return min(most, max(1.0, guess))


def guessed(jobs: Sequence[Job], lengths: Lengths | None) -> Sequence[Job]:
    """The jobs of one request with their expected lengths; as they are where nobody guesses."""
    if lengths is None or not jobs:
        return jobs
    tokens = lengths.predict(jobs[0])
    return [replace(job, predicted_tokens=tokens) for job in jobs]
