import asyncio
from typing import Any

import openai
import pytest
from ledge.rag.v1 import rag_pb2 as pb
from openai import AsyncOpenAI, OpenAI

from services.gateway.cited import outcome_of
from tests.gateway.suite import KEY, TALL, Suite, ask, events_of, until, whole_suite


@pytest.fixture
def client(documents: Suite) -> Any:
    with OpenAI(base_url=f"{documents.url}/v1", api_key=KEY, max_retries=0, timeout=60) as client:
        yield client


def user(*texts: str) -> list[Any]:
    roles = ("user", "assistant") * len(texts)
    return [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]


def test_an_answer_from_the_documents_with_its_citations(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="ledge-rag", messages=user(TALL))
    assert answer.model == "ledge-rag"
    assert answer.choices[0].finish_reason == "stop"
    assert "12 metres" in (answer.choices[0].message.content or "")
    told = answer.model_extra or {}
    assert told["answered"] is True
    citation = told["citations"][0]
    assert citation["number"] == 1
    assert citation["document"] == "handbook.md"
    assert citation["heading"] == "The pump house"
    assert citation["page"] is None
    assert "12 metres tall" in citation["text"][citation["start"] : citation["end"]]
    assert told["timings_ms"]["total"] >= told["timings_ms"]["first_token"] > 0
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stage_that_ran_again_is_told_with_all_its_time() -> None:
    steps = [
        pb.Step(name=name, elapsed_ms=elapsed_ms) for name, elapsed_ms in (("encode", 4), ("hop", 1), ("encode", 8))
    ]
    timings = outcome_of(pb.Done(steps=steps))["timings_ms"]
    assert (timings["encode"], timings["hop"]) == (12, 1)


def test_a_streamed_answer_ends_with_its_citations(client: OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="ledge-rag", messages=user(TALL), stream=True, stream_options={"include_usage": True}
        )
    )
    *pieces, last, usage = chunks
    assert pieces[0].choices[0].delta.role == "assistant"
    assert "12 metres" in "".join(piece.choices[0].delta.content or "" for piece in pieces)
    assert [piece.choices[0].finish_reason for piece in (*pieces, last)] == [None] * len(pieces) + ["stop"]
    assert (last.model_extra or {})["citations"][0]["document"] == "handbook.md"
    assert (usage.choices, usage.usage is not None) == ([], True)


def test_what_the_documents_do_not_tell_is_not_known(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="ledge-rag", messages=user("Who won the chess tournament?"))
    told = answer.model_extra or {}
    assert told["answered"] is False
    assert told["citations"] == []
    assert "I don't know" in (answer.choices[0].message.content or "")


def test_a_follow_up_is_understood_by_what_was_said_before(client: OpenAI) -> None:
    follow_up = "And in which year?"
    alone = client.chat.completions.create(model="ledge-rag", messages=user(follow_up))
    assert (alone.model_extra or {})["answered"] is False
    messages = [
        {"role": "system", "content": "be brief"},
        *user("When was the pump house built?", "It was built by the harbour [1].", follow_up),
    ]
    answer = client.chat.completions.create(model="ledge-rag", messages=messages)  # type: ignore[arg-type]
    told = answer.model_extra or {}
    assert told["answered"] is True
    assert told["citations"][0]["heading"] == "The pump house"


def test_a_response_from_the_documents_marks_its_citations(client: OpenAI) -> None:
    response = client.responses.create(model="ledge-rag", input=TALL)
    assert (response.model, response.status) == ("ledge-rag", "completed")
    part: Any = response.output[0].content[0]  # type: ignore[union-attr]
    (cited,) = part.annotations
    assert (cited.type, cited.filename) == ("file_citation", "handbook.md")
    assert part.text[cited.index :].startswith("[1]")
    assert (response.model_extra or {})["answered"] is True

    events = list(client.responses.create(model="ledge-rag", input=TALL, stream=True))
    assert "response.output_text.annotation.added" in [event.type for event in events]
    last: Any = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == part.text
    assert last.response.model_extra["citations"][0]["document"] == "handbook.md"


def test_a_response_understands_what_was_said_before(client: OpenAI) -> None:
    said: Any = user("When was the pump house built?", "It was built by the harbour [1].", "And in which year?")
    response = client.responses.create(model="ledge-rag", input=said, instructions="be brief")
    assert (response.model_extra or {})["answered"] is True


