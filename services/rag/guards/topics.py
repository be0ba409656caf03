"""Tells which blocked topic a text touches: by its likeness to the topic's examples, and by the model where it decides.

```yaml
topics:
  - name: salaries
    description: What a person earns.
    examples:
      - How much does the director earn?
      - What is Ada's salary?
    similarity: 0.6         # cosine to one of the examples from which a text counts as one
    saying: I do not talk about salaries.
```
"""

import asyncio
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from ledge.embedding.v1 import embedding_pb2
from numpy.typing import NDArray
from pydantic import Field, model_validator

from services.kit.errors import step
from services.kit.yaml_document import ClosedModel, read_document
from services.rag.peers import Peers

SAYING = "I can't help with that."
Text = Annotated[str, Field(min_length=1, max_length=500)]


class Topic(ClosedModel):
    """One that is not talked about."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9 _-]{0,63}$")]
    description: Text
    examples: Annotated[tuple[Text, ...], Field(max_length=64)] = ()
    similarity: Annotated[float, Field(gt=0, le=1)] = 0.6
    saying: Text = SAYING


class BlockedTopics(ClosedModel):
    """The file of topics."""

    topics: Annotated[tuple[Topic, ...], Field(min_length=1, max_length=64)]

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        if len({topic.name for topic in self.topics}) < len(self.topics):
            raise ValueError("two topics have the same name")
        return self


class Topics:
    """Shared by all calls. The examples are encoded at the first question."""

    def __init__(self, topics: BlockedTopics, peers: Peers) -> None:
        self.all = {topic.name: topic for topic in topics.topics}
        self._embedding = peers.embedding
        self._lock = asyncio.Lock()
        self._examples: NDArray[np.float32] | None = None
        self._of = [topic for topic in topics.topics for _ in (topic.description, *topic.examples)]

    @classmethod
    def read(cls, path: Path, peers: Peers) -> "Topics":
        """Raises NotFound or InvalidInput for a file that is not there or wrong."""
        return cls(read_document(path, BlockedTopics), peers)

    async def nearest(self, text: str) -> Topic | None:
        """The topic whose examples the text is most like, where it is like enough."""
        async with self._lock:
            if self._examples is None:
                texts = [said for topic in self.all.values() for said in (topic.description, *topic.examples)]
                self._examples = await self._embed(texts)
        likeness = self._examples @ (await self._embed([text]))[0]
        over = [
            (float(cosine), topic)
            for cosine, topic in zip(likeness, self._of, strict=True)
            if cosine >= topic.similarity
        ]
        return max(over, key=lambda it: it[0])[1] if over else None

    async def _embed(self, texts: list[str]) -> NDArray[np.float32]:
        request = embedding_pb2.EmbedRequest(inputs=texts, input_type=embedding_pb2.QUERY, truncate=embedding_pb2.END)
        with step("embedding"):
            response = await self._embedding.Embed(request)
        return np.stack([np.frombuffer(embedding.dense, "<f4") for embedding in response.embeddings])
