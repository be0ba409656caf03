import asyncio
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.gateway.suite import Suite, events_of, until


def complete(client: OpenAI, prompt: Any = "the pump", **settings: Any) -> Any:
    return client.completions.create(model="scripted", prompt=prompt, **settings)


def test_a_text_is_continued(openai: OpenAI) -> None:
    answer = complete(openai, max_tokens=1000)
    assert answer.object == "text_completion"
    assert answer.model == "scripted"
    assert answer.choices[0].text
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_without_a_limit_sixteen_tokens_are_made_as_openai_does(openai: OpenAI) -> None:
    answer = complete(openai, "for ever")
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 16


def test_a_stream_holds_the_same_text_and_ends_with_its_usage(openai: OpenAI) -> None:
    whole = complete(openai, max_tokens=1000)
    *pieces, usage = complete(openai, max_tokens=1000, stream=True, stream_options={"include_usage": True})
    assert len(pieces) > 1
    assert "".join(piece.choices[0].text for piece in pieces) == whole.choices[0].text
    assert [piece.choices[0].finish_reason for piece in pieces] == [None] * (len(pieces) - 1) + ["stop"]
    assert usage.choices == []
    assert usage.usage == whole.usage


def test_the_prompt_comes_back_where_it_is_wanted(openai: OpenAI) -> None:
    alone = complete(openai, max_tokens=50).choices[0].text
    assert complete(openai, max_tokens=50, echo=True).choices[0].text == f"the pump{alone}"
    pieces = complete(openai, max_tokens=50, echo=True, stream=True)
    assert "".join(piece.choices[0].text for piece in pieces) == f"the pump{alone}"


def test_several_prompts_and_several_answers_keep_their_order(openai: OpenAI) -> None:
    prompts = ["one", "two", "three"]
    answer = complete(openai, prompts, n=2, max_tokens=50)
    assert [choice.index for choice in answer.choices] == list(range(6))
    for index, prompt in enumerate(prompts):
        alone = complete(openai, prompt, max_tokens=50)
        assert {answer.choices[2 * index].text, answer.choices[2 * index + 1].text} == {alone.choices[0].text}
    assert answer.usage.prompt_tokens == sum(complete(openai, prompt).usage.prompt_tokens for prompt in prompts)


def test_token_ids_of_the_model_are_read(openai: OpenAI) -> None:
    # A token of the scripted engine is a character.
    by_text = complete(openai, "pump", max_tokens=50).choices[0].text
    ids = [ord(character) for character in "pump"]
    assert complete(openai, ids, max_tokens=50).choices[0].text == by_text
    assert complete(openai, [ids], max_tokens=50, stream=False).choices[0].text == by_text


def test_stops_end_the_text_before_them(openai: OpenAI) -> None:
    whole = complete(openai, max_tokens=1000).choices[0].text
    stop = whole[5:8]
    assert complete(openai, max_tokens=1000, stop=[stop]).choices[0].text == whole[: whole.index(stop)]


def test_logprobs_stand_beside_their_tokens(openai: OpenAI) -> None:
    choice = complete(openai, max_tokens=5, logprobs=2).choices[0]
    told = choice.logprobs
    assert "".join(told.tokens) == choice.text
    assert all(value <= 0 for value in told.token_logprobs)
    assert all(top[token] <= 0 for token, top in zip(told.tokens, told.top_logprobs, strict=True))
    assert [
        choice.text[offset:][: len(token)] for offset, token in zip(told.text_offset, told.tokens, strict=True)
    ] == (told.tokens)
    assert complete(openai, max_tokens=5).choices[0].logprobs is None


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"suffix": "end"}, "suffix"),
        ({"best_of": 3}, "best_of"),
        ({"echo": True, "logprobs": 1}, "echo with logprobs"),
        ({"prompt": ["a", "b"], "stream": True}, "one prompt"),
        ({"prompt": []}, "at least 1"),
        ({"prompt": ""}, "prompt is empty"),
        ({"prompt": ["a"] * 33}, "at most 32"),
        ({"prompt": [-1]}, "greater than or equal"),
        ({"prompt": [2**31]}, "no token has the id"),
        ({"logprobs": 21}, "logprobs"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"model": "ledge-rag"}, "/v1/chat/completions"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_cannot_be_completed_is_the_callers_fault(
    openai_client: OpenAI, settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        openai_client.completions.create(**{"model": "scripted", "prompt": "x", **settings})
    assert told in refused.value.message


@pytest.fixture
def openai_client(openai: OpenAI) -> OpenAI:
    return openai


async def test_an_error_in_mid_stream_ends_it(http: httpx.AsyncClient) -> None:
    body = {"model": "scripted", "prompt": "breaks", "stream": True, "max_tokens": 100}
    *pieces, last = events_of((await http.post("/v1/completions", json=body)).text)
    assert "".join(piece["choices"][0]["text"] for piece in pieces) == "half an ans"
    assert last["error"]["code"] == "engine_failed"


async def test_one_of_several_prompts_that_fails_ends_the_others(suite: Suite, async_openai: AsyncOpenAI) -> None:
    with pytest.raises(openai.InternalServerError):
        await async_openai.completions.create(model="scripted", prompt=["slow", "breaks"], max_tokens=50)
    await until(suite.llm, "ledge_llm_slots_busy 0.0")


@pytest.mark.parametrize("stream", [False, True])
async def test_leaving_ends_the_generation(suite: Suite, http: httpx.AsyncClient, stream: bool) -> None:
    body = {"model": "scripted", "prompt": "slow", "stream": stream}
    waiting = asyncio.create_task(http.post("/v1/completions", json=body))
    await until(suite.llm, "ledge_llm_slots_busy 1.0")
    waiting.cancel()
    await asyncio.wait([waiting])
    await until(suite.llm, "ledge_llm_slots_busy 0.0")
