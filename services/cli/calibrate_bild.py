"""`ledge calibrate-bild`: the thresholds of Big Little decoding that need the big model least, for one's own questions.

Asks a running hybrid service each question with each pair of thresholds, and the big model's VerifierService what it
thinks of the answers. Quality is the mean −log p of an answer's tokens under the big model, beside its own answer's.
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import grpc
import typer
from ledge.llm.v1 import llm_pb2 as pb
from ledge.llm.v1 import llm_pb2_grpc as rpc

from services.cli.bench.report import JsonFile, Report, Row
from services.cli.bench.two_models import numbers
from services.kit.client import open_channel
from services.kit.errors import EngineFailed, InvalidInput, from_rpc

MAX_QUESTIONS = 1000
BUT = "set LEDGE_BILD_KEEP=true on it, and give the tenant a budget"


@dataclass(frozen=True)
class Measured:
    """All questions with one pair of thresholds."""

    fallback: float
    rollback: float
    big_calls: int
    tokens: int
    negative_logprob: float
    answers: tuple[str, ...]

    @property
    def calls_per_token(self) -> float:
        return self.big_calls / max(1, self.tokens)


def command(
    questions: Annotated[Path, typer.Option(help="One question a line.", show_default=False)],
    hybrid: Annotated[str, typer.Option(help="Where the hybrid service listens.")] = "127.0.0.1:50110",
    big: Annotated[
        str, typer.Option(help="Where the big model's llm service listens.", envvar="LEDGE_BIG_ADDRESS")
    ] = "",
    fallback: Annotated[str, typer.Option(help="Thresholds of fallback to try.")] = "0,0.2,0.4,0.6,0.8",
    rollback: Annotated[str, typer.Option(help="Thresholds of rollback to try.")] = "0,1,2,3,5",
    tokens: Annotated[int, typer.Option(min=8, help="Most tokens of an answer.")] = 64,
    loss: Annotated[float, typer.Option(min=0, help="Most loss in −log p, as a share.")] = 0.05,
    json_file: JsonFile = None,
) -> None:
    """Fit the thresholds of Big Little decoding to your questions: fewest calls of the big model within a loss."""
    if not big:
        raise InvalidInput("--big, or LEDGE_BIG_ADDRESS, must say where the big model's llm service listens")
    asked = read_questions(questions)
    grid = [(one, other) for one in numbers(fallback) for other in numbers(rollback)]
    try:
        told = asyncio.run(_measure(hybrid, big, asked, grid, tokens))
    except grpc.aio.AioRpcError as error:
        raise from_rpc(error) from error
    own, tried = told[0], told[1:]
    rows = [_row(each, own) for each in tried]
    within = [each for each in tried if each.negative_logprob <= own.negative_logprob * (1 + loss)]
    if within:
        best = min(within, key=lambda each: (each.calls_per_token, each.negative_logprob))
        rows.append(
            Row(
                f"fewest calls within {loss:.0%}",
                best.calls_per_token,
                "calls/token",
                note=f"LEDGE_BILD_FALLBACK={best.fallback:g} LEDGE_BILD_ROLLBACK={best.rollback:g}",
            )
        )
    Report("bild thresholds", rows).publish(json_file)


def read_questions(path: Path) -> list[str]:
    """Raises InvalidInput for a file that holds none, or too many."""
    try:
        found = [line.strip() for line in path.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read as text") from error
    if not 1 <= len(found) <= MAX_QUESTIONS:
        raise InvalidInput(f"{path} holds {len(found)} questions; 1 to {MAX_QUESTIONS} are wanted")
    return found


async def _measure(
    hybrid: str, big: str, questions: Sequence[str], grid: Sequence[tuple[float, float]], tokens: int
) -> list[Measured]:
    """First the big model's own answers, then each pair of thresholds."""
    key = os.environ.get("LEDGE_API_KEY")
    shown = (("authorization", f"Bearer {key}"),) if key else ()
    async with open_channel(hybrid) as channel, open_channel(big) as big_channel:
        llm, verifier = rpc.LlmServiceStub(channel), rpc.VerifierServiceStub(big_channel)
        told = []
        for fallback, rollback in [(0.5, 0.0), *grid]:
            answers, calls, spent, total, scored = [], 0, 0, 0.0, 0
            for question in questions:
                text, big_calls, answered = await _answer(llm, question, fallback, rollback, tokens, shown)
                answers.append(text)
                calls, spent = calls + big_calls, spent + answered
                logprobs = await _scores(llm, verifier, question, text, shown)
                total, scored = total + sum(logprobs), scored + len(logprobs)
            told.append(Measured(fallback, rollback, calls, spent, total / max(1, scored), tuple(answers)))
        return told


async def _answer(
    llm: Any, question: str, fallback: float, rollback: float, tokens: int, shown: Any
) -> tuple[str, int, int]:
    """Text, calls of the big model, tokens. Raises EngineFailed where it was answered in another way."""
    choice = pb.Hybrid(mode=pb.Hybrid.BILD, fallback_threshold=fallback, rollback_threshold=rollback)
    sampling = pb.Sampling(temperature=0, max_tokens=tokens)
    call = llm.Chat(pb.ChatRequest(messages=_messages(question), sampling=sampling, hybrid=choice), metadata=shown)
    answer = await call
    notes = {key: str(value) for key, value in await call.trailing_metadata()}
    why = notes.get("ledge-hybrid-why", "it is no hybrid service")
    if notes.get("ledge-hybrid-answered-by") != "both" or why != "request":
        raise EngineFailed(f"the hybrid service did not decode so ({why}): {BUT}")
    return answer.choices[0].message.content, int(notes["ledge-hybrid-big-calls"]), answer.usage.completion_tokens


async def _scores(llm: Any, verifier: Any, question: str, text: str, shown: Any) -> list[float]:
    """−log p of the answer's tokens under the big model."""
    prompt = await llm.Tokenize(
        pb.TokenizeRequest(messages=pb.MessageList(messages=_messages(question))), metadata=shown
    )
    told = await llm.Tokenize(pb.TokenizeRequest(text=text), metadata=shown)
    if not told.token_ids:
        return []
    call = verifier.Verify(metadata=shown)
    opened = pb.VerifyOpen(tokenizer_sha256=prompt.vocabulary_sha256, prompt_token_ids=prompt.token_ids)
    await call.write(pb.VerifyRequest(open=opened))
    draft = pb.VerifyDraft(position=len(prompt.token_ids), token_ids=told.token_ids)
    await call.write(pb.VerifyRequest(draft=draft))
    scores = await call.read()
    call.cancel()
    return list(scores.negative_logprobs)


def _messages(question: str) -> list[pb.Message]:
    return [pb.Message(role=pb.Message.USER, content=question)]


def _row(each: Measured, own: Measured) -> Row:
    same = sum(mine == its for mine, its in zip(each.answers, own.answers, strict=True))
    # A big model that is certain of every word has no loss to be measured by.
    loss = f" ({each.negative_logprob / own.negative_logprob - 1:+.1%})" if own.negative_logprob else ""
    return Row(
        f"FB {each.fallback:g}, RB {each.rollback:g}",
        each.calls_per_token,
        "calls/token",
        note=f"−log p {each.negative_logprob:.3f}{loss}, {same} of {len(own.answers)} answers the big model's own",
    )
