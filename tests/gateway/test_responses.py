import asyncio
import json
from typing import Any, Literal

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from tests.gateway.suite import Suite, until

WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "description": "The weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


def respond(client: OpenAI, said: Any = "hi", **settings: Any) -> Any:
    return client.responses.create(model="scripted", input=said, **settings)


def test_a_response_says_what_it_says_and_what_it_cost(openai: OpenAI) -> None:
    response = respond(openai, metadata={"case": "7"})
    assert (response.object, response.status, response.model) == ("response", "completed", "scripted")
    assert response.output_text == "You said: hi"
    assert response.error is None
    assert response.incomplete_details is None
    assert response.metadata == {"case": "7"}
    assert response.store is False
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    assert response.usage.output_tokens > 0


def test_the_events_of_a_stream_come_in_openais_order(openai: OpenAI) -> None:
    events = list(respond(openai, stream=True))
    kinds = [event.type for event in events]
    deltas = kinds.count("response.output_text.delta")
    assert deltas > 1
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        *["response.output_text.delta"] * deltas,
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    last = events[-1].response
    assert said == last.output_text == "You said: hi"
    assert (events[0].response.id, events[0].response.status) == (last.id, "in_progress")
    assert events[0].response.output == []
    whole = respond(openai)
    assert (last.usage, last.output[0].content) == (whole.usage, whole.output[0].content)


async def test_each_event_travels_under_its_own_name(http: httpx.AsyncClient) -> None:
    body = {"model": "scripted", "input": "hi", "stream": True}
    frames = (await http.post("/v1/responses", json=body)).text.removesuffix("\n\n").split("\n\n")
    for frame in frames:
        name, data = frame.split("\n")
        assert name == f"event: {json.loads(data.removeprefix('data: '))['type']}"


def test_the_sdks_own_reader_of_streams_understands_it(openai: OpenAI) -> None:
    with openai.responses.stream(model="scripted", input="hi") as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                assert event.snapshot.endswith(event.delta)
        assert stream.get_final_response().output_text == "You said: hi"


def test_a_conversation_is_sent_whole_with_instructions_calls_and_results(openai: OpenAI) -> None:
    first = respond(openai, "weather in Oslo", tools=[WEATHER])
    (call,) = first.output
    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "weather", {"city": "Oslo"})
    conversation = [
        {"role": "user", "content": [{"type": "input_text", "text": "weather in Oslo"}]},
        *first.output,
        {"type": "function_call_output", "call_id": call.call_id, "output": "snow"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Snow."}]},
        {"type": "message", "role": "user", "content": "and now?"},
    ]
    second = respond(openai, conversation, instructions="be brief", tools=[WEATHER])
    assert second.output_text == "You said: and now?"
    assert second.instructions == "be brief"
    assert second.usage.input_tokens > first.usage.input_tokens


@pytest.mark.parametrize("tool_choice", ["auto", "required", {"type": "function", "name": "weather"}])
def test_a_function_is_called_in_a_stream(openai: OpenAI, tool_choice: Any) -> None:
    events = list(respond(openai, "weather in Oslo", tools=[WEATHER], tool_choice=tool_choice, stream=True))
    kinds = [event.type for event in events]
    assert kinds[:3] == ["response.created", "response.in_progress", "response.output_item.added"]
    assert kinds[-3:] == [
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
    ]
    said = "".join(event.delta for event in events if event.type == "response.function_call_arguments.delta")
    (call,) = events[-1].response.output
    assert json.loads(said) == json.loads(call.arguments) == {"city": "Oslo"}
    assert events[2].item.call_id == call.call_id


def test_functions_that_must_not_be_called_are_not(openai: OpenAI) -> None:
    assert respond(openai, tools=[WEATHER], tool_choice="none").output_text == "You said: hi"


class Coin(BaseModel):
    side: Literal["heads", "tails"]


def test_an_answer_in_a_schema_is_parsed(openai: OpenAI) -> None:
    response = openai.responses.parse(model="scripted", input="toss", text_format=Coin)
    assert response.output_parsed is not None
    assert response.output_parsed.side in ("heads", "tails")
    assert isinstance(json.loads(respond(openai, text={"format": {"type": "json_object"}}).output_text), dict)


def test_an_answer_that_is_cut_off_is_incomplete(openai: OpenAI) -> None:
    response = respond(openai, "for ever", max_output_tokens=4)
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.usage.output_tokens == 4
    last = list(respond(openai, "for ever", max_output_tokens=4, stream=True))[-1]
    assert (last.type, last.response.output[0].status) == ("response.incomplete", "incomplete")


def test_logprobs_come_where_they_are_wanted(openai: OpenAI) -> None:
    part = respond(openai, include=["message.output_text.logprobs"]).output[0].content[0]
    assert "".join(entry.token for entry in part.logprobs) == part.text
    assert respond(openai).output[0].content[0].logprobs == []


@pytest.fixture
def openai_client(openai: OpenAI) -> OpenAI:
    return openai


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"store": True}, "store is not supported"),
        ({"previous_response_id": "resp_1"}, "previous_response_id is not supported"),
        ({"conversation": "conv_1"}, "conversation is not supported"),
        ({"background": True}, "background is not supported"),
        ({"truncation": "auto"}, "truncation is not supported"),
        ({"tools": [{"type": "web_search"}]}, "tools.0: only tools of type"),
        ({"input": []}, "at least 1"),
        ({"input": [{"type": "reasoning", "id": "r", "summary": []}]}, "input"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}, "input_image"),
        ({"input": [{"type": "message", "content": "x"}]}, "no role"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"tool_choice": {"type": "function", "name": "other"}, "tools": [WEATHER]}, "other"),
    ],
    ids=lambda value: str(value)[:30],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_answered_is_the_callers_fault(
    openai_client: OpenAI, settings: dict[str, Any], told: str, stream: bool
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        openai_client.responses.create(**{"model": "scripted", "input": "x", "stream": stream, **settings})
    assert told in refused.value.message


def test_what_is_not_kept_is_not_found(openai_client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        openai_client.responses.retrieve("resp_1")


def test_an_error_in_mid_stream_is_told_in_the_response_and_raised_by_the_sdk(openai_client: OpenAI) -> None:
    heard: list[Any] = []

    def hear() -> None:
        for event in respond(openai_client, "breaks", stream=True):
            heard.append(event)

    with pytest.raises(openai.APIError, match="the script breaks here"):
        hear()
    failed = heard[-1]
    assert (failed.type, failed.response.status, failed.response.error.code) == (
        "response.failed",
        "failed",
        "server_error",
    )
    with pytest.raises(openai.InternalServerError):
        respond(openai_client, "breaks")


@pytest.mark.parametrize("stream", [False, True])
async def test_leaving_ends_the_generation(suite: Suite, http: httpx.AsyncClient, stream: bool) -> None:
    body = {"model": "scripted", "input": "slow", "stream": stream}
    waiting = asyncio.create_task(http.post("/v1/responses", json=body))
    await until(suite.llm, "ledge_llm_slots_busy 1.0")
    waiting.cancel()
    await asyncio.wait([waiting])
    await until(suite.llm, "ledge_llm_slots_busy 0.0")


async def test_closing_a_stream_ends_the_generation(suite: Suite, async_openai: AsyncOpenAI) -> None:
    stream = await async_openai.responses.create(model="scripted", input="for ever", stream=True)
    async for event in stream:
        if event.type == "response.output_text.delta":
            break
    await until(suite.llm, "ledge_llm_slots_busy 1.0")
    await stream.close()
    await until(suite.llm, "ledge_llm_slots_busy 0.0")
