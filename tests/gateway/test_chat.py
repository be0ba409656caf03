import json
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.gateway.suite import ask, events_of

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def user(text: str) -> Any:
    return [{"role": "user", "content": text}]


def test_a_plain_chat(openai: OpenAI) -> None:
    answer = openai.chat.completions.create(model="scripted", messages=user("good morning"))
    assert answer.object == "chat.completion"
    assert answer.model == "scripted"
    assert answer.created > 1_700_000_000
    choice = answer.choices[0]
    assert choice.message.role == "assistant"
    assert choice.message.content == "You said: good morning"
    assert choice.message.tool_calls is None
    assert choice.finish_reason == "stop"
    assert choice.logprobs is None
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.completion_tokens == len("You said: good morning")


async def test_a_plain_chat_of_the_async_client(async_openai: AsyncOpenAI) -> None:
    answer = await async_openai.chat.completions.create(model="scripted", messages=user("good morning"))
    assert answer.choices[0].message.content == "You said: good morning"


def test_every_role_and_kind_of_text_reaches_the_model(openai: OpenAI) -> None:
    messages: Any = [
        {"role": "system", "content": "be brief"},
        {"role": "developer", "content": "be kind"},
        {"role": "user", "content": "weather?", "name": "ada"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        {"role": "user", "content": [{"type": "text", "text": "and "}, {"type": "text", "text": "tomorrow?"}]},
    ]
    answer = openai.chat.completions.create(model="scripted", messages=messages)
    assert answer.choices[0].message.content == "You said: and tomorrow?"


def test_an_answer_of_the_sdk_can_be_sent_back_as_it_came(openai: OpenAI) -> None:
    messages: list[Any] = user("weather in Oslo")
    first = openai.chat.completions.create(model="scripted", messages=messages, tools=[WEATHER])
    messages += [first.choices[0].message, {"role": "tool", "tool_call_id": "c", "content": "rain"}, *user("thanks")]
    second = openai.chat.completions.create(model="scripted", messages=messages)
    # Other clients send every field, with null for what is not there.
    messages.insert(-1, second.choices[0].message.model_dump())
    third = openai.chat.completions.create(model="scripted", messages=messages)
    assert third.choices[0].message.content == "You said: thanks"


def test_a_streamed_chat(openai: OpenAI) -> None:
    chunks = list(openai.chat.completions.create(model="scripted", messages=user("good morning"), stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "You said: good morning"
    assert len(chunks) > 3
    assert len({chunk.id for chunk in chunks}) == 1
    assert len({chunk.created for chunk in chunks}) == 1
    assert [chunk.choices[0].delta.role for chunk in chunks] == ["assistant"] + [None] * (len(chunks) - 1)
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert all(chunk.usage is None for chunk in chunks)


async def test_usage_comes_last_in_a_chunk_without_choices(async_openai: AsyncOpenAI) -> None:
    stream = await async_openai.chat.completions.create(
        model="scripted", messages=user("hi"), stream=True, stream_options={"include_usage": True}
    )
    *pieces, last = [chunk async for chunk in stream]
    assert all(piece.usage is None and piece.choices for piece in pieces)
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens == len("You said: hi")


async def test_the_frames_of_a_stream_are_those_of_openai(http: httpx.AsyncClient) -> None:
    response = await http.post("/v1/chat/completions", json=ask("grüße 🌊", stream=True))
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    *chunks, done = events_of(response.text)
    assert done == "[DONE]"
    assert all(chunk["object"] == "chat.completion.chunk" for chunk in chunks)
    # Null while it goes on, not absent; the usage only where it was asked for.
    assert all("finish_reason" in chunk["choices"][0] and "usage" not in chunk for chunk in chunks)
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == "You said: grüße 🌊"


def test_a_tool_is_called(openai: OpenAI) -> None:
    choice = openai.chat.completions.create(
        model="scripted", messages=user("weather in Oslo"), tools=[WEATHER], tool_choice="auto"
    ).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert choice.message.tool_calls is not None
    call: Any = choice.message.tool_calls[0]
    assert call.type == "function"
    assert call.function.name == "weather"
    assert json.loads(call.function.arguments) == {"city": "Oslo"}


def test_a_streamed_tool_call_begins_with_its_id_and_name(openai: OpenAI) -> None:
    chunks = list(
        openai.chat.completions.create(model="scripted", messages=user("weather in Oslo"), tools=[WEATHER], stream=True)
    )
    calls: list[Any] = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]
    assert calls[0].index == 0
    assert calls[0].id
    assert calls[0].type == "function"
    assert calls[0].function.name == "weather"
    assert json.loads("".join(call.function.arguments for call in calls)) == {"city": "Oslo"}
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
def test_a_tool_that_must_be_called_is(openai: OpenAI, choice: Any) -> None:
    answer = openai.chat.completions.create(
        model="scripted", messages=user("hello"), tools=[WEATHER], tool_choice=choice
    )
    assert answer.choices[0].finish_reason == "tool_calls"


def test_the_sdk_streams_tool_calls_into_an_answer(openai: OpenAI) -> None:
    with openai.chat.completions.stream(model="scripted", messages=user("weather in Oslo"), tools=[WEATHER]) as stream:
        message = stream.get_final_completion().choices[0].message
    assert message.tool_calls is not None
    assert message.tool_calls[0].function.name == "weather"


def test_an_answer_in_json(openai: OpenAI) -> None:
    answer = openai.chat.completions.create(
        model="scripted", messages=user("hello"), response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)


def test_an_answer_by_a_schema(openai: OpenAI) -> None:
    schema: Any = {
        "type": "object",
        "properties": {"city": {"type": "string", "minLength": 3}, "kind": {"enum": ["town", "village"]}},
        "required": ["city", "kind"],
    }
    answer = openai.chat.completions.create(
        model="scripted",
        messages=user("hello"),
        response_format={"type": "json_schema", "json_schema": {"name": "place", "schema": schema, "strict": True}},
    )
    assert json.loads(answer.choices[0].message.content or "") == {"city": "aaa", "kind": "town"}


def test_log_probabilities(openai: OpenAI) -> None:
    choice = openai.chat.completions.create(
        model="scripted", messages=user("é"), logprobs=True, top_logprobs=1
    ).choices[0]
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    tokens = choice.logprobs.content
    assert "".join(token.token for token in tokens) == "You said: é"
    assert tokens[-1].bytes == list("é".encode())
    assert tokens[-1].logprob == 0.0
    assert tokens[-1].top_logprobs[0].token == "é"


def test_log_probabilities_of_a_stream(openai: OpenAI) -> None:
    stream = openai.chat.completions.create(model="scripted", messages=user("hi"), logprobs=True, stream=True)
    tokens = [
        token.token
        for chunk in stream
        for token in (chunk.choices[0].logprobs.content or () if chunk.choices[0].logprobs else ())
    ]
    assert "".join(tokens) == "You said: hi"


@pytest.mark.parametrize("stop", [" said", ["never", " said"]])
def test_a_stop_string_ends_the_answer(openai: OpenAI, stop: Any) -> None:
    choice = openai.chat.completions.create(model="scripted", messages=user("hi"), stop=stop).choices[0]
    assert choice.message.content == "You"
    assert choice.finish_reason == "stop"


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_an_answer_ends_at_its_longest(openai: OpenAI, limit: str) -> None:
    settings: Any = {limit: 5}
    choice = openai.chat.completions.create(model="scripted", messages=user("for ever"), **settings).choices[0]
    assert choice.message.content == "and s"
    assert choice.finish_reason == "length"


def test_a_seed_chooses(openai: OpenAI) -> None:
    def said(seed: int) -> str | None:
        answer = openai.chat.completions.create(model="scripted", messages=user("choose"), seed=seed)
        return answer.choices[0].message.content

    assert (said(0), said(1), said(0)) == ("heads", "tails", "heads")


def test_several_answers(openai: OpenAI) -> None:
    answer = openai.chat.completions.create(model="scripted", messages=user("choose"), n=3, seed=0)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert {choice.message.content for choice in answer.choices} <= {"heads", "tails"}


def test_several_streamed_answers_each_begin_and_end(openai: OpenAI) -> None:
    stream = openai.chat.completions.create(
        model="scripted", messages=user("hi"), n=3, stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = stream
    for index in range(3):
        own = [chunk.choices[0] for chunk in chunks if chunk.choices[0].index == index]
        assert own[0].delta.role == "assistant"
        assert [piece.finish_reason for piece in own][-1] == "stop"
        assert "".join(piece.delta.content or "" for piece in own) == "You said: hi"
    assert last.usage is not None
    assert last.usage.completion_tokens == 3 * len("You said: hi")


def test_every_sampling_setting_is_taken(openai: OpenAI) -> None:
    answer = openai.chat.completions.create(
        model="scripted",
        messages=user("hi"),
        temperature=0.5,
        top_p=0.9,
        presence_penalty=0.1,
        frequency_penalty=-0.1,
        logit_bias={"12": 5, "13": -100},
        user="ada",
        store=False,
        metadata={"a": "b"},
        parallel_tool_calls=True,
        extra_body={"top_k": 40, "min_p": 0.05, "repetition_penalty": 1.1, "priority": -1, "guided_json": {}},
    )
    assert answer.choices[0].message.content


def test_nulls_mean_absent(openai: OpenAI) -> None:
    nulls = ("stream", "stream_options", "tools", "tool_choice", "stop", "n", "logit_bias", "seed", "response_format")
    body: Any = dict.fromkeys(nulls)
    answer = openai.chat.completions.create(model="scripted", messages=user("hi"), extra_body=body)
    assert answer.choices[0].message.content == "You said: hi"


@pytest.mark.parametrize("model", ["gpt-4", "whatever", "scripted"])
def test_a_model_goes_by_its_aliases(openai: OpenAI, model: str) -> None:
    answer = openai.chat.completions.create(model=model, messages=user("hi"))
    assert answer.model == "scripted"


@pytest.mark.parametrize("place", ["extra_body", "nvext"])
def test_nims_guided_fields_restrict_the_answer(openai: OpenAI, place: str) -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    guided = {"guided_json": schema}
    extra = {"nvext": guided} if place == "nvext" else guided
    answer = openai.chat.completions.create(model="scripted", messages=user("hello"), extra_body=extra)
    assert isinstance(json.loads(answer.choices[0].message.content or "")["name"], str)
