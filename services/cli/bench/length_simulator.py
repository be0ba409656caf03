"""Two ways to serve a backlog, played with lengths of real answers: batches that end together, and slots that refill.

Static batching as in "Response Length Perception and Sequence Scheduling" (Zheng et al., NeurIPS 2023): a batch runs
until its longest answer ends. Continuous batching: who ends makes room for the next, as vLLM and llama.cpp do; the next
is chosen by the very line that stands before the llm service's slots. Time is modelled, answers are real.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from services.llm.line import Line, Waiting

Tokens = NDArray[np.int64]
Guess = NDArray[np.float64]
LONGEST_TOKENS = 512
SLOTS = 16
GROUP = 256
BATCH_BY_BUCKET = {50: 256, 100: 128, 150: 64, 200: 32}
"""Sequences a batch, by the longest answer that is expected in it; 16 above."""


def step_s(sequences: int) -> float:
    """Vicuna-7B under Hugging Face on one GPU: 31 ms with sixteen, from the paper's own 1.39 requests a second and 371
    steps a batch; 1 ms more for each sequence beyond, an assumption under which its wide batches pay as published."""
    return 0.031 + 0.001 * (sequences - 16)


@dataclass(frozen=True)
class Outcome:
    """What a way of serving made of the requests."""

    latencies_s: NDArray[np.float64]
    """From each arrival to its end, in order of the requests."""
    ended_s: float
    steps: int
    useful_tokens: int
    computed_tokens: int
    """With what a batch computes for those who have ended."""

    @property
    def requests_per_s(self) -> float:
        return len(self.latencies_s) / self.ended_s

    @property
    def useful_share(self) -> float:
        return self.useful_tokens / self.computed_tokens

    @property
    def mean_s(self) -> float:
        return float(self.latencies_s.mean())

    def percentile_s(self, percent: float) -> float:
        return float(np.percentile(self.latencies_s, percent))


def noisy(tokens: Tokens, sigma: float, seed: int) -> NDArray[np.float64]:
    """A predictor as good as `sigma` makes it: the truth times a log-normal error. 0 is an oracle."""
    generator = np.random.default_rng(seed)
    return np.asarray(tokens * np.exp(sigma * generator.standard_normal(len(tokens))), float)


def kendall(truth: ArrayLike, guess: ArrayLike, pairs: int = 200_000, seed: int = 0) -> float:
    """Kendall's rank correlation: agreeing less disagreeing pairs, of those that differ; from a sample of the pairs."""
    true, told = np.asarray(truth, float), np.asarray(guess, float)
    left, right = np.random.default_rng(seed).integers(0, len(true), (2, pairs))
    signs = np.sign(true[left] - true[right]) * np.sign(told[left] - told[right])
    counted = signs[np.sign(true[left] - true[right]) != 0]
    return float(counted.mean()) if len(counted) else 0.0


def static(
    tokens: Tokens, guess: NDArray[np.float64] | None = None, again: bool = False, wide: bool = False
) -> Outcome:
    """Batches in order of arrival, or sorted within groups by what is expected.

    Args:
        again: answers are cut at the end of their bucket, and those that were are made anew at the end.
        wide: batches of short answers hold more of them.
    """
    now_s, steps, computed = 0.0, 0, 0
    ends = np.zeros(len(tokens))
    cut: list[int] = []

    def run(batch: Sequence[int], most: int) -> None:
        nonlocal now_s, steps, computed
        length = min(most, int(tokens[batch].max()))
        now_s += length * step_s(len(batch))
        steps += length
        computed += length * len(batch)
        for one in batch:
            if tokens[one] > most:
                cut.append(one)
            else:
                ends[one] = now_s

    for start in range(0, len(tokens), GROUP):
        group = list(range(start, min(len(tokens), start + GROUP)))
        if guess is not None:
            group.sort(key=lambda one: guess[one])
        while group:
            size, most = SLOTS, LONGEST_TOKENS
            if guess is not None and wide:
                size = _batch_size(guess, group)
            batch, group = group[:size], group[size:]
            if guess is not None and again:
                most = min(LONGEST_TOKENS, _bucket(max(guess[one] for one in batch)))
            run(batch, most)
    while cut:
        batch = cut[:SLOTS]
        del cut[:SLOTS]
        run(batch, LONGEST_TOKENS)
    return Outcome(ends, now_s, steps, int(tokens.sum()), computed)


