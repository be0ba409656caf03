"""Turns chunks into points by encoding each of their segments once: to find them by, and to answer from."""

import asyncio
from collections.abc import Sequence
from itertools import islice

from ledge.embedding.v1 import embedding_pb2
from ledge.retrieval.v1 import retrieval_pb2

from services.kit.errors import NotReady, step
from services.rag import chunk_record
from services.rag.chunk_record import Origin
from services.rag.document import Chunk
from services.rag.encoding import encoding
from services.rag.patience import patiently
from services.rag.peers import Peers

MAX_INPUTS = 2048


class PassageEncoder:
    """Shared by all ingests; bounds how much of the embedding service they take together.

    Args:
        calls: calls in flight at a time.
    """

    def __init__(self, peers: Peers, calls: int) -> None:
        self._embedding = peers.embedding
        self._turn = asyncio.Semaphore(calls)

    async def encoding(self) -> tuple[str, int]:
        """What vectors and chunks are made by, in one word, and the length of the vectors."""
        with step("embedding"):
            models = (await self._embedding.ListModels(embedding_pb2.ListModelsRequest())).models
        if not models:
            raise NotReady("the embedding service serves no model")
        return encoding(models[0].id), models[0].dimensions

    async def points(self, origin: Origin, chunks: Sequence[Chunk]) -> list[retrieval_pb2.Point]:
        """The points of some chunks of a document."""
        texts = [chunk_record.segment_text(chunk, segment)[0] for chunk in chunks for segment in chunk.segments]
        outputs = embedding_pb2.Outputs(dense=True, tokens=True)
        segments = [
            embedding
            for start in range(0, len(texts), MAX_INPUTS)
            for embedding in await self._embed(texts[start : start + MAX_INPUTS], outputs)
        ]
        rest = iter(segments)
        return [chunk_record.to_point(origin, chunk, list(islice(rest, len(chunk.segments)))) for chunk in chunks]

    async def _embed(self, texts: list[str], outputs: embedding_pb2.Outputs) -> list[embedding_pb2.Embedding]:
        request = embedding_pb2.EmbedRequest(
            inputs=texts, input_type=embedding_pb2.PASSAGE, truncate=embedding_pb2.END, outputs=outputs
        )
        async with self._turn:
            with step("embedding"):
                response = await patiently(lambda: self._embedding.Embed(request))
        return list(response.embeddings)
