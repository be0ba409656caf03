"""Late interaction with vectors that callers bring: the same order as from the texts, and no nonsense let in."""

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any

import grpc
import numpy as np
import pytest
from ledge.embedding.v1 import embedding_pb2 as embedding_pb
from ledge.embedding.v1 import embedding_pb2_grpc as embedding_rpc
from ledge.model.v1 import model_pb2
from ledge.reranking.v1 import reranking_pb2 as pb
from ledge.reranking.v1 import reranking_pb2_grpc as rpc

from services.kit.errors import retry_delay_s
from services.kit.token_vectors import FLOAT32, INT8, pack, unpack
from tests.kit.serving import failure_of
from tests.metrics import metric
from tests.processes import ServiceProcess, service

pytest.importorskip("ctranslate2")

Stub = rpc.RerankingServiceStub
QUESTION = "Who tells the households before the water is shut off?"
SEGMENTS = [
    "A letter goes to every household two days before the water is shut off.",
    "The letter names the street and the hours.",
    "A standpipe is set up at the corner.",
    "Turbidity above 1 NTU stops the filter.",
    "The duty engineer is rung by night as by day.",
]
PASSAGES = [[3, 4], [0, 1, 2], [4, 2]]


@pytest.fixture(scope="session")
def embedding() -> Any:
    with service("embedding") as process:
        yield process


async def vectors_of(embedding: ServiceProcess, encoding: Any) -> list[model_pb2.TokenVectors]:
    """Token vectors of the question, then of the segments, from the embedding service."""
    outputs = embedding_pb.Outputs(tokens=True, token_encoding=encoding)
    async with grpc.aio.insecure_channel(embedding.address) as channel:
        response = await embedding_rpc.EmbeddingServiceStub(channel).Embed(
            embedding_pb.EmbedRequest(inputs=[QUESTION, *SEGMENTS], outputs=outputs)
        )
    return [one.tokens for one in response.embeddings]


def request(vectors: list[model_pb2.TokenVectors] | None, **fields: Any) -> pb.RerankRequest:
    """The passages, with the vectors in place of the texts where there are any."""
    segments = [
        pb.Segment(vectors=vectors[index + 1]) if vectors else pb.Segment(text=text)
        for index, text in enumerate(SEGMENTS)
    ]
    passages = [pb.Passage(segments=[segments[index] for index in parts]) for parts in PASSAGES]
    if vectors:
        return pb.RerankRequest(query_vectors=vectors[0], passages=passages, **fields)
    return pb.RerankRequest(query=QUESTION, passages=passages, **fields)


def flat(response: pb.RerankResponse) -> list[float]:
    return [number for result in response.results for number in (result.score, *result.segment_scores)]


@pytest.mark.parametrize(("encoding", "tolerance"), [(INT8, 0.01), (FLOAT32, 1e-3)])
async def test_vectors_kept_from_ingest_give_the_scores_of_the_texts(
    late: Stub, embedding: ServiceProcess, encoding: Any, tolerance: float
) -> None:
    from_texts = await late.Rerank(request(None))
    from_vectors = await late.Rerank(request(await vectors_of(embedding, encoding)))
    assert [result.index for result in from_vectors.results] == [result.index for result in from_texts.results]
    assert from_vectors.results[0].index == 1
    assert flat(from_vectors) == pytest.approx(flat(from_texts), abs=tolerance)


async def test_what_has_vectors_is_not_encoded_again(
    late: Stub, late_interaction: ServiceProcess, embedding: ServiceProcess
) -> None:
    vectors = await vectors_of(embedding, INT8)
    before = await metric(late_interaction, "ledge_batch_items_sum")
    await late.Rerank(request(vectors))
    assert await metric(late_interaction, "ledge_batch_items_sum") == before
    mixed = request(vectors)
    mixed.passages[0].segments[0].CopyFrom(pb.Segment(text=SEGMENTS[3]))
    await late.Rerank(mixed)
    assert await metric(late_interaction, "ledge_batch_items_sum") == before + 1


async def test_texts_of_all_callers_share_batches(late: Stub, late_interaction: ServiceProcess) -> None:
    items = await metric(late_interaction, "ledge_batch_items_sum")
    batches = await metric(late_interaction, "ledge_batch_items_count")
    await asyncio.gather(*(late.Rerank(request(None)) for _ in range(20)))
    encoded = await metric(late_interaction, "ledge_batch_items_sum") - items
    assert encoded == 20 * (1 + sum(map(len, PASSAGES)))
    assert await metric(late_interaction, "ledge_batch_items_count") - batches < encoded / 3


async def test_more_text_than_is_held_at_a_time_changes_no_score(late: Stub) -> None:
    texts = [f"{SEGMENTS[number % 5]} {'The pump is tested. ' * 45} {number}" for number in range(48)]
    together = await late.Rerank(pb.RerankRequest(query=QUESTION, passages=[pb.Passage(text=text) for text in texts]))
    scores = {result.index: result.score for result in together.results}
    assert sorted(scores) == list(range(48))
    for number in (0, 24, 47):
        alone = await late.Rerank(pb.RerankRequest(query=QUESTION, passages=[pb.Passage(text=texts[number])]))
        assert alone.results[0].score == pytest.approx(scores[number], abs=2e-3)


