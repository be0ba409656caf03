"""MaxSim over the token vectors of a sentence encoder; vectors that come with the request are not made again."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from typing import TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from services.kit.encoder.batched import BatchedEncoder
from services.kit.encoder.loading import LoadedEncoder, load_encoder
from services.kit.encoder.text import EncodedText, TokenisedText, Truncation, Vectors
from services.kit.errors import EngineFailed, InvalidInput
from services.kit.token_vectors import TokenMatrix
from services.reranking.config import RerankingConfig
from services.reranking.engine import Model, Passage, Query, Score, Segment
from services.reranking.max_sim import best_similarities, mean_over_query

Result = TypeVar("Result")

# Rounding to bytes changes the length of a row by a hundredth or two.
LENGTH_TOLERANCE = 1.1
# Token vectors that a call holds at a time, 12 MB at 384 dimensions; a thousand long passages would take half a GB.
HELD_TOKENS = 8192
# Means of so few numbers are faster than going to a thread and back.
INLINE_NUMBERS = 20_000


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
        truncation = Truncation.END if truncate else Truncation.NONE
        parts = [list(passage.segments) or [Segment(passage.text)] for passage in passages]
        missing = await self._tokenise(parts, truncation)
        asked = await self._asked(query, truncation)
        best = await self._best(asked, list(chain.from_iterable(parts)), missing)
        work = partial(_scores, best, query.weights, [len(segments) for segments in parts])
        totals, of_parts = work() if best.size <= INLINE_NUMBERS else await self._in_thread(work)
        scores = zip(passages, totals, of_parts, strict=True)
        return [Score(total, own if passage.segments else ()) for passage, total, own in scores]

    async def close(self) -> None:
        self._encoder.close()
        self._scoring.shutdown()

    async def _tokenise(self, parts: Sequence[Sequence[Segment]], truncation: Truncation) -> dict[int, TokenisedText]:
        """What has no vectors, by its place among all parts."""
        places = [(i, j) for i, segments in enumerate(parts) for j in range(len(segments))]
        missing = [place for place, (i, j) in enumerate(places) if parts[i][j].vectors is None]

        def name(index: int) -> str:
            i, j = places[missing[index]]
            return f"passage {i}, segment {j}" if len(parts[i]) > 1 else f"passage {i}"

        texts = [parts[i][j].text for i, j in (places[place] for place in missing)]
        tokenised = await self._encoder.tokenise(texts, truncation, prefix=self._passage_prefix, name=name)
        return dict(zip(missing, tokenised, strict=True))

    async def _asked(self, query: Query, truncation: Truncation) -> Vectors:
        """The query's token vectors: at least one row, all of length 1."""
        if query.vectors is None:
            tokenised = await self._encoder.tokenise(
                [query.text], truncation, prefix=self._query_prefix, name=lambda _: "the query"
            )
            (encoded,) = await self._encoder.encode(tokenised, tokens=True, urgent=True)
            asked = _rows(encoded)
            if not len(asked):
                raise InvalidInput("the query holds no word")
            return asked
        asked = query.vectors.to_float32()
        with np.errstate(over="ignore"):
            lengths = np.linalg.norm(asked, axis=1)
        # Written so that what is no number fails too.
        if not ((lengths > 1 / LENGTH_TOLERANCE) & (lengths < LENGTH_TOLERANCE)).all():
            raise InvalidInput("the vectors of the query must be finite and of length 1")
        return asked

    async def _best(self, asked: Vectors, parts: Sequence[Segment], missing: dict[int, TokenisedText]) -> Vectors:
        """For each part and each token of the query the best cosine."""
        best = np.empty((len(parts), len(asked)), np.float32)
        brought = {place: part.vectors for place, part in enumerate(parts) if part.vectors is not None}
        if brought:
            best[list(brought)] = await self._in_thread(partial(best_similarities, asked, list(brought.values())))
        for places in _groups(missing):
            encoded = await self._encoder.encode([missing[place] for place in places], tokens=True)
            matrices = [TokenMatrix(_rows(one)) for one in encoded]
            best[places] = await self._in_thread(partial(best_similarities, asked, matrices))
        return best

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._scoring, work)


def _rows(encoded: EncodedText) -> Vectors:
    if encoded.tokens is None:
        raise EngineFailed("the encoder made no token vectors")
    return encoded.tokens


def _groups(texts: dict[int, TokenisedText]) -> Iterator[list[int]]:
    """The places, so many at a time as may be held together."""
    group: list[int] = []
    tokens = 0
    for place, text in texts.items():
        if group and tokens + text.token_count > HELD_TOKENS:
            yield group
            group, tokens = [], 0
        group.append(place)
        tokens += text.token_count
    if group:
        yield group


def _scores(best: Vectors, weights: Vectors | None, counts: Sequence[int]) -> tuple[list[float], list[list[float]]]:
    """Scores of the passages, which consist of `counts` parts each, and of each passage's parts."""
    ends = np.cumsum(counts, dtype=np.intp)
    cosines = (np.abs(best) < LENGTH_TOLERANCE).all(axis=1)
    if not cosines.all():
        passage = int(np.searchsorted(ends, np.argmin(cosines), side="right"))
        raise InvalidInput(f"the vectors of passage {passage} must be finite and of length 1")
    totals: list[float] = mean_over_query(
        np.maximum.reduceat(best, ends - np.array(counts, np.intp), axis=0), weights
    ).tolist()
    of_parts: list[float] = mean_over_query(best, weights).tolist()
    return totals, [of_parts[end - count : end] for count, end in zip(counts, ends.tolist(), strict=True)]


def load_late_interaction(config: RerankingConfig) -> LateInteraction:
    """Blocks and raises as `load_encoder`."""
    # Otherwise each of numpy's products takes all cores, and waits for those that other processes hold.
    threadpool_limits(config.threads_per_worker, user_api="blas")
    return LateInteraction(load_encoder(config, "reranking"), config)