@pytest.mark.parametrize(("document", "answered"), [("handbook.md", True), ("other.md", False)])
def test_only_passages_that_fit_the_filter_are_answered_from(client: OpenAI, document: str, answered: bool) -> None:
    extra = {"filter": {"must": [{"match": {"field": "document", "any_of": [document]}}]}, "collections": ["default"]}
    chat = client.chat.completions.create(model="ledge-rag", messages=user(TALL), extra_body=extra)
    response = client.responses.create(model="ledge-rag", input=TALL, extra_body=extra)
    for told in (chat.model_extra or {}, response.model_extra or {}):
        assert told["answered"] is answered
        assert {citation["collection"] for citation in told["citations"]} <= {"default"}


def test_a_response_from_the_documents_takes_no_tools(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="no tools"):
        client.responses.create(
            model="ledge-rag", input=TALL, tools=[{"type": "function", "name": "f", "parameters": {}, "strict": False}]
        )


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"n": 2}, "n=1"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "no tools"),
        ({"response_format": {"type": "json_object"}}, "no response_format"),
        ({"logprobs": True}, "no logprobs"),
        ({"messages": user(TALL, "It is tall.")}, "the user's question"),
        ({"messages": [{"role": "system", "content": "x"}]}, "the user's question"),
        ({"messages": user("x" * 9000)}, "8192"),
        ({"messages": user(" ")}, "question"),
        ({"extra_body": {"collection": "Not A Name"}}, "name of a collection"),
        ({"extra_body": {"effort": "heroic"}}, "effort"),
        ({"extra_body": {"filter": {"must": "x"}}}, "filter is no"),
        ({"extra_body": {"collections": ["a"] * 17}}, "collections"),
    ],
    ids=lambda value: str(value)[:30],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_asked_is_the_callers_fault(
    client: OpenAI, settings: dict[str, Any], told: str, stream: bool
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**{"model": "ledge-rag", "messages": user(TALL), **settings, "stream": stream})
    assert told in refused.value.message


def test_a_collection_that_is_not_there_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(
            model="ledge-rag", messages=user(TALL), extra_body={"collection": "nowhere", "effort": "fast"}
        )


def test_sampling_that_clients_always_send_does_no_harm(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="ledge-rag", messages=user(TALL), temperature=0.2, max_tokens=100, stop=["\n\n\n"], top_p=1, seed=1
    )
    assert "12 metres" in (answer.choices[0].message.content or "")


async def test_the_trace_is_the_same_in_the_gateway_in_rag_and_in_the_llm(documents: Suite) -> None:
    trace_id = "1af7651916cd43dd8448eb211c80319d"
    headers = {"x-request-id": "asked-1", "traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}
    async with documents.http() as http:
        response = await http.post("/v1/chat/completions", json={**ask(TALL), "model": "ledge-rag"}, headers=headers)
    assert response.status_code == 200
    processes = [documents.gateway, documents.llm, *documents.others.values()]
    calls = [await documents.call(process, "asked-1") for process in processes]
    assert {call["trace_id"] for call in calls} == {trace_id}
    assert {call["tenant"] for call in calls} == {"ada"}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_ends_the_generation_three_hops_down(documents: Suite, stream: bool) -> None:
    body = {**ask("By whom was the pump house built?", stream=stream), "model": "ledge-rag"}
    async with documents.http() as http:
        waiting = asyncio.create_task(http.post("/v1/chat/completions", json=body))
        await until(documents.llm, "ledge_llm_slots_busy 1.0")
        waiting.cancel()
        await asyncio.wait([waiting])
    await until(documents.llm, "ledge_llm_slots_busy 0.0")
    await until(documents.others["rag"], 'ledge_calls_in_flight{service="rag"} 0.0')
    ended = [entry["code"] for entry in documents.llm.log if entry.get("method") == "ChatStream"]
    assert ended[-1] == "CANCELLED"


async def test_the_models_are_listed_with_the_one_that_answers_from_documents(documents: Suite) -> None:
    async with AsyncOpenAI(base_url=f"{documents.url}/v1", api_key=KEY) as client:
        assert "ledge-rag" in {model.id async for model in client.models.list()}
        assert (await client.models.retrieve("ledge-rag")).id == "ledge-rag"


async def test_a_killed_rag_in_mid_answer_ends_the_stream_with_an_error() -> None:
    with whole_suite() as documents:
        body = {**ask("What does the pump house hold?", stream=True), "model": "ledge-rag"}
        async with documents.http() as http, http.stream("POST", "/v1/chat/completions", json=body) as response:
            parts = response.aiter_text()
            heard = await anext(parts)
            documents.others["rag"].kill()
            async for part in parts:
                heard += part
    assert events_of(heard)[-1]["error"]["code"] == "not_ready"
