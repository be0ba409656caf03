"""A client of Ingest as a program would write one, and a look at what `retrieval` then holds."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from google.protobuf.struct_pb2 import Struct
from ledge.rag.v1 import rag_pb2 as pb
from ledge.retrieval.v1 import retrieval_pb2

from services.rag.chunk_record import ATTACHMENT

if TYPE_CHECKING:
    from ledge.rag.v1.rag_pb2_grpc import RagServiceAsyncStub as Rag
    from ledge.retrieval.v1.retrieval_pb2_grpc import RetrievalServiceAsyncStub as Retrieval

PIECE_BYTES = 2**18


@dataclass(frozen=True)
class File:
    name: str
    content: bytes
    media_type: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)

    def start(self, **changes: Any) -> pb.DocumentStart:
        metadata = Struct()
        metadata.update(self.metadata)
        fields = {
            "name": self.name,
            "media_type": self.media_type,
            "size_bytes": len(self.content),
            "metadata": metadata if self.metadata else None,
        }
        return pb.DocumentStart(**{**fields, **changes})

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.content).digest()


@dataclass
class Ingested:
    results: dict[str, pb.DocumentResult] = field(default_factory=dict)
    wanted: dict[str, bool] = field(default_factory=dict)
    progress: list[pb.IngestProgress] = field(default_factory=list)
    summary: pb.IngestSummary | None = None

    def outcome(self, name: str) -> str:
        return pb.DocumentResult.Outcome.Name(self.results[name].outcome)


async def ingest(
    stub: "Rag",
    files: Sequence[File],
    collection: str = "",
    *,
    with_sha256: bool = False,
    seen: Callable[[pb.IngestResponse], None] = lambda event: None,
) -> Ingested:
    """Sends files in one stream; with their SHA-256, only those that are wanted."""
    told = Ingested()
    answers: asyncio.Queue[bool] = asyncio.Queue()

    async def requests() -> AsyncIterator[pb.IngestRequest]:
        yield pb.IngestRequest(config=pb.IngestConfig(collection=collection))
        for file in files:
            yield pb.IngestRequest(document=file.start(sha256=file.sha256) if with_sha256 else file.start())
            if with_sha256 and not await answers.get():
                continue
            for start in range(0, len(file.content), PIECE_BYTES):
                yield pb.IngestRequest(content=file.content[start : start + PIECE_BYTES])

    async for event in stub.Ingest(requests()):
        match event.WhichOneof("event"):
            case "wanted":
                told.wanted[event.wanted.name] = event.wanted.wanted
                answers.put_nowait(event.wanted.wanted)
            case "progress":
                told.progress.append(event.progress)
            case "result":
                told.results[event.result.name] = event.result
            case "summary":
                told.summary = event.summary
        seen(event)
    return told


async def send(stub: "Rag", *requests: pb.IngestRequest) -> list[pb.IngestResponse]:
    """Sends exactly these messages."""

    async def stream() -> AsyncIterator[pb.IngestRequest]:
        for request in requests:
            yield request

    return [event async for event in stub.Ingest(stream())]


async def points(stub: "Retrieval", collection: str = "default") -> list[retrieval_pb2.Point]:
    """All points of a collection of `retrieval`."""
    found: list[retrieval_pb2.Point] = []
    everything = retrieval_pb2.Selection(text=True, metadata=True, vector=True, attachments=[ATTACHMENT])
    request = retrieval_pb2.ScrollRequest(collection=collection, limit=50, selection=everything)
    while True:
        response = await stub.Scroll(request)
        found += response.points
        if not response.next_page_token:
            return found
        request.page_token = response.next_page_token


def chunks_of(found: Sequence[retrieval_pb2.Point], name: str) -> list[retrieval_pb2.Point]:
    return [point for point in found if point.metadata.fields["document"].string_value == name]
