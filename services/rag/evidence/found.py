"""A passage as a search found it, with what the search knows about it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ledge.rag.v1 import rag_pb2 as pb

from services.rag.chunk_record import StoredChunk


@dataclass(frozen=True, slots=True)
class Found:
    """One passage. Those of a search come best first."""

    collection: str
    chunk: StoredChunk
    score: float
    """What it is ordered by: the reranker's score, else that of retrieval. Higher is better."""
    cosine: float
    """Of the passage to the question; 0 where the search had no dense part."""
    segment_scores: Sequence[float] = ()
    """The reranker's, one a segment; empty without it."""

    def passage(self, shown: Callable[[str], str] = lambda text: text) -> pb.Passage:
        """As it is told to the caller.

        Args:
            shown: makes of the text what the caller may see, of the same length.
        """
        chunk = self.chunk
        return pb.Passage(
            id=chunk.id,
            collection=self.collection,
            document=chunk.document,
            page=chunk.page,
            headings=chunk.headings,
            text=shown(chunk.body),
            score=self.score,
            metadata=chunk.metadata if chunk.metadata.fields else None,
        )
