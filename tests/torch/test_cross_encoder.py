"""A cross-encoder behind the reranking contract. Its weights are random, so it is held to the library's own scores."""

import json
import math
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import grpc
import pytest
from ledge.model.v1 import model_pb2
from ledge.reranking.v1 import reranking_pb2 as pb
from ledge.reranking.v1 import reranking_pb2_grpc as rpc

from tests.kit.serving import failure_of
from tests.processes import ServiceProcess, service
from tests.torch.store import made_store, model_path

pytestmark = pytest.mark.torch

QUESTION = "How high may the chlorine at the tap be?"
TEXTS = [
    "The chlorine at the tap may be as high as 0.5 mg/l.",
    "Parking permits are issued by the office.",
    "The chlorine is delivered on Thursdays.",
    "Water",
    "word " * 180,
]
REFERENCE = """
import json, sys
from sentence_transformers import CrossEncoder
from torch.nn import Identity
model = CrossEncoder(sys.argv[1], device="cpu", local_files_only=True)
question, *texts = json.load(sys.stdin)
print(json.dumps(model.predict([(question, text) for text in texts], activation_fn=Identity()).tolist()))
"""


@pytest.fixture(scope="module")
def process() -> Iterator[ServiceProcess]:
    settings = {**made_store(), "LEDGE_ENGINE": "cross-encoder", "LEDGE_MODEL": "tiny-cross-encoder"}
    with service("reranking", **settings) as running:
        yield running


@pytest.fixture
async def stub(process: ServiceProcess) -> AsyncIterator[rpc.RerankingServiceStub]:
    async with grpc.aio.insecure_channel(process.address) as channel:
        yield rpc.RerankingServiceStub(channel)


async def scores(stub: rpc.RerankingServiceStub, texts: list[str], **fields: bool) -> list[float]:
    request = pb.RerankRequest(query=QUESTION, passages=[pb.Passage(text=text) for text in texts], **fields)
    results = (await stub.Rerank(request)).results
    return [result.score for result in sorted(results, key=lambda result: result.index)]


def reference_scores() -> list[float]:
    command = [sys.executable, "-c", REFERENCE, str(model_path("tiny-cross-encoder"))]
    told = subprocess.run(command, input=json.dumps([QUESTION, *TEXTS]), capture_output=True, text=True, check=True)
    scores: list[float] = json.loads(told.stdout)
    return scores


async def test_scores_are_those_of_the_library(stub: rpc.RerankingServiceStub) -> None:
    expected = reference_scores()
    assert len(set(expected)) == len(TEXTS)
    assert await scores(stub, TEXTS) == pytest.approx(expected, abs=1e-3)


async def test_the_order_is_that_of_the_scores_and_relevance_is_their_logistic_function(
    stub: rpc.RerankingServiceStub,
) -> None:
    request = pb.RerankRequest(query=QUESTION, passages=[pb.Passage(text=text) for text in TEXTS])
    results = (await stub.Rerank(request)).results
    assert [result.score for result in results] == sorted((result.score for result in results), reverse=True)
    for result in results:
        assert result.relevance == pytest.approx(1 / (1 + math.exp(-result.score)), abs=1e-5)
        assert not result.segment_scores


async def test_a_score_does_not_depend_on_the_other_passages(stub: rpc.RerankingServiceStub) -> None:
    together = await scores(stub, TEXTS * 20)
    alone = [(await scores(stub, [text]))[0] for text in TEXTS]
    assert together == pytest.approx(alone * 20, abs=1e-4)


async def test_a_passage_in_segments_is_read_as_its_whole_text(stub: rpc.RerankingServiceStub) -> None:
    vectors = model_pb2.TokenVectors(encoding=model_pb2.TokenVectors.INT8, dimensions=384, data=b"\1" * 384, scale=1)
    segments = [pb.Segment(text=text, vectors=vectors) for text in TEXTS[:2]]
    request = pb.RerankRequest(
        query=QUESTION, query_vectors=vectors, query_weights=[1.0], passages=[pb.Passage(segments=segments)]
    )
    (result,) = (await stub.Rerank(request)).results
    assert result.score == pytest.approx((await scores(stub, ["\n".join(TEXTS[:2])]))[0], abs=1e-4)


async def test_what_is_too_long_is_refused_or_cut_as_the_caller_says(stub: rpc.RerankingServiceStub) -> None:
    long = "word " * 300
    for request, name in (
        (pb.RerankRequest(query=QUESTION, passages=[pb.Passage(text="a"), pb.Passage(text=long)]), "passage 1 has"),
        (pb.RerankRequest(query=long, passages=[pb.Passage(text="a")]), "the query has"),
        (pb.RerankRequest(query=QUESTION, passages=[pb.Passage(text="word " * 245)]), "passage 0 has"),
    ):
        error = await failure_of(stub.Rerank(request))
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert name in (error.details() or "")
        request.truncate = True
        assert (await stub.Rerank(request)).results
    cut, shorter = await scores(stub, [long, "word " * 250], truncate=True)
    assert cut == pytest.approx(shorter, abs=1e-4)


async def test_it_reads_the_text_of_a_query_and_not_its_vectors(stub: rpc.RerankingServiceStub) -> None:
    vectors = model_pb2.TokenVectors(encoding=model_pb2.TokenVectors.INT8, dimensions=384, data=b"\1" * 384, scale=1)
    error = await failure_of(stub.Rerank(pb.RerankRequest(query_vectors=vectors, passages=[pb.Passage(text="a")])))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_the_model_is_told(stub: rpc.RerankingServiceStub) -> None:
    (model,) = (await stub.ListModels(pb.ListModelsRequest())).models
    assert (model.id, model.engine, model.max_context_tokens) == ("tiny-cross-encoder", "cross-encoder", 256)
    assert not model.HasField("dimensions")
