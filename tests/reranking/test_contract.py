"""What every reranking engine promises, over gRPC."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from ledge.reranking.v1 import reranking_pb2 as pb
from ledge.reranking.v1 import reranking_pb2_grpc as rpc

from services.kit.errors import DETAILS_KEY
from tests.kit.serving import failure_of

Stub = rpc.RerankingServiceStub
QUESTION = "How high may the chlorine at the tap be?"
ANSWER = "The chlorine at the tap may be as high as 0.5 mg/l."
NEAR = "The chlorine is delivered on Thursdays."
OTHER = "Parking permits are issued by the office."
LONG = "word " * 300


def texts(*passages: str) -> list[pb.Passage]:
    return [pb.Passage(text=text) for text in passages]


def segmented(*segments: str) -> pb.Passage:
    return pb.Passage(segments=[pb.Segment(text=text) for text in segments])


async def rerank(stub: Stub, passages: Sequence[pb.Passage], query: str = QUESTION, **fields: Any) -> pb.RerankResponse:
    response: pb.RerankResponse = await stub.Rerank(pb.RerankRequest(query=query, passages=passages, **fields))
    return response


async def test_the_model_is_told(stub: Stub) -> None:
    (model,) = (await stub.ListModels(pb.ListModelsRequest())).models
    assert (await rerank(stub, texts(ANSWER))).model == model.id
    assert model.engine
    assert model.max_context_tokens == 256


async def test_the_best_passage_comes_first_with_its_place_in_the_request(stub: Stub) -> None:
    response = await rerank(stub, texts(OTHER, ANSWER, NEAR))
    assert [result.index for result in response.results] == [1, 2, 0]
    scores = [result.score for result in response.results]
    assert scores == sorted(scores, reverse=True)
    assert all(-1 <= score <= 1 for score in scores)


async def test_relevance_is_the_score_as_zero_to_one(stub: Stub) -> None:
    for result in (await rerank(stub, texts(OTHER, ANSWER, NEAR))).results:
        assert result.relevance == max(result.score, 0)


async def test_top_n_keeps_the_best(stub: Stub) -> None:
    response = await rerank(stub, texts(OTHER, ANSWER, NEAR), top_n=2)
    assert [result.index for result in response.results] == [1, 2]
    assert len((await rerank(stub, texts(OTHER, ANSWER), top_n=50)).results) == 2


async def test_a_score_does_not_depend_on_the_other_passages(stub: Stub) -> None:
    alone = (await rerank(stub, texts(ANSWER))).results[0].score
    beside = (await rerank(stub, texts(*[f"{OTHER} {n}" for n in range(30)], ANSWER))).results[0]
    assert beside.index == 30
    assert beside.score == pytest.approx(alone, abs=1e-3)


async def test_each_segment_has_a_score_and_the_whole_is_at_least_the_best(stub: Stub) -> None:
    response = await rerank(stub, [segmented(OTHER, ANSWER, NEAR), segmented(OTHER)])
    first, second = response.results
    assert (first.index, second.index) == (0, 1)
    assert len(first.segment_scores) == 3
    assert max(first.segment_scores) == first.segment_scores[1] <= first.score + 1e-6
    assert list(second.segment_scores) == pytest.approx([second.score])


async def test_a_passage_without_segments_has_no_segment_scores(stub: Stub) -> None:
    assert not (await rerank(stub, texts(ANSWER))).results[0].segment_scores


async def test_equal_passages_stay_in_order(stub: Stub) -> None:
    response = await rerank(stub, texts(ANSWER, ANSWER, ANSWER))
    assert [result.index for result in response.results] == [0, 1, 2]


async def test_a_thousand_passages_are_taken(stub: Stub) -> None:
    response = await rerank(stub, texts(*[f"{OTHER} {n}" for n in range(999)], ANSWER), top_n=1)
    assert [result.index for result in response.results] == [999]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"query": QUESTION}, "0 passages"),
        ({"query": QUESTION, "passages": texts(*["a"] * 1001)}, "1001 passages"),
        ({"passages": texts(ANSWER)}, "query is empty"),
        ({"query": " \n", "passages": texts(ANSWER)}, "query is empty"),
        ({"query": QUESTION, "passages": texts(ANSWER, " ")}, "passage 1 is empty"),
        ({"query": QUESTION, "passages": [segmented(ANSWER), segmented(ANSWER, "")]}, "passage 1, segment 1 is empty"),
        ({"query": LONG, "passages": texts(ANSWER)}, r"the query has 30\d tokens, the model reads 256"),
        ({"query": QUESTION, "passages": texts(ANSWER, LONG)}, r"passage 1 has 30\d tokens"),
        ({"query": QUESTION, "passages": [segmented(ANSWER, LONG)]}, r"passage 0, segment 1 has 30\d tokens"),
        ({"query": "word " * 200_000, "passages": texts(ANSWER)}, "the query has .*tokens, the model reads 256"),
        ({"query": QUESTION, "passages": texts(ANSWER), "top_n": 0}, "top_n"),
        ({"query": QUESTION, "passages": texts(ANSWER), "query_weights": [1.0]}, "query weights"),
        ({"query": QUESTION, "passages": [segmented(*["a"] * 20_001)]}, "20001 segments"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value,
)
async def test_a_wrong_request_is_the_callers_fault(stub: Stub, fields: dict[str, Any], reason: str) -> None:
    error = await failure_of(stub.Rerank(pb.RerankRequest(**fields)))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert re.search(reason, error.details() or "")
    assert DETAILS_KEY in dict(error.trailing_metadata() or ())


async def test_another_model_is_not_found(stub: Stub) -> None:
    for name in ("gpt-5", "x" * 1_000_000):
        error = await failure_of(rerank(stub, texts(ANSWER), model=name))
        assert error.code() is grpc.StatusCode.NOT_FOUND
        assert name[:20] in (error.details() or "")


async def test_long_texts_are_read_as_far_as_the_model_reads_when_the_caller_allows_it(stub: Stub) -> None:
    long_answer = f"{ANSWER} {LONG}"
    response = await rerank(stub, texts(OTHER, long_answer), query=f"{QUESTION} {LONG}", truncate=True)
    assert response.results[0].index == 1


async def test_a_hundred_callers_each_get_their_own_order(stub: Stub) -> None:
    async def ask(number: int) -> int:
        passages = texts(*[f"Valve {(number + shift) % 100} feeds a zone of the town." for shift in range(7)])
        wanted = number * 13 % 7
        word = (number + wanted) % 100
        return (await rerank(stub, passages, query=f"valve {word}")).results[0].index - wanted

    assert await asyncio.gather(*(ask(number) for number in range(100))) == [0] * 100
