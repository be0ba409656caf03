"""What every retrieval engine must do, over gRPC."""

import asyncio
import math
import struct
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict
from ledge.retrieval.v1 import retrieval_pb2 as pb

from tests.retrieval.points import DIMENSIONS, id_of, matching, point, upsert, vector, within

HANDBOOK = (
    "The pump house at Alder Lane is 14.2 metres tall.",
    "Pumping stops when the reservoir is full.",
    "Chlorine is dosed at the treatment works.",
    "The stores issue gloves and goggles.",
    "A reservoir is drained every ten years.",
)


async def code_of(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


async def fill(stub: Any, collection: str) -> None:
    points = [point(n, text, {"page": n, "document": f"d{n % 2}"}) for n, text in enumerate(HANDBOOK, 1)]
    assert (await stub.Upsert(upsert(collection, points))).written == len(points)


def ids(response: Any) -> list[str]:
    return [hit.point.id for hit in response.hits]


async def test_creating_twice_changes_nothing(stub: Any) -> None:
    request = pb.CreateCollectionRequest(name="twice", dimensions=3)
    assert (await stub.CreateCollection(request)).created
    assert not (await stub.CreateCollection(request)).created
    code, message = await code_of(stub.CreateCollection(pb.CreateCollectionRequest(name="twice", dimensions=4)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "3 dimensions" in message


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "A", "-a", ".a", "a" * 65, "a\0b", "é", "a b", "a\n"])
async def test_a_name_that_could_leave_the_directory_is_refused(stub: Any, name: str) -> None:
    code, _ = await code_of(stub.CreateCollection(pb.CreateCollectionRequest(name=name, dimensions=3)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("name", ["a", "0", "a.documents", "a-b_c", "a..b", "z" * 64])
async def test_a_good_name_is_taken_and_listed_in_order(stub: Any, name: str) -> None:
    await stub.CreateCollection(pb.CreateCollectionRequest(name=name, dimensions=3))
    listed = [entry.name for entry in (await stub.ListCollections(pb.ListCollectionsRequest())).collections]
    assert name in listed
    assert listed == sorted(listed)
    await stub.DeleteCollection(pb.DeleteCollectionRequest(name=name))


@pytest.mark.parametrize("dimensions", [0, 8193, 2**32 - 1])
async def test_dimensions_out_of_range_are_refused(stub: Any, dimensions: int) -> None:
    code, _ = await code_of(stub.CreateCollection(pb.CreateCollectionRequest(name="wide", dimensions=dimensions)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_unknown_collection_is_not_found_by_every_call(stub: Any) -> None:
    name = "nowhere"
    calls = [
        stub.DeleteCollection(pb.DeleteCollectionRequest(name=name)),
        stub.Upsert(upsert(name, [point(1)])),
        stub.Delete(pb.DeleteRequest(collection=name, ids=[id_of(1)])),
        stub.Search(pb.SearchRequest(collection=name, text="pump")),
        stub.Scroll(pb.ScrollRequest(collection=name)),
        stub.Count(pb.CountRequest(collection=name)),
        stub.CountTerms(pb.CountTermsRequest(collection=name, text="pump")),
    ]
    for call in calls:
        assert await code_of(call) == (grpc.StatusCode.NOT_FOUND, "there is no collection 'nowhere'")


async def test_a_deleted_collection_is_gone_and_its_name_is_free(stub: Any, collection: str) -> None:
    await fill(stub, collection)
    await stub.DeleteCollection(pb.DeleteCollectionRequest(name=collection))
    assert (await code_of(stub.Count(pb.CountRequest(collection=collection))))[0] is grpc.StatusCode.NOT_FOUND
    await stub.CreateCollection(pb.CreateCollectionRequest(name=collection, dimensions=2))
    assert (await stub.Count(pb.CountRequest(collection=collection))).points == 0


async def test_a_point_comes_back_as_it_was_given(stub: Any, collection: str) -> None:
    metadata = {"s": "é\0x", "n": 3, "f": 0.25, "b": True, "nothing": None, "l": [1, "a", [2]], "o": {"a.b": {"": 1}}}
    attachments = {"segments": bytes(range(256)), "empty": b""}
    given = point(1, "Grüße\n", metadata, attachments)
    await stub.Upsert(upsert(collection, [given]))
    selection = pb.Selection(text=True, metadata=True, vector=True, attachments=["segments", "empty", "missing"])
    page = await stub.Scroll(pb.ScrollRequest(collection=collection, selection=selection))
    (back,) = page.points
    assert (back.id, back.text, dict(back.attachments)) == (given.id, given.text, dict(given.attachments))
    assert back.metadata == given.metadata
    assert np.allclose(np.frombuffer(back.vector, "<f4"), np.frombuffer(given.vector, "<f4"), atol=1e-6)


async def test_only_what_was_selected_comes_back(stub: Any, collection: str) -> None:
    await stub.Upsert(upsert(collection, [point(1, "pump", {"page": 1}, {"a": b"1", "b": b"2"})]))

    async def search(selection: pb.Selection | None) -> pb.Point:
        request = pb.SearchRequest(collection=collection, text="pump", selection=selection)
        return (await stub.Search(request)).hits[0].point  # type: ignore[no-any-return]

    plain = await search(None)
    assert (plain.text, len(plain.metadata.fields), plain.vector, dict(plain.attachments)) == ("pump", 1, b"", {})
    bare = await search(pb.Selection())
    assert (bare.text, len(bare.metadata.fields), bare.vector, dict(bare.attachments)) == ("", 0, b"", {})
    chosen = await search(pb.Selection(attachments=["b", "b", "c"]))
    assert dict(chosen.attachments) == {"b": b"2"}
    assert len((await search(pb.Selection(vector=True))).vector) == 4 * DIMENSIONS


async def test_a_point_with_a_known_id_is_replaced_wholly(stub: Any, collection: str) -> None:
    await stub.Upsert(upsert(collection, [point(1, "old pump", {"page": 1, "old": True}, {"a": b"1", "b": b"2"})]))
    await stub.Upsert(upsert(collection, [point(1, "new valve", {"page": 2}, {"a": b"3"}, row=vector(99))]))
    selection = pb.Selection(text=True, metadata=True, attachments=["a", "b"])
    (hit,) = (
        await stub.Search(pb.SearchRequest(collection=collection, vector=vector(99).tobytes(), selection=selection))
    ).hits
    assert (hit.point.text, MessageToDict(hit.point.metadata), dict(hit.point.attachments)) == (
        "new valve",
        {"page": 2.0},
        {"a": b"3"},
    )
    assert hit.cosine == pytest.approx(1.0, abs=1e-5)
    assert (await stub.Count(pb.CountRequest(collection=collection))).points == 1
    assert not (await stub.Search(pb.SearchRequest(collection=collection, text="pump"))).hits
    counted = await stub.CountTerms(pb.CountTermsRequest(collection=collection, text="pump valve"))
    assert [(entry.term, entry.points) for entry in counted.terms] == [("pump", 0), ("valv", 1)]
    assert counted.points == 1


async def test_of_two_points_with_one_id_the_last_wins(stub: Any, collection: str) -> None:
    await stub.Upsert(upsert(collection, [point(1, "first"), point(2), point(1, "second")]))
    page = await stub.Scroll(pb.ScrollRequest(collection=collection))
    assert [(each.id, each.text) for each in page.points] == [(id_of(1), "second"), (id_of(2), "")]
    counted = await stub.CountTerms(pb.CountTermsRequest(collection=collection, text="first second"))
    assert [entry.points for entry in counted.terms] == [0, 1]


async def test_dense_search_orders_by_cosine(stub: Any, collection: str) -> None:
    await stub.Upsert(upsert(collection, [point(n) for n in range(1, 200)], [point(n) for n in range(200, 300)]))
    query = vector(12345)
    expected = sorted(((float(vector(n) @ query), id_of(n)) for n in range(1, 300)), reverse=True)[:20]
    response = await stub.Search(pb.SearchRequest(collection=collection, vector=query.tobytes(), limit=20))
    assert ids(response) == [id for _, id in expected]
    for hit, (cosine, _) in zip(response.hits, expected, strict=True):
        assert hit.score == pytest.approx(cosine, abs=1e-5)
        assert hit.cosine == hit.score


async def test_the_length_of_a_vector_does_not_matter(stub: Any, collection: str) -> None:
    await stub.Upsert(upsert(collection, [point(1, row=vector(1) * 1e30), point(2, row=vector(2) * 1e-30)]))
    response = await stub.Search(pb.SearchRequest(collection=collection, vector=(vector(1) * 1e-20).tobytes(), limit=1))
    assert ids(response) == [id_of(1)]
    assert response.hits[0].cosine == pytest.approx(1.0, abs=1e-5)
    assert response.hits[0].cosine <= 1.0


async def test_ties_come_in_the_order_of_ids(stub: Any, collection: str) -> None:
    numbers = [5, 3, 9, 1, 7]
    await stub.Upsert(upsert(collection, [point(n, "same words", row=vector(1)) for n in numbers]))
    expected = [id_of(n) for n in sorted(numbers)]
    row = vector(1).tobytes()
    for request in (
        pb.SearchRequest(collection=collection, vector=row),
        pb.SearchRequest(collection=collection, text="words"),
    ):
        assert ids(await stub.Search(request)) == expected
    both = await stub.Search(pb.SearchRequest(collection=collection, vector=row, text="words"))
    assert ids(both) == expected


async def test_text_search_knows_words_by_their_stems(stub: Any, collection: str) -> None:
    await fill(stub, collection)
    response = await stub.Search(pb.SearchRequest(collection=collection, text="Where are the pumps?"))
    assert sorted(ids(response)) == [id_of(1), id_of(2)]
    assert all(hit.score > 0 and not hit.HasField("cosine") for hit in response.hits)
    assert ids(await stub.Search(pb.SearchRequest(collection=collection, text="14.2"))) == [id_of(1)]


async def test_a_text_of_stop_words_finds_nothing(stub: Any, collection: str) -> None:
    await fill(stub, collection)
    assert not (await stub.Search(pb.SearchRequest(collection=collection, text="what is the of"))).hits
    both = pb.SearchRequest(collection=collection, text="what is the of", vector=vector(3).tobytes())
    assert ids(await stub.Search(both))[0] == id_of(3)


async def test_hybrid_is_the_sum_of_reciprocal_ranks(stub: Any, collection: str) -> None:
    await fill(stub, collection)
    query = vector(3)
    dense = ids(await stub.Search(pb.SearchRequest(collection=collection, vector=query.tobytes())))
    text = ids(await stub.Search(pb.SearchRequest(collection=collection, text="reservoir pumps")))
    expected = {
        id: sum(1 / (61 + ranking.index(id)) for ranking in (dense, text) if id in ranking) for id in {*dense, *text}
    }
    response = await stub.Search(
        pb.SearchRequest(collection=collection, vector=query.tobytes(), text="reservoir pumps")
    )
    assert ids(response) == sorted(expected, key=lambda id: (-expected[id], id))
    for hit in response.hits:
        assert hit.score == pytest.approx(expected[hit.point.id], abs=1e-6)
        number = int(hit.point.id[-4:], 16)
        assert hit.cosine == pytest.approx(float(vector(number) @ query), abs=1e-5)


async def test_hits_that_only_the_text_found_have_their_cosine_too(stub: Any, collection: str) -> None:
    await stub.Upsert(upsert(collection, [point(n, "valve" if n == 60 else "pump") for n in range(1, 61)]))
    query = -vector(60)
    request = pb.SearchRequest(
        collection=collection, vector=query.tobytes(), text="valve", limit=5, candidates=5, selection=pb.Selection()
    )
    hits = {hit.point.id: hit for hit in (await stub.Search(request)).hits}
    assert hits[id_of(60)].cosine == pytest.approx(-1.0, abs=1e-5)
    request.min_cosine = -0.5
    assert id_of(60) not in ids(await stub.Search(request))


@pytest.mark.parametrize("text", ["", "pump"])
async def test_hits_below_the_least_cosine_are_left_out(stub: Any, collection: str, text: str) -> None:
    await stub.Upsert(upsert(collection, [point(n, "pump") for n in range(1, 100)]))
    query = vector(5000)
    above = {id_of(n) for n in range(1, 100) if vector(n) @ query >= 0.3}
    request = pb.SearchRequest(
        collection=collection, vector=query.tobytes(), text=text, min_cosine=0.3, limit=100, candidates=100
    )
    assert set(ids(await stub.Search(request))) == above
    assert 0 < len(above) < 99


async def test_a_limit_is_kept_and_candidates_bound_the_fusion(stub: Any, collection: str) -> None:
    await stub.Upsert(upsert(collection, [point(n, "pump") for n in range(1, 100)]))
    row = vector(1).tobytes()
    assert len((await stub.Search(pb.SearchRequest(collection=collection, vector=row))).hits) == 10
    request = pb.SearchRequest(collection=collection, vector=row, text="pump", limit=50, candidates=1)
    assert 1 <= len((await stub.Search(request)).hits) <= 2


async def test_a_filter_holds_for_every_kind_of_search(stub: Any, collection: str) -> None:
    await fill(stub, collection)
    only_even = pb.Filter(must=[matching("document", "d0")])
    row = vector(1).tobytes()
    for request in (
        pb.SearchRequest(vector=row),
        pb.SearchRequest(vector=row, exact=True),
        pb.SearchRequest(text="pumping reservoir dosed chlorine gloves"),
        pb.SearchRequest(vector=row, text="pumping reservoir gloves"),
    ):
        request.collection = collection
        request.filter.CopyFrom(only_even)
        assert set(ids(await stub.Search(request))) == {id_of(2), id_of(4)}, request


async def test_filters_reach_into_objects_and_lists(stub: Any, collection: str) -> None:
    await stub.Upsert(
        upsert(
            collection,
            [
                point(1, metadata={"site": {"name": "Alder"}, "tags": ["a", "b"], "size": 1.5, "open": True}),
                point(2, metadata={"site": {"name": "Birch"}, "tags": ["b"], "size": 2, "open": False}),
                point(3, metadata={"site": "Alder", "tags": "a", "size": [0, 9], "a key": 1}),
                point(4),
            ],
        )
    )

    async def matched(*, must: Any = (), should: Any = (), must_not: Any = ()) -> list[int]:
        filter = pb.Filter(must=must, should=should, must_not=must_not)
        page = await stub.Scroll(pb.ScrollRequest(collection=collection, filter=filter))
        count = await stub.Count(pb.CountRequest(collection=collection, filter=filter))
        assert count.points == len(page.points)
        return [int(each.id[-4:], 16) for each in page.points]

    assert await matched(must=[matching("site.name", "Alder")]) == [1]
    assert await matched(must=[matching("site", "Alder", "Birch")]) == [3]
    assert await matched(must=[matching("tags", "a")]) == [1, 3]
    assert await matched(must=[matching("tags", "a"), matching("tags", "b")]) == [1]
    assert await matched(must=[within("size", at_least=1.5, less_than=2)]) == [1]
    assert await matched(must=[within("size", more_than=1.5)]) == [2, 3]
    assert await matched(must=[within("size", at_most=0)]) == [3]
    assert await matched(must=[matching("size", 2)]) == [2]
    assert await matched(must=[matching("size", 9, "b", True)]) == [3]
    assert await matched(must=[matching("open", True)]) == [1]
    assert await matched(must=[matching("a key", 1)]) == [3]
    assert await matched(must_not=[matching("tags", "b")]) == [3, 4]
    assert await matched(should=[matching("open", False), matching("tags", "a")]) == [1, 2, 3]
    nested = pb.Condition(filter=pb.Filter(should=[matching("open", True), matching("open", False)]))
    assert await matched(must=[nested], must_not=[matching("site.name", "Birch")]) == [1]
    assert await matched() == [1, 2, 3, 4]


async def test_scrolling_shows_every_point_once_in_order(stub: Any, collection: str) -> None:
    numbers = RANDOM_NUMBERS
    await stub.Upsert(upsert(collection, [point(n) for n in numbers]))
    seen: list[str] = []
    request = pb.ScrollRequest(collection=collection, limit=7)
    while True:
        page = await stub.Scroll(request)
        seen += [each.id for each in page.points]
        if not page.next_page_token:
            break
        assert len(page.points) == 7
        request.page_token = page.next_page_token
    assert seen == sorted(id_of(n) for n in numbers)


RANDOM_NUMBERS = [int(n) for n in np.random.default_rng(3).choice(2**40, 50, replace=False)]


async def test_deleting_by_id_and_by_filter_says_how_many_went(stub: Any, collection: str) -> None:
    await fill(stub, collection)
    request = pb.DeleteRequest(collection=collection, ids=[id_of(1), id_of(1), id_of(77)])
    assert (await stub.Delete(request)).deleted == 1
    request = pb.DeleteRequest(collection=collection, ids=[id_of(2)], filter=pb.Filter(must=[matching("page", 2, 4)]))
    assert (await stub.Delete(request)).deleted == 2
    assert (await stub.Delete(request)).deleted == 0
    assert (await stub.Count(pb.CountRequest(collection=collection))).points == 2
    assert ids(await stub.Search(pb.SearchRequest(collection=collection, text="reservoir pump"))) == [id_of(5)]
    counted = await stub.CountTerms(pb.CountTermsRequest(collection=collection, text="reservoir"))
    assert (counted.terms[0].points, counted.points) == (1, 2)


async def test_a_deletion_of_nothing_in_particular_is_refused(stub: Any, collection: str) -> None:
    await fill(stub, collection)
    for request in (pb.DeleteRequest(), pb.DeleteRequest(filter=pb.Filter())):
        request.collection = collection
        code, _ = await code_of(stub.Delete(request))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert (await stub.Count(pb.CountRequest(collection=collection))).points == 5


async def test_an_empty_filter_beside_ids_deletes_nothing_more(stub: Any, collection: str) -> None:
    await fill(stub, collection)
    request = pb.DeleteRequest(collection=collection, ids=[id_of(1)], filter=pb.Filter())
    assert (await stub.Delete(request)).deleted == 1
    assert (await stub.Count(pb.CountRequest(collection=collection))).points == 4


async def test_terms_are_counted_as_text_search_knows_them(stub: Any, collection: str) -> None:
    await fill(stub, collection)
    request = pb.CountTermsRequest(collection=collection, text="Pumps, the PUMP and Reservoirs' 14.2 wombat")
    counted = await stub.CountTerms(request)
    assert [(entry.word, entry.term, entry.points) for entry in counted.terms] == [
        ("Pumps", "pump", 2),
        ("Reservoirs", "reservoir", 2),
        ("14.2", "14.2", 1),
        ("wombat", "wombat", 0),
    ]
    assert counted.points == 5


BAD_VECTORS = {
    "too short": vector(1)[:-1].tobytes(),
    "too long": vector(1).tobytes() + b"\0\0\0\0",
    "no whole floats": vector(1).tobytes()[:-1],
    "missing": b"",
    "not a number": struct.pack("<8f", *[math.nan] * 8),
    "one infinity": struct.pack("<8f", *[1.0] * 7, math.inf),
    "zero": bytes(4 * DIMENSIONS),
}


@pytest.mark.parametrize("content", BAD_VECTORS.values(), ids=BAD_VECTORS.keys())
async def test_a_bad_vector_fails_by_name_and_earlier_messages_stay(stub: Any, collection: str, content: bytes) -> None:
    bad = point(3)
    bad.vector = content
    code, message = await code_of(stub.Upsert(upsert(collection, [point(1), point(2)], [point(4), bad])))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert message.startswith(f"point {id_of(3)}: vector: ")
    assert (await stub.Count(pb.CountRequest(collection=collection))).points == 2
    if content:
        code, message = await code_of(stub.Search(pb.SearchRequest(collection=collection, vector=content)))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert message.startswith("vector: ")


def _bad_points() -> dict[str, pb.Point]:
    deep: dict[str, Any] = {"n": math.nan}
    return {
        "an id that is no UUID": pb.Point(id="1", vector=vector(1).tobytes()),
        "an id in upper case": pb.Point(id="AAAAAAAA-0000-0000-0000-000000000000", vector=vector(1).tobytes()),
        "a number that is none": point(1, metadata=deep),
        "an infinity deep down": point(1, metadata={"a": [{"b": math.inf}]}),
        "metadata of 64 KiB": point(1, metadata={"a": "x" * 65536}),
        "attachments of more than 1 MiB": point(1, attachments={"a": bytes(2**19), "b": bytes(2**19 + 1)}),
        "an attachment without a name": point(1, attachments={"": b"x"}),
        "an attachment with a long name": point(1, attachments={"é" * 65: b"x"}),
        "a text of more than 1 MiB": point(1, "x" * (2**20 + 1)),
    }


@pytest.mark.parametrize("bad", _bad_points().values(), ids=_bad_points().keys())
async def test_a_bad_point_is_the_callers_fault(stub: Any, collection: str, bad: pb.Point) -> None:
    code, message = await code_of(stub.Upsert(upsert(collection, [point(2), bad])))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert bad.id in message
    assert (await stub.Count(pb.CountRequest(collection=collection))).points == 0


async def test_the_largest_that_is_allowed_is_taken(stub: Any, collection: str) -> None:
    big = point(1, "x" * 2**20, {"a": "y" * 60_000}, {"n" * 128: bytes(2**20)})
    await stub.Upsert(upsert(collection, [big]))
    request = pb.ScrollRequest(collection=collection, selection=pb.Selection(text=True, attachments=["n" * 128]))
    (back,) = (await stub.Scroll(request)).points
    assert (len(back.text), len(back.attachments["n" * 128])) == (2**20, 2**20)


async def test_an_answer_too_large_for_a_message_says_what_to_do(stub: Any, collection: str) -> None:
    for start in range(1, 31, 10):
        points = [point(n, "pump", attachments={"a": bytes(2**20)}) for n in range(start, start + 10)]
        await stub.Upsert(upsert(collection, points))
    everything = pb.Selection(attachments=["a"])
    for call in (
        stub.Search(pb.SearchRequest(collection=collection, text="pump", limit=30, selection=everything)),
        stub.Scroll(pb.ScrollRequest(collection=collection, selection=everything)),
    ):
        code, message = await code_of(call)
        assert (code, "lower the limit" in message) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    few = pb.SearchRequest(collection=collection, text="pump", limit=10, selection=everything)
    assert len((await stub.Search(few)).hits) == 10


async def test_too_many_points_in_a_message_are_refused(stub: Any, collection: str) -> None:
    code, message = await code_of(stub.Upsert(upsert(collection, [point(n) for n in range(1, 1002)])))
    assert (code, "1000" in message) == (grpc.StatusCode.INVALID_ARGUMENT, True)


async def test_a_stream_must_begin_with_the_name_and_not_repeat_it(stub: Any, collection: str) -> None:
    async def nothing() -> Any:
        return
        yield

    assert (await code_of(stub.Upsert(nothing())))[0] is grpc.StatusCode.INVALID_ARGUMENT
    twice = [pb.UpsertRequest(collection=collection), pb.UpsertRequest(collection=collection, points=[point(1)])]
    assert (await code_of(stub.Upsert(iter(twice))))[0] is grpc.StatusCode.INVALID_ARGUMENT
    assert (await stub.Upsert(upsert(collection, []))).written == 0


BAD_SEARCHES = {
    "neither vector nor text": pb.SearchRequest(),
    "limit 0": pb.SearchRequest(text="a", limit=0),
    "limit 1001": pb.SearchRequest(text="a", limit=1001),
    "no candidates": pb.SearchRequest(text="a", candidates=0),
    "too many candidates": pb.SearchRequest(text="a", candidates=10_001),
    "a cosine above 1": pb.SearchRequest(text="a", min_cosine=1.5),
    "a cosine that is no number": pb.SearchRequest(text="a", min_cosine=math.nan),
    "a long text": pb.SearchRequest(text="a" * 8193),
    "a megabyte of text": pb.SearchRequest(text="word " * 200_000),
    "an empty condition": pb.SearchRequest(text="a", filter=pb.Filter(must=[pb.Condition()])),
    "a match of nothing": pb.SearchRequest(text="a", filter=pb.Filter(must=[matching("x")])),
    "a match of 101": pb.SearchRequest(text="a", filter=pb.Filter(must=[matching("x", *range(101))])),
    "a match of a fraction": pb.SearchRequest(text="a", filter=pb.Filter(must=[matching("x", 0.5)])),
    "a match of no number": pb.SearchRequest(text="a", filter=pb.Filter(must=[matching("x", math.nan)])),
    "a match of no field": pb.SearchRequest(text="a", filter=pb.Filter(must=[matching("", 1)])),
    "a match of half a path": pb.SearchRequest(text="a", filter=pb.Filter(must=[matching("a..b", 1)])),
    "a match of a quoted field": pb.SearchRequest(text="a", filter=pb.Filter(must=[matching('a"b', 1)])),
    "a match of an escaped field": pb.SearchRequest(text="a", filter=pb.Filter(must=[matching("a\\b", 1)])),
    "a match of a deep field": pb.SearchRequest(text="a", filter=pb.Filter(must=[matching("a." * 20 + "b", 1)])),
    "a range without bounds": pb.SearchRequest(text="a", filter=pb.Filter(must=[within("x")])),
    "a range to infinity": pb.SearchRequest(text="a", filter=pb.Filter(must=[within("x", at_most=math.inf)])),
    "65 conditions": pb.SearchRequest(text="a", filter=pb.Filter(must=[matching("x", 1)] * 65)),
    "an attachment without a name": pb.SearchRequest(text="a", selection=pb.Selection(attachments=[""])),
}


@pytest.mark.parametrize("request_", BAD_SEARCHES.values(), ids=BAD_SEARCHES.keys())
async def test_a_bad_search_is_the_callers_fault(stub: Any, collection: str, request_: pb.SearchRequest) -> None:
    request = pb.SearchRequest()
    request.CopyFrom(request_)
    request.collection = collection
    assert (await code_of(stub.Search(request)))[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_filter_is_nested_at_most_four_deep(stub: Any, collection: str) -> None:
    def nested(depth: int) -> pb.Filter:
        if depth == 1:
            return pb.Filter(must=[matching("x", 1)])
        return pb.Filter(must=[pb.Condition(filter=nested(depth - 1))])

    assert (await stub.Count(pb.CountRequest(collection=collection, filter=nested(4)))).points == 0
    code, message = await code_of(stub.Count(pb.CountRequest(collection=collection, filter=nested(5))))
    assert (code, "4 deep" in message) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    assert (await code_of(stub.Count(pb.CountRequest(collection=collection, filter=nested(30)))))[
        0
    ] is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_page_token_of_ones_own_making_is_refused(stub: Any, collection: str) -> None:
    for token in ("x", "00000000-0000-0000-0000-00000000000", "../../etc/passwd"):
        code, _ = await code_of(stub.Scroll(pb.ScrollRequest(collection=collection, page_token=token)))
        assert code is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_hundred_callers_each_get_their_own_answer(stub: Any, collection: str) -> None:
    await stub.Upsert(upsert(collection, [point(n, f"word{n}", {"n": n}, {"a": bytes([n])}) for n in range(1, 101)]))
    selection = pb.Selection(text=True, metadata=True, attachments=["a"])

    async def ask(n: int) -> None:
        request = pb.SearchRequest(
            collection=collection, vector=vector(n).tobytes(), text=f"word{n}", limit=1, selection=selection
        )
        (hit,) = (await stub.Search(request)).hits
        assert hit.point.id == id_of(n)
        assert (hit.point.text, hit.point.metadata["n"], hit.point.attachments["a"]) == (f"word{n}", n, bytes([n]))

    await asyncio.gather(*(ask(n) for n in range(1, 101)))


async def test_searches_and_writes_at_the_same_time_do_not_disturb_each_other(stub: Any, collection: str) -> None:
    await stub.Upsert(upsert(collection, [point(n, "pump", {"round": 0}, {"a": b"0"}) for n in range(1, 51)]))
    done = asyncio.Event()

    async def write() -> None:
        for turn in range(1, 11):
            points = [point(n, "pump", {"round": turn}, {"a": str(turn).encode()}) for n in range(1, 51)]
            await stub.Upsert(upsert(collection, points))
        done.set()

    async def read() -> int:
        searches = 0
        request = pb.SearchRequest(
            collection=collection,
            vector=vector(1).tobytes(),
            text="pump",
            limit=50,
            selection=pb.Selection(metadata=True, attachments=["a"]),
        )
        while not done.is_set() or not searches:
            hits = (await stub.Search(request)).hits
            assert len(hits) == 50
            for hit in hits:
                assert hit.point.attachments["a"] == str(int(hit.point.metadata["round"])).encode()
            searches += 1
        return searches

    _, *searches = await asyncio.gather(write(), *(read() for _ in range(4)))
    assert min(searches) > 0
