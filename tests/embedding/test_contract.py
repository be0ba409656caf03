"""What every embedding engine promises, over gRPC."""

import asyncio
import re
from typing import Any

import grpc
import numpy as np
import pytest
from ledge.embedding.v1 import embedding_pb2 as pb
from ledge.embedding.v1 import embedding_pb2_grpc as rpc
from ledge.model.v1 import model_pb2

from services.kit.errors import DETAILS_KEY
from tests.embedding.asking import TOKENS, dense, embed, token_rows, vectors
from tests.kit.serving import failure_of
from tests.metrics import metric
from tests.processes import ServiceProcess

QUESTION = "How high may the chlorine at the tap be?"
ANSWER = "The chlorine at the tap may be as high as 0.5 mg/l."
OTHER = "Parking permits are issued by the office on Tuesdays."
Stub = rpc.EmbeddingServiceStub


async def test_the_model_is_told(stub: Stub, embedding: ServiceProcess) -> None:
    (model,) = (await stub.ListModels(pb.ListModelsRequest())).models
    answer = await embed(stub, [QUESTION])
    assert answer.model == model.id
    assert answer.embeddings[0].dimensions == model.dimensions == len(dense(answer.embeddings[0]))
    assert model.max_context_tokens == 256
    assert await metric(embedding, "ledge_calls_total") >= 2


async def test_each_input_has_its_vector_in_order(stub: Stub) -> None:
    texts = [QUESTION, ANSWER, OTHER, QUESTION]
    together = await vectors(stub, texts)
    alone = [(await vectors(stub, [text]))[0] for text in texts]
    np.testing.assert_allclose(together, alone, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)


async def test_a_question_is_nearer_to_its_answer_than_to_something_else(stub: Stub) -> None:
    (question,) = await vectors(stub, [QUESTION], input_type=pb.QUERY)
    answer, other = await vectors(stub, [ANSWER, OTHER], input_type=pb.PASSAGE)
    assert question @ answer > question @ other + 0.2


async def test_the_number_of_texts_in_a_call_changes_no_vector(stub: Stub) -> None:
    texts = [f"{ANSWER} Sample {number} of {'street ' * (number % 9)}" for number in range(48)]
    reference = await vectors(stub, texts)
    for size in (1, 5, 24):
        parts = [await vectors(stub, texts[start : start + size]) for start in range(0, len(texts), size)]
        np.testing.assert_allclose(np.concatenate(parts), reference, atol=1e-4)


async def test_tokens_are_counted(stub: Stub) -> None:
    answer = await embed(stub, [QUESTION, f"{QUESTION} {QUESTION}"])
    short, long = (one.token_count for one in answer.embeddings)
    assert 9 <= short < long
    assert answer.usage.prompt_tokens == short + long


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "0 inputs"),
        ({"inputs": ["a"] * 2049}, "2049 inputs"),
        ({"inputs": ["word", ""]}, "input 1 is empty"),
        ({"inputs": [" \n\t "]}, "input 0 is empty"),
        ({"inputs": ["word", "word " * 300]}, r"input 1 has 30\d tokens, the model reads 256"),
        ({"inputs": ["word " * 300], "truncate": pb.NONE}, "tokens, the model reads 256"),
        ({"inputs": ["w " * 500_000]}, "input 0 has .*tokens, the model reads 256"),
        ({"inputs": ["word"], "dimensions": 0}, "0 dimensions"),
        ({"inputs": ["word"], "dimensions": 4096}, "4096 dimensions"),
        ({"inputs": ["word"], "input_type": 9}, "input type"),
        ({"inputs": ["word"], "truncate": 9}, "truncation"),
        ({"inputs": ["word"], "outputs": pb.Outputs(tokens=True, token_encoding=9)}, "token encoding"),
        ({"inputs": ["word"], "outputs": pb.Outputs()}, "asks for nothing"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value,
)
async def test_a_wrong_request_is_the_callers_fault(stub: Stub, fields: dict[str, Any], reason: str) -> None:
    error = await failure_of(stub.Embed(pb.EmbedRequest(**fields)))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert re.search(reason, error.details() or "")
    assert DETAILS_KEY in dict(error.trailing_metadata() or ())


async def test_another_model_is_not_found(stub: Stub) -> None:
    for name in ("gpt-5", "x" * 1_000_000):
        error = await failure_of(embed(stub, ["word"], model=name))
        assert error.code() is grpc.StatusCode.NOT_FOUND
        assert name[:20] in (error.details() or "")


async def test_the_model_may_be_named(stub: Stub) -> None:
    (model,) = (await stub.ListModels(pb.ListModelsRequest())).models
    assert (await embed(stub, ["word"], model=model.id)).model == model.id


