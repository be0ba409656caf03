"""An answer does without what it can do without, and says so; what it cannot do without passes its status through."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc
import pytest
from ledge.rag.v1 import rag_pb2 as pb
from ledge.rag.v1 import rag_pb2_grpc

from services.kit.client import open_channel
from tests.processes import service
from tests.rag.answer_client import Suite, ask

if TYPE_CHECKING:
    from ledge.rag.v1.rag_pb2_grpc import RagServiceAsyncStub as Rag

NOBODY = "127.0.0.1:1"


@asynccontextmanager
async def rag_without(suite: Suite, missing: str) -> AsyncIterator["Rag"]:
    settings = {**suite.settings, f"LEDGE_{missing.upper()}_ADDRESS": NOBODY}
    with service("rag", **settings) as process:
        async with open_channel(process.address) as channel:
            yield rag_pb2_grpc.RagServiceStub(channel)


async def test_without_a_reranker_passages_stay_in_the_order_of_retrieval(suite: Suite, handbook: str) -> None:
    async with rag_without(suite, "reranking") as rag:
        answered = await ask(rag, "How tall is the pump house?", handbook, policy=pb.QUOTE)
        assert answered.text.startswith("The pump house is 14.2 m tall. [1]")
        assert list(answered.done.degraded) == ["reranking"]
        found = await rag.Search(pb.SearchRequest(collections=[handbook], query="height of the pump house"))
        assert list(found.degraded) == ["reranking"]
        plain = await rag.Search(
            pb.SearchRequest(collections=[handbook], query="height of the pump house", mode=pb.HYBRID)
        )
        assert [passage.id for passage in found.passages] == [passage.id for passage in plain.passages]


async def test_a_reranker_that_hangs_is_done_without(suite: Suite, handbook: str) -> None:
    with (
        service("reranking") as hanging,
        service("rag", **{**suite.settings, "LEDGE_RERANKING_ADDRESS": hanging.address}) as process,
    ):
        async with open_channel(process.address) as channel:
            rag = rag_pb2_grpc.RagServiceStub(channel)
            hanging.process.send_signal(signal.SIGSTOP)
            try:
                answered = await ask(rag, "How tall is the pump house?", handbook, policy=pb.QUOTE)
            finally:
                hanging.process.send_signal(signal.SIGCONT)
        assert answered.text.startswith("The pump house is 14.2 m tall. [1]")
        assert list(answered.done.degraded) == ["reranking"]


async def test_without_a_model_the_evidence_itself_is_the_answer(suite: Suite, handbook: str) -> None:
    async with rag_without(suite, "llm") as rag:
        for policy in (pb.COMPOSE, pb.POLICY_UNSPECIFIED):
            answered = await ask(rag, "How tall is the pump house?", handbook, policy=policy)
            assert answered.text.startswith("The pump house is 14.2 m tall. [1]")
            assert list(answered.done.degraded) == ["llm"]
        quoted = await ask(rag, "How tall is the pump house?", handbook, policy=pb.QUOTE)
        assert not quoted.done.degraded, "a quotation never needed it"


@pytest.mark.parametrize("missing", ["embedding", "retrieval"])
async def test_without_search_there_is_no_answer(suite: Suite, handbook: str, missing: str) -> None:
    async with rag_without(suite, missing) as rag:
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await ask(rag, "How tall is the pump house?", handbook, policy=pb.QUOTE)
        assert failure.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_the_policy_is_the_models_own(suite: Suite, handbook: str) -> None:
    with service("rag", **suite.settings) as process:
        async with open_channel(process.address) as channel:
            rag = rag_pb2_grpc.RagServiceStub(channel)
            answered = await ask(rag, "How tall is the pump house?", handbook)
    assert "generate" in [step.name for step in answered.of("step")], "the scripted model is trusted to compose"
