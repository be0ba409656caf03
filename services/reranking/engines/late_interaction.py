"""MaxSim over the token vectors of a sentence encoder; vectors that come with the request are not made again."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from services.kit.encoder.batched import BatchedEncoder
from services.kit.encoder.loading import LoadedEncoder, load_encoder
from services.kit.encoder.text import EncodedText, Truncation, Vectors
from services.kit.errors import EngineFailed, InvalidInput
from services.kit.token_vectors import TokenMatrix
from services.reranking.config import RerankingConfig
from services.reranking.engine import Model, Passage, Query, Score, Segment
from services.reranking.max_sim import best_similarities, mean_over_query

# Rounding to bytes changes the length of a row by a hundredth or two.
LENGTH_TOLERANCE = 1.1


class LateInteraction:
    """Shared by all calls of one event loop; what they have to encode is batched by tokens."""

    def __init__(self, loaded: LoadedEncoder, config: RerankingConfig) -> None:
        self.model = Model(
            id=loaded.entry.id,
            engine="late-interaction",
            max_tokens=loaded.encoder.layout.max_tokens,
            dimensions=loaded.encoder.dimensions,
            licence=loaded.entry.licence,
            commercial_use=loaded.entry.commercial_use,
        )
        self._query_prefix = loaded.query_prefix
        self._passage_prefix = loaded.passage_prefix
        self._encoder = BatchedEncoder(
            loaded.encoder,
            workers=config.workers,
            max_batch_tokens=config.max_batch_tokens,
            max_queue_tokens=config.max_queue_tokens,
            name="reranking",
        )
        self._scoring = ThreadPoolExecutor(config.workers, thread_name_prefix="reranking-score")

    async def score(self, query: Query, passages: Sequence[Passage], *, truncate: bool) -> list[Score]:
        parts = [passage.segments or (Segment(passage.text),) for passage in passages]
        asked, matrices = await self._matrices(query, parts, Truncation.END if truncate else Truncation.NONE)
        counts = [len(segments) for segments in parts]
        loop = asyncio.get_running_loop()
        totals, of_parts = await loop.run_in_executor(self._scoring, _scores, asked, query.weights, matrices, counts)
        ends = np.cumsum(counts).tolist()
        return [
            Score(total, of_parts[end - count : end] if passage.segments else ())
            for passage, total, count, end in zip(passages, totals, counts, ends, strict=True)
        ]

    async def close(self) -> None:
        self._encoder.close()
        self._scoring.shutdown()

    async def _matrices(
        self, query: Query, parts: Sequence[Sequence[Segment]], truncation: Truncation
    ) -> tuple[Vectors, list[TokenMatrix]]:
        """Token vectors of the query and of every segment in order; what lacks them is encoded in one go."""
        missing = [
            (i, j) for i, segments in enumerate(parts) for j, part in enumerate(segments) if part.vectors is None
        ]

        def name(index: int) -> str:
            passage, segment = missing[index]
            return f"passage {passage}, segment {segment}" if len(parts[passage]) > 1 else f"passage {passage}"

        texts = [parts[i][j].text for i, j in missing]
        tokenised = await self._encoder.tokenise(texts, truncation, prefix=self._passage_prefix, name=name)
        if query.vectors is None:
            tokenised += await self._encoder.tokenise(
                [query.text], truncation, prefix=self._query_prefix, name=lambda _: "the query"
            )
        encoded = await self._encoder.encode(tokenised, tokens=True)
        asked = _rows(encoded.pop()) if query.vectors is None else query.vectors.to_float32()
        if not len(asked):
            raise InvalidInput("the query holds no word")
        with np.errstate(over="ignore"):
            lengths = np.linalg.norm(asked, axis=1)
        # Written so that what is no number fails too.
        if not ((lengths > 1 / LENGTH_TOLERANCE) & (lengths < LENGTH_TOLERANCE)).all():
            raise InvalidInput("the vectors of the query must be finite and of length 1")
        made = iter(encoded)
        return asked, [part.vectors or TokenMatrix(_rows(next(made))) for segments in parts for part in segments]


def _rows(encoded: EncodedText) -> Vectors:
    if encoded.tokens is None:
        raise EngineFailed("the encoder made no token vectors")
    return encoded.tokens


def _scores(
    query: Vectors, weights: Vectors | None, matrices: Sequence[TokenMatrix], counts: Sequence[int]
) -> tuple[list[float], list[float]]:
    """Scores of the passages, which consist of `counts` matrices each, and of the matrices."""
    best = best_similarities(query, matrices)
    starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
    cosines = (np.abs(best) < LENGTH_TOLERANCE).all(axis=1)
    if not cosines.all():
        passage = int(np.searchsorted(starts, np.argmin(cosines), side="right")) - 1
        raise InvalidInput(f"the vectors of passage {passage} must be finite and of length 1")
    of_passages = mean_over_query(np.maximum.reduceat(best, starts, axis=0), weights)
    totals: list[float] = of_passages.tolist()
    of_matrices: list[float] = mean_over_query(best, weights).tolist()
    return totals, of_matrices


def load_late_interaction(config: RerankingConfig) -> LateInteraction:
    """Blocks and raises as `load_encoder`."""
    # Otherwise each of numpy's products takes all cores, and waits for those that other processes hold.
    threadpool_limits(config.threads_per_worker, user_api="blas")
    return LateInteraction(load_encoder(config, "reranking"), config)
