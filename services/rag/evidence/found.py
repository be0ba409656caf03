"""A passage as a search found it, with what the search knows about it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from google.protobuf.struct_pb2 import Struct
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
            shown: makes of a text what the caller may see, of the same length. The name of the document stays: it is
                what the document is found and deleted by.
        """
        chunk = self.chunk
        return pb.Passage(
            id=chunk.id,
            collection=self.collection,
            document=chunk.document,
            page=chunk.page,
            headings=map(shown, chunk.headings),
            text=shown(chunk.body),
            score=self.score,
            metadata=_shown(chunk.metadata, shown) if chunk.metadata.fields else None,
        )


def _shown(metadata: Struct, shown: Callable[[str], str]) -> Struct:
    """A copy whose texts are those that may be shown, however deep they stand."""
    told = Struct()
    told.CopyFrom(metadata)
    values = list(told.fields.values())
    while values:
        value = values.pop()
        kind = value.WhichOneof("kind")
        if kind == "string_value":
            value.string_value = shown(value.string_value)
        elif kind == "struct_value":
            values += value.struct_value.fields.values()
        elif kind == "list_value":
            values += value.list_value.values
    return told
