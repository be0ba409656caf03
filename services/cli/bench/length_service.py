"""A backlog for a real llm service, in order of arrival and by expected length; what it learns from it answers first.
Beside the guess from words stands what the model itself says when it is asked.

The questions are made from templates, so the predictor's task is easier than with people's questions: the table says
how well it did. Its training questions are about other things than the backlog's.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from ledge.llm.v1 import llm_pb2 as pb
from ledge.llm.v1 import llm_pb2_grpc as rpc

from services.cli.bench import length_asked
from services.cli.bench.engine_settings import engine_settings
from services.cli.bench.length_simulator import kendall
from services.cli.bench.report import Row, percentile
from services.cli.bench.running import RunningService
from services.estimates.lexical.model import write_json
from services.estimates.lexical.training import read_texts, train
from services.kit.client import open_channel
from services.kit.errors import from_rpc
from services.llm.length import GUESSES

MOST_TOKENS = 256
TEMPLATES = (
    "Name one kind of {}. Answer with one word.", "Is it true that {} are old? Answer yes or no.",
    "Give a synonym of the word {}.", "Write one sentence about {}.", "What are {}?",
    "List three facts about {}.", "List ten things one needs to know about {}.", "Explain in detail how {} are made.",
    "Write a short poem about {}.", "Write a long story about {}.", "Summarise the history of {} in two sentences.",
    "Write an essay about {} with an introduction, three arguments and a conclusion.",
)  # fmt: skip
TOPICS = (
    "rivers", "pumps", "bridges", "clocks", "bread", "glass", "ships", "maps", "wells", "storms", "gardens", "engines",
    "paper", "salt", "towers", "roads", "candles", "horses", "boats", "letters", "mirrors", "kites", "violins",
    "lanterns", "tunnels", "markets", "forests", "coins", "wheels", "boots", "islands", "ovens", "statues", "ropes",
    "windows", "stairs", "trains", "apples", "drums", "nets",
)  # fmt: skip


@dataclass(frozen=True)
class Answered:
    """One call of a backlog."""

    question: str
    tokens: int
    latency_s: float


async def through_service(engine: str, count: int, slots: int, rounds: int, seed: int) -> list[Row]:
    """Raises EngineFailed where the service does not start, and what its calls raise."""
    settings = {**engine_settings(engine), "LEDGE_SLOTS": str(slots), "LEDGE_QUEUE_CALLS": "1000"}
    generator = np.random.default_rng(seed)
    half = len(TOPICS) // 2
    training = _questions(max(2 * len(TEMPLATES), count), TOPICS[:half], generator)
    backlog = _questions(count, TOPICS[half:], generator)
    with tempfile.TemporaryDirectory() as folder, RunningService("llm", settings) as plain:
        learned = await _backlog(plain.address, training)
        file = Path(folder) / "length.json"
        model = train(
            read_texts([one.question for one in learned]),
            [float(np.log1p(one.tokens)) for one in learned],
            GUESSES,
            {"data": "the templates of ledge bench length", "engine": engine, "seed": seed},
            ridge=3.0,
        )
        write_json(file, model.to_json())
        by_arrival, by_length, by_truth = [], [], []
        with RunningService("llm", {**settings, "LEDGE_LENGTH_FILE": str(file)}) as guessing:
            await _backlog(guessing.address, backlog[:2])
            for _ in range(rounds):
                by_arrival.append(await _backlog(plain.address, backlog))
                by_length.append(await _backlog(guessing.address, backlog))
                # What a predictor that is never wrong would do to the mean: in the order of what came the first time.
                known = sorted(by_arrival[0], key=lambda answer: answer.tokens)
                by_truth.append(await _backlog(plain.address, [answer.question for answer in known]))
        async with open_channel(plain.address) as channel:
            try:
                stub: Any = rpc.LlmServiceStub(channel)
                asked = [await length_asked.ask(stub, way, backlog) for way in length_asked.WAYS]
            except grpc.aio.AioRpcError as error:
                raise from_rpc(error) from error
    told = [one.tokens for one in by_arrival[0]]
    guessed = [float(np.expm1(model.score(one.question))) for one in by_arrival[0]]
    from_words = kendall(told, guessed)
    note = (
        f"rank correlation {from_words:.2f} on topics unseen in training; "
        f"answers of {min(told)} to {max(told)} tokens, mean {statistics.fmean(told):.0f}"
    )
    name = f"{engine}, backlog of {count}, {slots} slots"
    return [
        _row(f"{name}: mean latency", "s", by_length, by_arrival, _mean_s, note),
        _row(f"{name}: mean latency, were the lengths known", "s", by_truth, by_arrival, _mean_s, "the most there is"),
        _row(f"{name}: latency p50", "s", by_length, by_arrival, lambda one: percentile(_latencies(one), 50), ""),
        _row(f"{name}: latency p99", "s", by_length, by_arrival, lambda one: percentile(_latencies(one), 99), ""),
        _row(
            f"{name}: throughput",
            "tokens/s",
            by_length,
            by_arrival,
            lambda one: sum(answer.tokens for answer in one) / max(_latencies(one)),
            f"median of {rounds} interleaved",
        ),
        *(length_asked.row(engine, one, told, from_words) for one in asked),
    ]


def _row(
    name: str, unit: str, line: Sequence[list[Answered]], by_arrival: Sequence[list[Answered]], of: Any, note: str
) -> Row:
    ours, theirs = statistics.median(map(of, line)), statistics.median(map(of, by_arrival))
    return Row(name, ours, unit, baseline="in order of arrival", baseline_value=theirs, note=note)


def _mean_s(answers: Sequence[Answered]) -> float:
    return statistics.fmean(_latencies(answers))


def _latencies(answers: Sequence[Answered]) -> list[float]:
    return [one.latency_s for one in answers]


def _questions(count: int, topics: Sequence[str], generator: np.random.Generator) -> list[str]:
    """Each template as often as the others, in random order."""
    chosen = [
        TEMPLATES[number % len(TEMPLATES)].format(topics[number // len(TEMPLATES) % len(topics)])
        for number in range(count)
    ]
    return [chosen[place] for place in generator.permutation(count)]


async def _backlog(address: str, questions: Sequence[str]) -> list[Answered]:
    """All asked at once."""
    async with AsyncExitStack() as stack:
        channel = await stack.enter_async_context(open_channel(address))
        await channel.channel_ready()
        stub: Any = rpc.LlmServiceStub(channel)
        began_s = time.perf_counter()

        async def ask(question: str) -> Answered:
            request = pb.ChatRequest(
                messages=[pb.Message(role=pb.Message.USER, content=question)],
                sampling=pb.Sampling(temperature=0, max_tokens=MOST_TOKENS),
            )
            response = await stub.Chat(request)
            return Answered(question, response.usage.completion_tokens, time.perf_counter() - began_s)

        try:
            return await asyncio.gather(*map(ask, questions))
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from error
