import base64
import math
import struct
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI


def test_one_text(openai: OpenAI) -> None:
    answer = openai.embeddings.create(model="scripted", input="the pump house")
    assert answer.object == "list"
    assert answer.model == "scripted"
    assert answer.data[0].object == "embedding"
    # The SDK asks for base64 unless told otherwise, and decodes it.
    assert len(answer.data[0].embedding) == 64
    assert math.fsum(x * x for x in answer.data[0].embedding) == pytest.approx(1, abs=1e-5)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 3


async def test_many_texts_come_back_in_order(async_openai: AsyncOpenAI) -> None:
    texts = [f"text number {number}" for number in range(100)]
    answer = await async_openai.embeddings.create(model="scripted", input=texts)
    assert [one.index for one in answer.data] == list(range(100))
    alone = await async_openai.embeddings.create(model="scripted", input=texts[42])
    assert answer.data[42].embedding == pytest.approx(alone.data[0].embedding, abs=1e-6)


def test_floats_and_base64_are_the_same_vector(openai: OpenAI) -> None:
    floats = openai.embeddings.create(model="scripted", input="pump", encoding_format="float").data[0].embedding
    encoded: Any = openai.embeddings.create(model="scripted", input="pump", encoding_format="base64").data[0].embedding
    assert isinstance(encoded, str)
    assert floats == pytest.approx(list(struct.unpack("<64f", base64.b64decode(encoded))))


def test_fewer_dimensions(openai: OpenAI) -> None:
    vector = openai.embeddings.create(model="scripted", input="pump", dimensions=16).data[0].embedding
    assert len(vector) == 16
    assert math.fsum(x * x for x in vector) == pytest.approx(1, abs=1e-5)


def test_nemo_retrievers_fields_and_suffixes_are_taken(openai: OpenAI) -> None:
    query = {"input_type": "query", "truncate": "END"}
    by_field = openai.embeddings.create(model="scripted", input="pump", extra_body=query)
    by_suffix = openai.embeddings.create(model="scripted-query", input="pump")
    assert by_field.data == by_suffix.data
    assert by_suffix.model == "scripted"


@pytest.mark.parametrize("tokens", [[1, 2, 3], [[1, 2], [3]]])
def test_token_ids_are_refused_clearly(openai: OpenAI, tokens: Any) -> None:
    with pytest.raises(bad_request()) as refused:
        openai.embeddings.create(model="scripted", input=tokens)
    assert "token ids of another model's tokenizer" in refused.value.message
    assert refused.value.param == "input"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"input": []}, "at least 1"),
        ({"input": ""}, "input 0 is empty"),
        ({"input": ["a", ""]}, "input 1 is empty"),
        ({"input": ["a"] * 2049}, "at most 2048"),
        ({"input": "a", "dimensions": 65}, "65 dimensions"),
        ({"input": "a", "dimensions": 2**40}, "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
        ({"input": "a " * 300}, "300 tokens"),
        ({}, "input"),
    ],
)
async def test_what_cannot_be_embedded_is_the_callers_fault(
    http: httpx.AsyncClient, body: dict[str, Any], told: str
) -> None:
    response = await http.post("/v1/embeddings", json={"model": "scripted", **body})
    assert response.status_code == 400
    assert told in response.json()["error"]["message"]


def bad_request() -> type[openai.BadRequestError]:
    return openai.BadRequestError
