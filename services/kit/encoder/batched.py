"""A sentence encoder for many asynchronous callers: one bounded queue, batches by tokens, nothing on the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from services.kit.batching import Batcher
from services.kit.encoder.text import EncodedText, TextEncoder, TokenisedText, Truncation, input_name

# Up to so many characters, going to a thread and back costs more than tokenising.
INLINE_CHARACTERS = 1000

Work = tuple[TokenisedText, bool]
"""A text, and whether its token vectors are wanted."""


class BatchedEncoder:
    """Shared by all handlers of one event loop.

    Args:
        workers: batches encoded side by side; the encoder's `inter_threads`.
        max_batch_tokens: most tokens of a batch, padding included.
        max_queue_tokens: most tokens that may wait.
        name: label of the queue's metrics.
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
        self._encoding = ThreadPoolExecutor(workers, thread_name_prefix=f"{name}-encode")
        self._tokenising = ThreadPoolExecutor(1, thread_name_prefix=f"{name}-tokenise")
        self._batcher: Batcher[Work, EncodedText] = Batcher(
            self._run,
            cost=lambda work: work[0].token_count,
            max_batch_cost=max_batch_tokens,
            max_queue_cost=max_queue_tokens,
            workers=workers,
            name=name,
        )

    async def tokenise(
        self,
        texts: Sequence[str],
        truncation: Truncation,
        *,
        prefix: str = "",
        offsets: bool = False,
        name: Callable[[int], str] = input_name,
    ) -> list[TokenisedText]:
        """As `TextTokeniser.tokenise`."""

        def work() -> list[TokenisedText]:
            return self._encoder.tokeniser.tokenise(texts, truncation, prefix=prefix, offsets=offsets, name=name)

        if sum(map(len, texts)) <= INLINE_CHARACTERS:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._tokenising, work)

    async def encode(self, texts: Sequence[TokenisedText], *, tokens: bool = False) -> list[EncodedText]:
        """One result a text, in order.

        Raises:
            Overloaded: the queue is full.
            EngineFailed: the encoder failed.
        """
        return await self._batcher.submit([(text, tokens) for text in texts])

    async def _run(self, batch: Sequence[Work]) -> Sequence[EncodedText]:
        texts = [text for text, _ in batch]
        tokens = any(wanted for _, wanted in batch)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._encoding, lambda: self._encoder.encode(texts, tokens=tokens))

    def close(self) -> None:
        """Frees the threads; call it after the last `encode` has ended."""
        self._encoding.shutdown()
        self._tokenising.shutdown()
