"""The RAG blueprint's answers and passages, read as its page and its tools read them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from ledge.rag.v1 import rag_pb2 as pb

from services.gateway.routes.blueprint_answers import Prompt
from tests.gateway.suite import TALL, Suite, events_of, until


@pytest.fixture
async def http(documents: Suite) -> AsyncIterator[httpx.AsyncClient]:
    async with documents.http() as client:
        yield client


def prompt(*texts: str, **fields: Any) -> dict[str, Any]:
    roles = ("user", "assistant") * len(texts)
    messages = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]
    return {"messages": messages, **fields}


async def generated(http: httpx.AsyncClient, body: dict[str, Any]) -> list[Any]:
    response = await http.post("/v1/generate", json=body)
    assert response.status_code == 200, response.text
    return events_of(response.text)


def said(chunks: list[Any]) -> str:
    return "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks)


async def test_an_answer_streams_with_its_citations_first_and_its_stages_last(http: httpx.AsyncClient) -> None:
    chunks = await generated(http, prompt(TALL, collection_names=["default"], vdb_top_k=400, reranker_top_k=10))
    assert "12 metres" in said(chunks)
    first, last = chunks[0], chunks[-1]
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert {chunk["model"] for chunk in chunks} == {"ledge-rag"}
    assert {chunk["event_type"] for chunk in chunks} == {None}
    assert first["choices"][0]["message"]["role"] == "assistant"
    found = first["citations"]
    assert found["total_results"] == len(found["results"]) >= 1
    assert {result["document_name"] for result in found["results"]} == {"handbook.md"}
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    (cited,) = last["citations"]["results"]
    content = cited["metadata"]["content_metadata"]
    assert content["citation"]["number"] == 1
    assert "12 metres tall" in cited["content"][content["citation"]["start"] : content["citation"]["end"]]
    assert content["headings"] == ["The pump house"]
    metrics = last["metrics"]
    assert metrics["rag_ttft_ms"] > 0
    assert metrics["retrieval_time_ms"] > 0
    assert metrics["context_reranker_time_ms"] > 0
    usage = last["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


@pytest.mark.parametrize(
    ("fields", "effort", "candidates"),
    [
        ({}, pb.EFFORT_UNSPECIFIED, None),
        ({"agentic": False, "enable_query_rewriting": False}, pb.EFFORT_UNSPECIFIED, None),
        ({"enable_query_rewriting": True, "vdb_top_k": 400}, pb.BALANCED, 100),
        ({"agentic": True, "vdb_top_k": 7}, pb.THOROUGH, 7),
    ],
)
def test_what_is_not_asked_for_is_left_to_the_settings_of_the_collections(
    fields: dict[str, Any], effort: "pb.Effort", candidates: int | None
) -> None:
    asked = Prompt.model_validate(prompt(TALL, **fields)).question()
    assert asked.effort == effort
    assert (asked.candidates if asked.HasField("candidates") else None) == candidates


async def test_what_was_said_before_is_understood(http: httpx.AsyncClient) -> None:
    follow_up = "And in which year?"
    asked = prompt("When was the pump house built?", "It was built by the harbour [1].", follow_up)
    assert "1931" in said(await generated(http, asked))
    assert "I don't know" in said(await generated(http, prompt(follow_up)))


async def test_citations_and_reranking_can_be_left_out(http: httpx.AsyncClient) -> None:
    chunks = await generated(http, prompt(TALL, enable_citations=False, enable_reranker=False))
    assert {chunk["citations"]["total_results"] for chunk in chunks} == {0}
    assert chunks[-1]["metrics"]["context_reranker_time_ms"] is None


async def test_an_agents_steps_are_told_as_stages(http: httpx.AsyncClient) -> None:
    chunks = await generated(http, prompt(TALL, agentic=True))
    kinds = [chunk["event_type"] for chunk in chunks]
    assert kinds.count("stage_start") == kinds.count("stage_end") >= 2
    assert "retrieve" in {chunk["stage"] for chunk in chunks}
    assert "12 metres" in said([chunk for chunk in chunks if chunk["event_type"] == "final_answer"])
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    quiet = await generated(http, prompt(TALL, agentic=True, enable_streaming=False))
    assert {chunk["event_type"] for chunk in quiet} == {None}


async def test_without_the_documents_the_model_answers_alone(http: httpx.AsyncClient) -> None:
    body = prompt("hello", use_knowledge_base=False, model="scripted", temperature=0.1, max_tokens=0, stop=[])
    chunks = await generated(http, body)
    assert said(chunks) == "You said: hello"
    assert {chunk["model"] for chunk in chunks} == {"scripted"}
    assert chunks[-1]["metrics"]["llm_generation_time_ms"] >= chunks[-1]["metrics"]["llm_ttft_ms"] > 0
    assert chunks[-1]["usage"]["completion_tokens"] > 0


async def test_passages_are_found(http: httpx.AsyncClient) -> None:
    body = {"query": "the gate of the reservoir", "collection_names": ["default"], "reranker_top_k": 1}
    told = (await http.post("/v1/search", json=body)).json()
    assert told["total_results"] == 1
    assert told["results"][0]["metadata"]["content_metadata"]["headings"] == ["The reservoir"]
    parts = [{"type": "text", "text": "the gate"}]
    assert (await http.post("/v1/search", json={"query": parts})).json()["total_results"] == 2
    for threshold, found in ((0, 2), (0.9, 0)):
        half = {"query": "gate zebra", "confidence_threshold": threshold}
        assert (await http.post("/v1/search", json=half)).json()["total_results"] == found
    assert (await http.post("/v1/search", json={"query": "the gate", "reranker_top_k": 0})).json()["results"] == []


@pytest.mark.parametrize(
    ("path", "fields", "status", "told"),
    [
        ("/v1/generate", {"messages": []}, 422, "messages"),
        ("/v1/generate", {"messages": [{"role": "system", "content": "x"}]}, 400, "the user's question"),
        (
            "/v1/generate",
            {"filter_expr": 'content_metadata["a"] like "b"'},
            422,
            "filter_expr: it cannot be read at 'like'",
        ),
        ("/v1/search", {"query": "x", "filter_expr": "a =="}, 422, "filter_expr"),
        ("/v1/search", {"query": "x", "filter_expr": [{"term": {"a": "b"}}]}, 422, "filter_expr"),
        ("/v1/generate", {"enable_vlm_inference": True}, 422, "enable_vlm_inference"),
        ("/v1/generate", {"confidence_threshold": 0.5}, 422, "confidence_threshold"),
        ("/v1/generate", {"collection_names": ["nowhere"]}, 404, "nowhere"),
        ("/v1/generate", {"collection_names": ["Not A Name"]}, 400, "no name of a collection"),
        ("/v1/generate", {"use_knowledge_base": False, "model": "no-such-model"}, 404, "no-such-model"),
        ("/v1/generate", {"messages": [{"content": [{"type": "image_url"}]}]}, 400, "image_url"),
        ("/v1/search", {}, 422, "query"),
        ("/v1/search", {"query": ""}, 400, "query"),
        ("/v1/search", {"query": "x", "enable_query_rewriting": True}, 422, "enable_query_rewriting"),
        ("/v1/search", {"query": "x", "collection_names": ["nowhere"]}, 404, "nowhere"),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_what_cannot_be_asked_is_told_in_the_blueprints_shape(
    http: httpx.AsyncClient, path: str, fields: dict[str, Any], status: int, told: str
) -> None:
    body = {**prompt(TALL), **fields} if path == "/v1/generate" else fields
    response = await http.post(path, json=body)
    assert response.status_code == status
    assert told in response.json()["message"]
    assert response.json()["detail"] == response.json()["message"]


async def test_an_answer_that_breaks_off_ends_with_an_error_and_not_with_stop(http: httpx.AsyncClient) -> None:
    chunks = await generated(http, prompt("breaks", use_knowledge_base=False))
    assert said(chunks[:-1]) == "half an ans"
    assert chunks[-1]["event_type"] == "error"
    assert chunks[-1]["choices"][0]["finish_reason"] == "error"
    assert "the script breaks here" in said(chunks[-1:])


async def test_leaving_ends_the_answer_three_hops_down(documents: Suite, http: httpx.AsyncClient) -> None:
    waiting = asyncio.create_task(http.post("/v1/generate", json=prompt("By whom was the pump house built?")))
    await until(documents.llm, "ledge_llm_slots_busy 1.0")
    waiting.cancel()
    await asyncio.wait([waiting])
    await until(documents.llm, "ledge_llm_slots_busy 0.0")
