"""Whatever arrives, the service answers it or says what is wrong, and lives."""

from collections.abc import Callable

import grpc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledge.embedding.v1 import embedding_pb2 as pb
from ledge.embedding.v1 import embedding_pb2_grpc as rpc

from tests.processes import ServiceProcess

METHOD = "/ledge.embedding.v1.EmbeddingService/Embed"
CLEAR = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}
REQUESTS = st.builds(
    pb.EmbedRequest,
    model=st.sampled_from(["", "", "scripted", "all-minilm-l6-v2", "x" * 300]),
    inputs=st.lists(st.text(max_size=400), max_size=6),
    input_type=st.integers(-(2**31), 2**31 - 1) | st.integers(0, 2),
    truncate=st.integers(-(2**31), 2**31 - 1) | st.integers(0, 3),
    dimensions=st.none() | st.integers(0, 2**32 - 1),
    outputs=st.none()
    | st.builds(pb.Outputs, dense=st.booleans(), tokens=st.booleans(), token_encoding=st.integers(-1, 4)),
)
FUZZ = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
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
def test_bytes_that_are_no_request_never_stop_the_service(embedding: ServiceProcess, body: bytes) -> None:
    with grpc.insecure_channel(embedding.address) as channel:
        assert status_of(lambda: channel.unary_unary(METHOD)(body, timeout=10)) in CLEAR
    assert embedding.process.poll() is None


@FUZZ
@given(request=REQUESTS)
def test_any_request_is_answered_or_refused_with_a_reason(embedding: ServiceProcess, request: pb.EmbedRequest) -> None:
    with grpc.insecure_channel(embedding.address) as channel:
        stub = rpc.EmbeddingServiceStub(channel)
        assert status_of(lambda: stub.Embed(request, timeout=10)) in CLEAR


@FUZZ
@given(text=st.text(min_size=1, max_size=200).filter(lambda text: text.strip()))
def test_offsets_map_every_token_to_its_characters(embedding: ServiceProcess, text: str) -> None:
    with grpc.insecure_channel(embedding.address) as channel:
        outputs = pb.Outputs(tokens=True)
        response = rpc.EmbeddingServiceStub(channel).Embed(
            pb.EmbedRequest(inputs=[text], outputs=outputs, truncate=pb.END), timeout=10
        )
    (one,) = response.embeddings
    places = list(one.token_offsets)
    assert len(places) // 2 * one.tokens.dimensions == len(one.tokens.data)
    for start, end in zip(places[::2], places[1::2], strict=True):
        assert 0 <= start <= end <= len(text)
        assert start == end or text[start:end].strip()
