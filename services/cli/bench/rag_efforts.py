"""What more effort buys: each effort on the same questions, and the most thorough with each of its moves left out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import mean, median

from ledge.rag.v1 import rag_pb2 as pb
from ledge.rag.v1 import rag_pb2_grpc

from services.cli.answer import Answer, ask
from services.cli.bench.question_set import AskedQuestion
from services.cli.bench.rag_quality import WALL_TIME_MS, for_each
from services.cli.bench.rag_suite import COLLECTION
from services.cli.bench.report import Row
from services.kit.client import open_channel

CALIBRATED_MOVES = ("condense", "hop", "rewrite")
"""Moves that do something without a model that decides."""


@dataclass(frozen=True)
class Way:
    """One way of answering all questions."""

    name: str
    effort: "pb.Effort"
    judge: "pb.Judge" = pb.CALIBRATED
    without: tuple[str, ...] = field(default=())


FAST = Way("fast", pb.FAST)
WAYS = (
    FAST,
    Way("balanced", pb.BALANCED),
    Way("thorough", pb.THOROUGH),
    *(Way(f"thorough without {move}", pb.THOROUGH, without=(move,)) for move in CALIBRATED_MOVES),
)
DECIDED_BY_MODEL = (Way("balanced, the model decides", pb.BALANCED, pb.MODEL),)
MODEL_MOVES = ("condense", "grade", "rewrite")
ABLATED_BY_MODEL = tuple(
    Way(f"balanced, the model decides, without {move}", pb.BALANCED, pb.MODEL, (move,)) for move in MODEL_MOVES
)


async def effort_rows(address: str, questions: Sequence[AskedQuestion], *, with_model: bool) -> list[Row]:
    """Quoted answers of every effort.

    Args:
        with_model: also lets the model of the llm service decide, which takes it several calls an answer.
    """
    ways = (*WAYS, *DECIDED_BY_MODEL, *ABLATED_BY_MODEL) if with_model else WAYS
    rows: list[Row] = []
    figures: dict[str, dict[str, float]] = {}
    async with open_channel(address) as channel:
        rag = rag_pb2_grpc.RagServiceStub(channel)
        for way in ways:
            answers = await for_each(questions, partial(_answer, rag, way), way.name)
            figures[way.name] = _figures(questions, answers)
            rows += [_row(way.name, name, value, figures[FAST.name]) for name, value in figures[way.name].items()]
    return rows


def _row(way: str, figure: str, value: float, fast: dict[str, float]) -> Row:
    unit = "ms" if figure.endswith("p50") else "steps" if figure.startswith("steps") else "share"
    compared = way != FAST.name and not math.isnan(fast[figure])
    return Row(
        f"{way}: {figure}",
        value,
        unit,
        baseline=FAST.name if compared else "",
        baseline_value=fast[figure] if compared else None,
    )


async def _answer(rag: "rag_pb2_grpc.RagServiceAsyncStub", way: Way, question: AskedQuestion) -> Answer:
    request = pb.AnswerRequest(
        question=question.question,
        history=question.turns(),
        collections=[COLLECTION],
        policy=pb.QUOTE,
        effort=way.effort,
        judge=way.judge,
        without=way.without,
    )
    request.budget.wall_time_ms = WALL_TIME_MS
    return await ask(rag, request)


def _figures(questions: Sequence[AskedQuestion], answers: Sequence[Answer]) -> dict[str, float]:
    pairs = list(zip(questions, answers, strict=True))
    figures = {}
    for kind in ("one-hop", "two-hop", "follow-up"):
        of_kind = [(question, answer) for question, answer in pairs if question.kind == kind]
        if of_kind:
            figures[f"{kind} answers with the gold span"] = mean(
                answer.answered and question.is_in(answer.text) for question, answer in of_kind
            )
    for name, is_answerable in (("answerable", True), ("unanswerable", False)):
        group = [answer for question, answer in pairs if question.is_answerable is is_answerable]
        if group:
            figures[f"{name} questions refused"] = mean(not answer.answered for answer in group)
    cited = [
        question.is_answered_by(citation.passage)
        for question, answer in pairs
        if question.is_answerable
        for citation in answer.citations
    ]
    if cited:
        figures["citations whose passage holds the gold span"] = mean(cited)
    figures["budgets that ended first"] = mean(answer.done.budget_exhausted for answer in answers)
    figures["steps of the budget taken"] = mean(answer.done.steps_taken for answer in answers)
    figures["whole answer p50"] = median(answer.done.elapsed_ms for answer in answers)
    return figures
