"""Collections as rag shows them: made, listed with what is in them, deleted with all their documents."""

import uuid
from typing import TYPE_CHECKING

import grpc
import pytest
from ledge.rag.v1 import rag_pb2 as pb
from ledge.retrieval.v1 import retrieval_pb2

from tests.rag.ingest_client import File, ingest

if TYPE_CHECKING:
    from ledge.rag.v1.rag_pb2_grpc import RagServiceAsyncStub as Rag
    from ledge.retrieval.v1.retrieval_pb2_grpc import RetrievalServiceAsyncStub as Retrieval

PUMPS = File("pumps.md", b"# Pumps\n\nThe duty pump runs at night.\n")
TANKS = File("tanks.md", b"# Tanks\n\nThe break tank holds 40 cubic metres.\n")


async def held(rag: "Rag") -> dict[str, pb.Collection]:
    listed = (await rag.ListCollections(pb.ListCollectionsRequest())).collections
    assert [it.name for it in listed] == sorted(it.name for it in listed)
    return {it.name: it for it in listed}


async def test_an_ingested_collection_is_listed_with_what_is_in_it(rag: "Rag", collection: str) -> None:
    assert collection not in await held(rag)
    told = await ingest(rag, [PUMPS, TANKS], collection)
    assert told.summary is not None
    assert (await held(rag))[collection] == pb.Collection(name=collection, documents=2, chunks=told.summary.chunks)


async def test_a_collection_can_be_made_before_its_documents(rag: "Rag", collection: str) -> None:
    made = [await rag.CreateCollection(pb.CreateCollectionRequest(name=collection)) for _ in range(2)]
    assert [it.created for it in made] == [True, False]
    assert (await held(rag))[collection] == pb.Collection(name=collection)
    assert not (await rag.Search(pb.SearchRequest(collections=[collection], query="pump"))).passages


async def test_deleting_a_collection_removes_its_documents_and_no_others(
    rag: "Rag", retrieval: "Retrieval", collection: str
) -> None:
    other = f"test-{uuid.uuid4().hex[:12]}"
    for name in (collection, other):
        await ingest(rag, [PUMPS, TANKS], name)
    await rag.DeleteCollection(pb.DeleteCollectionRequest(name=collection))
    left = await held(rag)
    assert collection not in left
    assert left[other].documents == 2
    kept = {it.name for it in (await retrieval.ListCollections(retrieval_pb2.ListCollectionsRequest())).collections}
    assert not [name for name in kept if name.startswith(collection)]
    for asked in (
        rag.ListDocuments(pb.ListDocumentsRequest(collection=collection)),
        rag.DeleteCollection(pb.DeleteCollectionRequest(name=collection)),
    ):
        with pytest.raises(grpc.aio.AioRpcError, match=f"no collection '{collection}'") as refused:
            await asked
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_deletion_that_was_cut_off_can_be_asked_again(
    rag: "Rag", retrieval: "Retrieval", collection: str
) -> None:
    await ingest(rag, [PUMPS], collection)
    await retrieval.DeleteCollection(retrieval_pb2.DeleteCollectionRequest(name=f"{collection}.documents"))
    await rag.DeleteCollection(pb.DeleteCollectionRequest(name=collection))
    told = await ingest(rag, [PUMPS], collection)
    assert told.outcome("pumps.md") == "STORED"


@pytest.mark.parametrize("name", ["", "No Name", "x" * 55, "a.documents", "../x"])
async def test_only_names_of_collections_are_deleted(rag: "Rag", name: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await rag.DeleteCollection(pb.DeleteCollectionRequest(name=name))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