async def test_2048_inputs_are_taken(stub: Stub) -> None:
    answer = await embed(stub, [f"word {number}" for number in range(2048)])
    assert len(answer.embeddings) == 2048


async def test_token_vectors_that_no_answer_holds_are_refused_before_they_are_made(
    stub: Stub, embedding: ServiceProcess
) -> None:
    made = await metric(embedding, "ledge_batch_items_sum")
    request = pb.EmbedRequest(inputs=["word " * 200] * 2048, outputs=TOKENS)
    error = await failure_of(stub.Embed(request))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "send fewer texts" in (error.details() or "")
    assert await metric(embedding, "ledge_batch_items_sum") == made


@pytest.mark.parametrize(("truncate", "kept"), [(pb.START, "last"), (pb.END, "first")])
async def test_a_long_text_is_cut_where_the_caller_says(stub: Stub, truncate: pb.Truncate, kept: str) -> None:
    text = f"{'first ' * 600}{'last ' * 600}"
    (cut,) = (await embed(stub, [text], truncate=truncate, outputs=TOKENS)).embeddings
    assert cut.truncated
    assert cut.token_count == 256
    assert {text[start:end] for start, end in offsets(cut)} == {kept}


@pytest.mark.parametrize("truncate", [pb.START, pb.END])
async def test_a_megabyte_is_cut(stub: Stub, truncate: pb.Truncate) -> None:
    (cut,) = (await embed(stub, ["pump " * 200_000], truncate=truncate)).embeddings
    assert cut.truncated
    assert cut.token_count == 256


async def test_a_short_text_is_left_whole(stub: Stub) -> None:
    (whole,) = (await embed(stub, [QUESTION], truncate=pb.END)).embeddings
    assert not whole.truncated


async def test_fewer_dimensions_are_the_first_ones_at_length_one(stub: Stub) -> None:
    (whole,) = await vectors(stub, [QUESTION])
    (cut,) = await vectors(stub, [QUESTION], dimensions=16)
    assert len(cut) == 16
    np.testing.assert_allclose(cut, whole[:16] / np.linalg.norm(whole[:16]), atol=1e-5)


async def test_every_token_has_a_vector_and_a_place(stub: Stub) -> None:
    text = "🚰 Überlauf: hôtel, naïve — 水"
    (one,) = (await embed(stub, [text], outputs=TOKENS)).embeddings
    places = offsets(one)
    rows = token_rows(one)
    assert len(rows) == len(places) >= 7
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=0.02)
    assert {text[start:end] for start, end in places} >= {"🚰", ":", "hôtel", "naïve", "—", "水"}


async def test_bytes_tell_nearly_what_floats_tell(stub: Stub) -> None:
    exact = pb.Outputs(tokens=True, token_encoding=model_pb2.TokenVectors.FLOAT32)
    (floats,) = (await embed(stub, [ANSWER], outputs=exact)).embeddings
    (rounded,) = (await embed(stub, [ANSWER], outputs=pb.Outputs(tokens=True))).embeddings
    assert floats.tokens.encoding == model_pb2.TokenVectors.FLOAT32
    assert rounded.tokens.encoding == model_pb2.TokenVectors.INT8
    assert len(rounded.tokens.data) * 4 == len(floats.tokens.data)
    np.testing.assert_allclose(token_rows(rounded), token_rows(floats), atol=rounded.tokens.scale * 0.51 + 1e-4)


async def test_only_what_is_asked_for_is_sent(stub: Stub) -> None:
    (plain,) = (await embed(stub, [QUESTION])).embeddings
    (tokens,) = (await embed(stub, [QUESTION], outputs=pb.Outputs(tokens=True))).embeddings
    assert plain.dense
    assert not plain.HasField("tokens")
    assert not plain.token_offsets
    assert not tokens.dense
    assert not tokens.dimensions
    assert tokens.tokens.data


async def test_a_hundred_callers_each_get_their_own_answer_and_share_batches(
    stub: Stub, embedding: ServiceProcess
) -> None:
    texts = [f"Valve {number} feeds {'the upper ' * (number % 7)}zone {number * 31 % 97}" for number in range(100)]
    expected = [(await vectors(stub, [text]))[0] for text in texts]
    items, batches = (
        await metric(embedding, "ledge_batch_items_sum"),
        await metric(embedding, "ledge_batch_items_count"),
    )
    answers = await asyncio.gather(*(vectors(stub, [text]) for text in texts))
    np.testing.assert_allclose(np.concatenate(answers), expected, atol=1e-4)
    assert await metric(embedding, "ledge_batch_items_sum") - items == 100
    assert await metric(embedding, "ledge_batch_items_count") - batches < 100


def offsets(embedding: pb.Embedding) -> list[tuple[int, int]]:
    places = list(embedding.token_offsets)
    return list(zip(places[::2], places[1::2], strict=True))
