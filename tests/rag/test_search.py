"""Search over real processes: each way of finding, their order, and what a request may hold."""

from typing import TYPE_CHECKING, Any

import grpc
import pytest
from ledge.rag.v1 import rag_pb2 as pb

if TYPE_CHECKING:
    from ledge.rag.v1.rag_pb2_grpc import RagServiceAsyncStub as Rag


@pytest.mark.parametrize("mode", [pb.DENSE, pb.TEXT, pb.HYBRID, pb.HYBRID_RERANKED])
async def test_every_mode_finds_the_passage_best_first(
    answering: "Rag", handbook: str, mode: "pb.RetrievalMode"
) -> None:
    request = pb.SearchRequest(collections=[handbook], query="alarm set points of the gas detector", mode=mode, limit=3)
    passages = (await answering.Search(request)).passages
    assert 1 <= len(passages) <= 3
    assert passages[0].headings[-1] == "Gas alarms"
    assert [passage.score for passage in passages] == sorted((p.score for p in passages), reverse=True)


async def test_no_mode_is_hybrid_with_reranking(answering: "Rag", handbook: str) -> None:
    requests = [
        pb.SearchRequest(collections=[handbook], query="fares of the tram", mode=mode)
        for mode in (pb.RETRIEVAL_MODE_UNSPECIFIED, pb.HYBRID_RERANKED)
    ]
    unspecified, reranked = [await answering.Search(request) for request in requests]
    assert unspecified == reranked


async def test_a_passage_says_where_it_stands(answering: "Rag", handbook: str) -> None:
    found = await answering.Search(pb.SearchRequest(collections=[handbook], query="Marta Ashby laboratory", limit=1))
    passage = found.passages[0]
    assert passage.document == "handbook.md"
    assert list(passage.headings) == ["Handbook of the Works", "Staff"]
    assert passage.text.startswith("Ada Brandt is the Control Room Supervisor")
    assert passage.collection == handbook
    assert not passage.HasField("page")


async def test_words_that_no_document_knows_find_nothing_by_text(answering: "Rag", handbook: str) -> None:
    found = await answering.Search(pb.SearchRequest(collections=[handbook], query="xylophone zebra", mode=pb.TEXT))
    assert not found.passages


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"query": ""}, "query is empty"),
        ({"query": "x" * 8193}, "8193 characters"),
        ({"limit": 0}, "limit is 1 to 100"),
        ({"limit": 101}, "limit is 1 to 100"),
        ({"mode": 7}, "mode has no value 7"),
    ],
)
async def test_what_the_contract_forbids_is_the_callers_fault(
    answering: "Rag", handbook: str, fields: dict[str, Any], says: str
) -> None:
    request = pb.SearchRequest(**{"query": "pump", "collections": [handbook], **fields})
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await answering.Search(request)
    assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert says in (failure.value.details() or "")
