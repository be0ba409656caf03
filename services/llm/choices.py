"""Runs the answers of one request side by side, each in its turn, and tells their pieces as they come."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from services.llm.admission import Admission
from services.llm.engine import Engine, Job, Piece
from services.llm.metrics import AnswerMeter

MAX_PIECES_AHEAD = 64
"""Pieces of several choices that a slow reader has not taken yet."""


async def generate(
    engine: Engine, admission: Admission, jobs: Sequence[Job], priority: int
) -> AsyncGenerator[tuple[int, Piece], None]:
    """Pieces, each with the index of its choice. Closing it ends all the choices.

    Raises:
        Overloaded: the queue has no room for all of them.
        Whatever the engine raises for one of them; the others end.
    """
    if len(jobs) == 1:
        async with aclosing(_one(engine, admission, jobs[0], priority)) as pieces:
            async for piece in pieces:
                yield 0, piece
        return
    admission.check(len(jobs))
    told: asyncio.Queue[tuple[int, Piece] | Exception] = asyncio.Queue(MAX_PIECES_AHEAD)

    async def tell(index: int, job: Job) -> None:
        try:
            async with aclosing(_one(engine, admission, job, priority)) as pieces:
                async for piece in pieces:
                    await told.put((index, piece))
        except Exception as error:
            await told.put(error)

    choices = [asyncio.create_task(tell(index, job)) for index, job in enumerate(jobs)]
    try:
        unfinished = len(choices)
        while unfinished:
            news = await told.get()
            if isinstance(news, Exception):
                raise news
            unfinished -= news[1].finish is not None
            yield news
    finally:
        for choice in choices:
            choice.cancel()
        await asyncio.gather(*choices, return_exceptions=True)


async def _one(engine: Engine, admission: Admission, job: Job, priority: int) -> AsyncGenerator[Piece, None]:
    meter = AnswerMeter()
    async with admission.turn(priority, job.predicted_tokens) as turn, aclosing(engine.generate(job)) as pieces:
        async for piece in pieces:
            meter.measure(piece)
            if piece.usage is not None:
                turn.answer_tokens = piece.usage.completion_tokens
                meter.compare(job.predicted_tokens, piece)
            yield piece
