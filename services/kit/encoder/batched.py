"""A sentence encoder for many asynchronous callers: bounded queues, batches by tokens, nothing on the event loop."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from services.kit.batching import Batcher
from services.kit.encoder.text import EncodedText, TextEncoder, TokenisedText, Truncation, input_name

# Up to so many characters, going to a thread and back costs more than tokenising.
INLINE_CHARACTERS = 1000
# A thread is taken for so many at a time (about 50 ms), so that who leaves is forgotten and nobody waits for long.
SLICE_CHARACTERS = 100_000

Work = tuple[TokenisedText, bool]
"""A text, and whether its token vectors are wanted."""


class BatchedEncoder:
    """Shared by all handlers of one event loop.

    Urgent texts have a queue of their own: a question does not wait for the ten thousand passages that are being
    ingested, only for the batches already at work.

    Args:
        workers: batches encoded side by side; the encoder's `inter_threads`.
        max_batch_tokens: most tokens of a batch, padding included.
        max_queue_tokens: most tokens that may wait in each queue.
        name: label of the queues' metrics; the urgent one's ends in `-urgent`.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        *,
        workers: int,
        max_batch_tokens: int,
        max_queue_tokens: int,
        name: str,
    ) -> None:
        self._encoder = encoder
        # Threads for both queues: what is urgent finds one free. The encoder itself runs `workers` batches at a time.
        self._encoding = ThreadPoolExecutor(2 * workers, thread_name_prefix=f"{name}-encode")
        self._tokenising = ThreadPoolExecutor(workers, thread_name_prefix=f"{name}-tokenise")

        def queue(label: str) -> Batcher[Work, EncodedText]:
            return Batcher(
                self._run,
                cost=lambda work: work[0].token_count,
                max_batch_cost=max_batch_tokens,
                max_queue_cost=max_queue_tokens,
                workers=workers,
                name=label,
            )

        self._patient = queue(name)
        self._urgent = queue(f"{name}-urgent")

    async def tokenise(
        self,
        texts: Sequence[str],
        truncation: Truncation,
        *,
        prefix: str = "",
        offsets: bool = False,
        name: Callable[[int], str] = input_name,
    ) -> list[TokenisedText]:
        """As `TextTokeniser.tokenise`, off the event loop where it takes long."""
        tokenise = partial(self._encoder.tokeniser.tokenise, truncation=truncation, prefix=prefix, offsets=offsets)
        if sum(map(len, texts)) <= INLINE_CHARACTERS:
            return tokenise(texts, name=name)
        loop = asyncio.get_running_loop()
        tokenised: list[TokenisedText] = []
        for start, stop in _slices([len(text) for text in texts], SLICE_CHARACTERS):
            work = partial(tokenise, texts[start:stop], name=lambda index, start=start: name(start + index))
            tokenised += await loop.run_in_executor(self._tokenising, work)
        return tokenised

    async def encode(
        self, texts: Sequence[TokenisedText], *, tokens: bool = False, urgent: bool = False
    ) -> list[EncodedText]:
        """One result a text, in order.

        Raises:
            Overloaded: the queue is full.
            EngineFailed: the encoder failed.
        """
        queue = self._urgent if urgent else self._patient
        return await queue.submit([(text, tokens) for text in texts])

    async def _run(self, batch: Sequence[Work]) -> Sequence[EncodedText]:
        texts, tokens = zip(*batch, strict=True)
        return await asyncio.get_running_loop().run_in_executor(self._encoding, self._encoder.encode, texts, tokens)

    def close(self) -> None:
        """Frees the threads; call it after the last `encode` has ended."""
        self._encoding.shutdown()
        self._tokenising.shutdown()


def _slices(costs: Sequence[int], budget: int) -> Iterator[tuple[int, int]]:
    """Start and stop of consecutive runs that cost `budget` at most, or are a single item."""
    start = spent = 0
    for index, cost in enumerate(costs):
        if index > start and spent + cost > budget:
            yield start, index
            start, spent = index, 0
        spent += cost
    if costs:
        yield start, len(costs)
