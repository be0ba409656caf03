"""A reranker that scores whole passages only, as cross-encoders do: its order counts; sentences do without it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ledge.rag.v1 import rag_pb2 as pb
from ledge.rag.v1 import rag_pb2_grpc
from ledge.reranking.v1 import reranking_pb2

from services.kit.client import open_channel
from services.kit.config import ServiceConfig
from services.kit.server import Server
from services.reranking.engine import Model, Passage, Query, Score
from services.reranking.service import RerankingService
from tests.processes import service
from tests.rag.answer_client import Suite, ask

if TYPE_CHECKING:
    from ledge.rag.v1.rag_pb2_grpc import RagServiceAsyncStub as Rag


class ShorterIsBetter:
    """Tells a logit a passage, and none of a segment."""

    model = Model(id="shorter", engine="shorter", max_tokens=512, scores="logit")

    async def score(self, query: Query, passages: Sequence[Passage], *, truncate: bool) -> list[Score]:
        texts = [passage.text or "\n".join(segment.text for segment in passage.segments) for passage in passages]
        return [Score(5.0 - len(text), ()) for text in texts]

    async def close(self) -> None:
        """Has nothing to free."""


@asynccontextmanager
async def rag_with_whole_passages(suite: Suite) -> AsyncIterator["Rag"]:
    server = Server("reranking", ServiceConfig(settle_s=0, drain_s=5), reranking_pb2.DESCRIPTOR)

    async def build() -> RerankingService:
        return RerankingService(ShorterIsBetter())

    await server.start()
    try:
        await server.load(build)
        settings = {**suite.settings, "LEDGE_RERANKING_ADDRESS": f"127.0.0.1:{server.port}"}
        with service("rag", **settings) as process:
            async with open_channel(process.address) as channel:
                yield rag_pb2_grpc.RagServiceStub(channel)
    finally:
        await server.stop()


async def test_passages_come_in_its_order_with_its_scores(suite: Suite, handbook: str) -> None:
    async with rag_with_whole_passages(suite) as rag:
        found = await rag.Search(pb.SearchRequest(collections=[handbook], query="height of the pump house", limit=20))
        assert not found.degraded
        lengths = [len(passage.text) for passage in found.passages]
        assert len(lengths) > 3
        assert [passage.score for passage in found.passages] == sorted(
            (passage.score for passage in found.passages), reverse=True
        )
        assert lengths[0] == min(lengths)


async def test_answers_are_quoted_and_refused_as_without_a_reranker(suite: Suite, handbook: str) -> None:
    async with rag_with_whole_passages(suite) as rag:
        for effort in (pb.FAST, pb.BALANCED, pb.THOROUGH):
            answered = await ask(rag, "How tall is the pump house?", handbook, policy=pb.QUOTE, effort=effort)
            assert answered.text.startswith("The pump house is 14.2 m tall. [1]")
            assert "reranking" not in answered.done.degraded
        unknown = await ask(rag, "Who painted the ceiling of the chapel?", handbook, policy=pb.QUOTE)
        assert not unknown.done.answered