def continuous(
    tokens: Tokens,
    guess: NDArray[np.float64] | None = None,
    arrivals_s: NDArray[np.float64] | None = None,
    keep_tail: bool = True,
) -> Outcome:
    """Slots that refill; who is next is chosen by the line. Without arrivals all come at once.

    Args:
        keep_tail: off, nothing but the expected length counts: what the line is compared with.
    """
    came = np.zeros(len(tokens)) if arrivals_s is None else arrivals_s
    order = np.argsort(came, kind="stable")
    expected = np.zeros(len(tokens)) if guess is None else guess
    line: Line | _Shortest = Line() if keep_tail else _Shortest()
    numbers: dict[Waiting, int] = {}
    ends = np.zeros(len(tokens))
    running: dict[int, int] = {}
    now_s, steps, computed, next_in = 0.0, 0, 0, 0
    while next_in < len(order) or running or len(line):
        if not running and not len(line):
            now_s = max(now_s, float(came[order[next_in]]))
        while next_in < len(order) and came[order[next_in]] <= now_s:
            number = int(order[next_in])
            one = Waiting(float(expected[number]), float(came[number]))
            numbers[one] = number
            line.add(one)
            next_in += 1
        while len(running) < SLOTS and (taken := line.take(now_s)) is not None:
            number = numbers.pop(taken)
            running[number] = int(tokens[number])
        # Nothing changes until the first of them ends or, with a slot free, somebody comes.
        ahead = min(running.values())
        each_s = step_s(len(running))
        if len(running) < SLOTS and next_in < len(order):
            ahead = min(ahead, max(1, math.ceil((came[order[next_in]] - now_s) / each_s)))
        now_s += ahead * each_s
        steps += ahead
        computed += ahead * len(running)
        for number in [number for number, left in running.items() if left <= ahead]:
            ends[number] = now_s
            del running[number]
        for number in running:
            running[number] -= ahead
    return Outcome(ends - came, now_s, steps, int(tokens.sum()), computed)


def share_within_100(truth: Tokens, guess: NDArray[np.float64]) -> float:
    """Of guesses that are at most 100 tokens off, as the paper counts them."""
    return float((np.abs(truth - np.minimum(LONGEST_TOKENS, guess)) <= 100).mean())


class _Shortest:
    """Nothing but the expected length: what starves long answers."""

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, one: Waiting) -> None:
        self._waiting.append(one)

    def take(self, now_s: float) -> Waiting | None:
        if not self._waiting:
            return None
        one = min(self._waiting, key=lambda waiting: waiting.predicted_tokens)
        self._waiting.remove(one)
        return one


def poisson(tokens: Tokens, load: float, seed: int) -> NDArray[np.float64]:
    """Arrivals at random, so many that `load` of what the slots can do is asked for."""
    full = continuous(tokens)
    mean_gap_s = 1 / (load * full.requests_per_s)
    return np.asarray(np.cumsum(np.random.default_rng(seed).exponential(mean_gap_s, len(tokens))), float)


def matching_sigma(
    tokens: Tokens, quality: float, seed: int, measure: Callable[[Tokens, NDArray[np.float64]], float]
) -> float:
    """How large the error must be for a quality that falls with it: a rank correlation, a share within bounds."""
    low, high = 0.0, 8.0
    for _ in range(30):
        middle = (low + high) / 2
        if measure(tokens, noisy(tokens, middle, seed)) > quality:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _bucket(tokens: float) -> int:
    return max(50, math.ceil(tokens / 50) * 50)


def _batch_size(guess: NDArray[np.float64], group: Sequence[int]) -> int:
    """The largest batch whose longest still allows it; under-full ones take from the next bucket."""
    for bucket, size in BATCH_BY_BUCKET.items():
        if guess[group[min(size, len(group)) - 1]] <= bucket:
            return size
    return SLOTS