async def test_a_row_that_weighs_nothing_might_as_well_be_absent(late: Stub, embedding: ServiceProcess) -> None:
    vectors = await vectors_of(embedding, FLOAT32)
    rows = unpack(vectors[0], vectors[0].dimensions, "question").to_float32()
    weights = [0.0, 3.0] + [1.0] * (len(rows) - 2)
    weighted = await late.Rerank(request(vectors, query_weights=weights))
    three_times = pack(np.concatenate([rows[1:2]] * 3 + [rows[2:]]), FLOAT32)
    repeated = await late.Rerank(request([three_times, *vectors[1:]]))
    assert flat(weighted) == pytest.approx(flat(repeated), abs=1e-4)


async def test_a_segment_without_tokens_has_the_lowest_score(late: Stub, embedding: ServiceProcess) -> None:
    vectors = await vectors_of(embedding, INT8)
    vectors[4] = model_pb2.TokenVectors(dimensions=384, encoding=INT8, scale=1.0)
    response = await late.Rerank(request(vectors))
    scores = {result.index: result for result in response.results}
    assert scores[0].segment_scores[0] == -1.0
    assert scores[0].score == pytest.approx(scores[0].segment_scores[1])


def floats(value: float) -> model_pb2.TokenVectors:
    rows = np.full((2, 384), value, np.float32)
    return model_pb2.TokenVectors(data=rows.tobytes(), dimensions=384, encoding=FLOAT32)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (floats(math.nan), "finite"),
        (floats(math.inf), "finite"),
        (floats(-3e38), "finite"),
        (floats(50.0), "length 1"),
        (model_pb2.TokenVectors(data=b"\x7f" * 384, dimensions=384, encoding=INT8, scale=0.5), "length 1"),
        (model_pb2.TokenVectors(data=bytes(768), dimensions=192, encoding=INT8, scale=1), "192 dimensions"),
        (model_pb2.TokenVectors(data=bytes(383), dimensions=384, encoding=INT8, scale=1), "383 bytes"),
        (model_pb2.TokenVectors(data=bytes(384), dimensions=384, encoding=INT8, scale=math.nan), "scale"),
        (model_pb2.TokenVectors(data=bytes(384), dimensions=384, encoding=INT8), "scale"),
        (model_pb2.TokenVectors(data=bytes(384), dimensions=384), "encoding"),
    ],
    ids=[
        "nan",
        "infinite",
        "overflow",
        "long",
        "long-bytes",
        "narrow",
        "ragged",
        "scale-nan",
        "scale-zero",
        "no-encoding",
    ],
)
@pytest.mark.parametrize("place", ["query", "segment"])
async def test_vectors_that_make_no_sense_are_the_callers_fault_and_named(
    late: Stub, embedding: ServiceProcess, place: str, bad: model_pb2.TokenVectors, reason: str
) -> None:
    vectors = await vectors_of(embedding, INT8)
    vectors[0 if place == "query" else 1] = bad
    error = await failure_of(late.Rerank(request(vectors)))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason in (error.details() or "")
    assert ("query" if place == "query" else "passage 1") in (error.details() or "")


@pytest.mark.parametrize("weight", [-1.0, 0.0, math.nan, math.inf])
async def test_weights_that_make_no_sense_are_the_callers_fault(
    late: Stub, embedding: ServiceProcess, weight: float
) -> None:
    vectors = await vectors_of(embedding, INT8)
    rows = len(vectors[0].data) // 384
    for weights in ([weight] * rows, [1.0] * (rows - 1), [1.0] * (rows + 1)):
        error = await failure_of(late.Rerank(request(vectors, query_weights=weights)))
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "weights" in (error.details() or "")


async def test_query_vectors_without_a_row_are_the_callers_fault(late: Stub, embedding: ServiceProcess) -> None:
    vectors = await vectors_of(embedding, INT8)
    vectors[0] = model_pb2.TokenVectors(dimensions=384, encoding=INT8, scale=1.0)
    error = await failure_of(late.Rerank(request(vectors)))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.fixture
async def small() -> AsyncIterator[Stub]:
    """One worker and a short queue."""
    with service("reranking", LEDGE_WORKERS="1", LEDGE_MAX_QUEUE_TOKENS="600") as process:
        async with grpc.aio.insecure_channel(process.address) as channel:
            yield rpc.RerankingServiceStub(channel)


async def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(small: Stub) -> None:
    passages = [pb.Passage(text=f"{SEGMENTS[0]} {SEGMENTS[1]} {number}") for number in range(30)]
    calls = [small.Rerank(pb.RerankRequest(query=f"{QUESTION} {number}", passages=passages)) for number in range(40)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    refused = [result for result in results if isinstance(result, grpc.aio.AioRpcError)]
    assert len(refused) < 40
    assert len(refused) >= 10
    assert {error.code() for error in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert all((retry_delay_s(error.trailing_metadata()) or 0) > 0 for error in refused)
    assert (await small.Rerank(pb.RerankRequest(query=QUESTION, passages=passages[:2]))).results
