"""Tells which blocked topic a text touches, by its likeness to the topic's examples and to harmless texts near it.

```yaml
topics:
  - name: salaries
    description: What a person earns.
    examples:
      - How much does the director earn?
      - What is Ada's salary?
    near:                   # harmless, and near it: what tells paraphrases from them
      - When is pay day?
      - What does a permit cost?
    margin: 0.08            # a text that is by so much more like the examples than like anything `near` counts as one
    similarity: 0.6         # without anything `near` in the file: cosine to an example from which a text counts as one
    saying: I do not talk about salaries.
```
"""

import asyncio
from dataclasses import dataclass
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
LIKEST = 2
"""Texts that a likeness is the mean of: one alone may share words by chance."""
LEAST_LIKENESS = 0.25
"""What is like neither the examples nor what is near them touches nothing, whatever the difference."""
Text = Annotated[str, Field(min_length=1, max_length=500)]


class Topic(ClosedModel):
    """One that is not talked about."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9 _-]{0,63}$")]
    description: Text
    examples: Annotated[tuple[Text, ...], Field(max_length=64)] = ()
    near: Annotated[tuple[Text, ...], Field(max_length=64)] = ()
    margin: Annotated[float, Field(gt=-1, le=1)] = 0.08
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


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody decided of a text."""

    topic: Topic | None
    """None: it touches none of them."""


class Topics:
    """Shared by all calls. The examples are encoded at the first question."""

    def __init__(self, topics: BlockedTopics, peers: Peers) -> None:
        self.all = {topic.name: topic for topic in topics.topics}
        self._embedding = peers.embedding
        self._lock = asyncio.Lock()
        self._texts: list[str] = []
        self._of = {topic.name: self._rows(topic.description, *topic.examples) for topic in topics.topics}
        self._near = self._rows(*(text for topic in topics.topics for text in topic.near))
        self._encoded: NDArray[np.float32] | None = None

    @classmethod
    def read(cls, path: Path, peers: Peers) -> "Topics":
        """Raises NotFound or InvalidInput for a file that is not there or wrong."""
        return cls(read_document(path, BlockedTopics), peers)

    async def nearest(self, text: str) -> Topic | None:
        """The topic that the text is most clearly like, where it is like one."""
        async with self._lock:
            if self._encoded is None:
                self._encoded = await self._embed(self._texts)
        cosines = self._encoded @ (await self._embed([text]))[0]
        beyond = {name: self._beyond(topic, cosines) for name, topic in self.all.items()}
        likest = max(beyond, key=lambda name: beyond[name])
        return self.all[likest] if beyond[likest] >= 0 else None

    def _beyond(self, topic: Topic, cosines: NDArray[np.float32]) -> float:
        """How far a text is beyond where it begins to touch the topic; below zero: it does not."""
        examples = cosines[self._of[topic.name]]
        if not self._near.size:
            return float(examples.max()) - topic.similarity
        likeness = _likeness(examples)
        return min(likeness - _likeness(cosines[self._near]) - topic.margin, likeness - LEAST_LIKENESS)

    def _rows(self, *texts: str) -> NDArray[np.intp]:
        """Adds texts to those that are encoded, and tells where."""
        self._texts += texts
        return np.arange(len(self._texts) - len(texts), len(self._texts))

    async def _embed(self, texts: list[str]) -> NDArray[np.float32]:
        request = embedding_pb2.EmbedRequest(inputs=texts, input_type=embedding_pb2.QUERY, truncate=embedding_pb2.END)
        with step("embedding"):
            response = await self._embedding.Embed(request)
        return np.stack([np.frombuffer(embedding.dense, "<f4") for embedding in response.embeddings])


def _likeness(cosines: NDArray[np.float32]) -> float:
    return float(np.sort(cosines)[-LIKEST:].mean())
