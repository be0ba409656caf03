"""An embedding engine over any text encoder: prefixes by input type, batching by tokens across callers."""

from collections.abc import Mapping, Sequence

from services.embedding.config import EmbeddingConfig
from services.embedding.engine import Embedded, InputType, Model
from services.kit.encoder.batched import BatchedEncoder
from services.kit.encoder.text import TextEncoder, Truncation
from services.kit.errors import InvalidInput


class BatchedEngine:
    """The engine of every library that offers a blocking encoder. Shared by all calls of one event loop."""

    def __init__(
        self, encoder: TextEncoder, model: Model, prefixes: Mapping[InputType, str], config: EmbeddingConfig
    ) -> None:
        self.model = model
        self._prefixes = prefixes
        self._encoder = BatchedEncoder(
            encoder,
            workers=config.workers,
            max_batch_tokens=config.max_batch_tokens,
            max_queue_tokens=config.max_queue_tokens,
            name="embedding",
        )

    async def embed(
        self, texts: Sequence[str], input_type: InputType, truncation: Truncation, *, max_token_rows: int | None = None
    ) -> list[Embedded]:
        tokens = max_token_rows is not None
        prefix = self._prefixes.get(input_type, "")
        tokenised = await self._encoder.tokenise(texts, truncation, prefix=prefix, offsets=tokens)
        if max_token_rows is not None:
            rows = sum(text.rows.stop - text.rows.start for text in tokenised)
            if rows > max_token_rows:
                raise InvalidInput(
                    f"the inputs have {rows} tokens, an answer holds {max_token_rows} token vectors: send fewer texts"
                )
        encoded = await self._encoder.encode(tokenised, tokens=tokens, urgent=input_type is InputType.QUERY)
        return [
            Embedded(vectors.dense, vectors.tokens, text.offsets, text.token_count, text.truncated)
            for text, vectors in zip(tokenised, encoded, strict=True)
        ]

    async def close(self) -> None:
        self._encoder.close()
