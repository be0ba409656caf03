"""How well questions are answered: passages found by each way of searching, answers right, wrong and refused.

A passage is right when it is of the question's documents and holds a gold string. An answer is right when its text
holds one. A citation is counted three times: by the words it points at, by the passage that they stand in, and by its
document.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from statistics import mean
from typing import TypeVar

from ledge.rag.v1 import rag_pb2 as pb
from ledge.rag.v1 import rag_pb2_grpc
from rich.console import Console

from services.cli.answer import Answer, ask
from services.cli.bench.question_set import AskedQuestion
from services.cli.bench.rag_suite import COLLECTION
from services.cli.bench.report import Row
from services.kit.client import open_channel

Result = TypeVar("Result")

MODES = {
    "dense alone": pb.DENSE,
    "BM25 alone": pb.TEXT,
    "hybrid": pb.HYBRID,
    "hybrid and reranking": pb.HYBRID_RERANKED,
}
BEST = "hybrid and reranking"
POLICIES = {"quote": pb.QUOTE, "compose": pb.COMPOSE}
PASSAGES = 20
CALLERS = 4
WALL_TIME_MS = 300_000


async def quality_rows(address: str, questions: Sequence[AskedQuestion], policies: Sequence[str]) -> list[Row]:
    """Searches in every way, and asks every question of each policy ("quote", "compose")."""
    async with open_channel(address) as channel:
        rag = rag_pb2_grpc.RagServiceStub(channel)
        rows = await _search_rows(rag, [question for question in questions if question.kind == "one-hop"])
        for name in policies:
            answers = await for_each(questions, partial(_answer, rag, POLICIES[name]), name)
            rows += _answer_rows(name, questions, answers)
    return rows


async def _search_rows(rag: "rag_pb2_grpc.RagServiceAsyncStub", questions: Sequence[AskedQuestion]) -> list[Row]:
    if not questions:
        return []
    figures: dict[str, tuple[float, float]] = {}
    for name, mode in MODES.items():
        ranks = await for_each(questions, partial(_rank, rag, mode), name)
        figures[name] = (
            mean(rank is not None and rank <= 5 for rank in ranks),
            mean(1 / rank if rank else 0.0 for rank in ranks),
        )
    note = f"{len(questions)} one-hop questions"
    return [
        Row(
            f"{figure}, {BEST}",
            figures[BEST][place],
            "share",
            baseline=name,
            baseline_value=figures[name][place],
            note=note,
        )
        for place, figure in enumerate(("recall@5", f"mean reciprocal rank of {PASSAGES}"))
        for name in MODES
        if name != BEST
    ]


async def _rank(
    rag: "rag_pb2_grpc.RagServiceAsyncStub", mode: "pb.RetrievalMode", question: AskedQuestion
) -> int | None:
    request = pb.SearchRequest(collections=[COLLECTION], query=question.question, limit=PASSAGES, mode=mode)
    response = await rag.Search(request)
    ranks = (rank for rank, passage in enumerate(response.passages, 1) if question.is_answered_by(passage))
    return next(ranks, None)


async def _answer(rag: "rag_pb2_grpc.RagServiceAsyncStub", policy: "pb.Policy", question: AskedQuestion) -> Answer:
    request = pb.AnswerRequest(
        question=question.question, history=question.turns(), collections=[COLLECTION], policy=policy
    )
    # What is measured is quality: a busy machine must not turn a composed answer into a quotation.
    request.budget.wall_time_ms = WALL_TIME_MS
    return await ask(rag, request)


def _answer_rows(policy: str, questions: Sequence[AskedQuestion], answers: Sequence[Answer]) -> list[Row]:
    pairs = list(zip(questions, answers, strict=True))
    rows = []
    for kind in ("one-hop", "two-hop", "follow-up"):
        of_kind = [(question, answer) for question, answer in pairs if question.kind == kind]
        if of_kind:
            right = mean(answer.answered and question.is_in(answer.text) for question, answer in of_kind)
            rows.append(Row(f"{policy}: {kind} answers with the gold span", right, "share", note=_of(of_kind)))
    answerable = [(question, answer) for question, answer in pairs if question.is_answerable]
    unanswerable = [(question, answer) for question, answer in pairs if not question.is_answerable]
    for name, group in (("answerable", answerable), ("unanswerable", unanswerable)):
        if group:
            refused = mean(not answer.answered for _, answer in group)
            rows.append(Row(f"{policy}: {name} questions refused", refused, "share", note=_of(group)))
    rows += _citation_rows(policy, answerable)
    sentences = [len(answer.citations) for _, answer in answerable if answer.answered]
    if sentences and policy == "quote":
        note = f"at most {max(sentences)}"
        rows.append(Row(f"{policy}: sentences quoted", mean(sentences), "sentences", note=note))
    if policy == "compose":
        answered = [answer for _, answer in pairs if answer.answered]
        written = [answer.done.completion_tokens > 0 and "llm" not in answer.done.degraded for answer in answered]
        if answered:
            rows.append(Row(f"{policy}: answers that the model wrote", mean(written), "share", note=_of(answered)))
        made_up = mean(bool(answer.replaced) for _, answer in answerable)
        rows.append(Row(f"{policy}: answers with a sentence replaced by the quotation", made_up, "share"))
    return rows


def _citation_rows(policy: str, answerable: Sequence[tuple[AskedQuestion, Answer]]) -> list[Row]:
    cited = [(question, citation) for question, answer in answerable for citation in answer.citations]
    if not cited:
        return []
    words = mean(question.is_in(citation.passage.text[citation.start : citation.end]) for question, citation in cited)
    passages = mean(question.is_answered_by(citation.passage) for question, citation in cited)
    documents = mean(question.is_of(citation.passage) for question, citation in cited)
    note = f"{len(cited)} citations"
    return [
        Row(f"{policy}: citations whose words hold the gold span", words, "share", note=note),
        Row(f"{policy}: citations whose passage holds the gold span", passages, "share", note=note),
        Row(f"{policy}: citations of a document that the answer stands in", documents, "share", note=note),
    ]


def _of(group: Sequence[object]) -> str:
    return f"{len(group)} questions"


async def for_each(
    questions: Sequence[AskedQuestion], work: Callable[[AskedQuestion], Awaitable[Result]], name: str
) -> list[Result]:
    turn = asyncio.Semaphore(CALLERS)
    console = Console(stderr=True, highlight=False)
    done = 0
    with console.status(name) as status:

        async def one(question: AskedQuestion) -> Result:
            nonlocal done
            async with turn:
                result = await work(question)
            done += 1
            status.update(f"{name}: {done} of {len(questions)} questions")
            return result

        return list(await asyncio.gather(*map(one, questions)))
