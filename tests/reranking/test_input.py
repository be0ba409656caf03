"""Whatever arrives, the service answers it or says what is wrong, and lives."""

import math
from collections.abc import Callable

import grpc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledge.model.v1 import model_pb2
from ledge.reranking.v1 import reranking_pb2 as pb
from ledge.reranking.v1 import reranking_pb2_grpc as rpc

from tests.processes import ServiceProcess

METHOD = "/ledge.reranking.v1.RerankingService/Rerank"
CLEAR = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}
NUMBERS = st.floats(-10, 10, width=32) | st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-40, 3e38])
ROWS = st.builds(lambda byte, elements: bytes([byte]) * elements, st.integers(0, 255), st.sampled_from([384, 3072]))
VECTORS = st.none() | st.builds(
    model_pb2.TokenVectors,
    data=st.binary(max_size=40) | ROWS,
    dimensions=st.sampled_from([384, 384, 384, 0, 1, 2**32 - 1]),
    encoding=st.sampled_from([1, 2, 2, 0, 9]),
    scale=st.sampled_from([0.01]) | NUMBERS,
)
TEXTS = st.text(max_size=60)
REQUESTS = st.builds(
    pb.RerankRequest,
    model=st.sampled_from(["", "", "scripted", "x"]),
    query=TEXTS,
    query_vectors=VECTORS,
    query_weights=st.lists(NUMBERS, max_size=3),
    passages=st.lists(
        st.builds(
            pb.Passage, text=TEXTS, segments=st.lists(st.builds(pb.Segment, text=TEXTS, vectors=VECTORS), max_size=4)
        ),
        max_size=4,
    ),
    top_n=st.none() | st.integers(0, 2**32 - 1),
    truncate=st.booleans(),
)
FUZZ = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def status_of(call: Callable[[], object]) -> grpc.StatusCode:
    try:
        call()
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()  # type: ignore[attr-defined]
        return code
    return grpc.StatusCode.OK


@FUZZ
@given(body=st.binary(max_size=300))
def test_bytes_that_are_no_request_never_stop_the_service(reranking: ServiceProcess, body: bytes) -> None:
    with grpc.insecure_channel(reranking.address) as channel:
        assert status_of(lambda: channel.unary_unary(METHOD)(body, timeout=10)) in CLEAR
    assert reranking.process.poll() is None


@FUZZ
@given(request=REQUESTS)
def test_any_request_is_answered_or_refused_with_a_reason(reranking: ServiceProcess, request: pb.RerankRequest) -> None:
    with grpc.insecure_channel(reranking.address) as channel:
        stub = rpc.RerankingServiceStub(channel)
        assert status_of(lambda: stub.Rerank(request, timeout=10)) in CLEAR
