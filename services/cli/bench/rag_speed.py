"""How fast questions are answered: the first cited sentence, whole answers, questions a second, each stage's share."""

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import mean

from ledge.rag.v1 import rag_pb2 as pb
from ledge.rag.v1 import rag_pb2_grpc
from rich.console import Console

from services.cli.bench.question_set import AskedQuestion
from services.cli.bench.rag_suite import COLLECTION
from services.cli.bench.report import Row, percentile
from services.kit.client import open_channel

WARM_UP = 32
"""Questions asked before the clock runs."""


@dataclass
class _Times:
    first_cited_ms: list[float] = field(default_factory=list)
    total_ms: list[float] = field(default_factory=list)
    steps_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    service_ms: list[float] = field(default_factory=list)


async def speed_rows(address: str, questions: Sequence[AskedQuestion], callers: int, seconds: float) -> list[Row]:
    """Callers that ask one question after the other, for that long; the policy is the model's own."""
    times = _Times()
    async with open_channel(address) as channel:
        rag = rag_pb2_grpc.RagServiceStub(channel)
        await _all(rag, itertools.islice(itertools.cycle(questions), WARM_UP), min(callers, 4), _Times())
        with Console(stderr=True, highlight=False).status(f"{callers} at a time, {seconds:.0f} s"):
            began_s = time.monotonic()
            ends_s = began_s + seconds
            endless = itertools.cycle(questions)
            await _all(rag, itertools.takewhile(lambda _: time.monotonic() < ends_s, endless), callers, times)
            elapsed_s = time.monotonic() - began_s
    who = "1 caller" if callers == 1 else f"{callers} callers"
    count = f"{len(times.total_ms)} questions"
    rows = [
        Row(f"questions answered, {who}", len(times.total_ms) / elapsed_s, "questions/s", note=count),
        Row(f"whole answer p50, {who}", percentile(times.total_ms, 50), "ms"),
    ]
    if times.first_cited_ms:
        rows += [
            Row(f"question to first cited sentence p{percent}, {who}", percentile(times.first_cited_ms, percent), "ms")
            for percent in (50, 95)
        ]
    whole_ms = sum(times.total_ms)
    for name, values in times.steps_ms.items():
        note = f"{mean(values):.1f} ms a call"
        rows.append(Row(f"share of {name}, {who}", sum(values) / whole_ms, "share", note=note))
    outside = (whole_ms - sum(times.service_ms)) / whole_ms
    rows.append(Row(f"share outside of rag (client, transport), {who}", outside, "share"))
    return rows


async def _all(
    rag: "rag_pb2_grpc.RagServiceAsyncStub", questions: Iterator[AskedQuestion], callers: int, times: _Times
) -> None:
    async def caller() -> None:
        for question in questions:
            await _ask(rag, question, times)

    await asyncio.gather(*(caller() for _ in range(callers)))


async def _ask(rag: "rag_pb2_grpc.RagServiceAsyncStub", question: AskedQuestion, times: _Times) -> None:
    request = pb.AnswerRequest(question=question.question, history=question.turns(), collections=[COLLECTION])
    asked_s = time.monotonic()
    cited = False
    async for event in rag.Answer(request):
        match event.WhichOneof("event"):
            case "citation":
                cited = True
            case "token" if cited:
                times.first_cited_ms.append((time.monotonic() - asked_s) * 1000)
                cited = False
            case "done":
                for step in event.done.steps:
                    times.steps_ms[step.name].append(step.elapsed_ms)
                times.service_ms.append(event.done.elapsed_ms)
    times.total_ms.append((time.monotonic() - asked_s) * 1000)
