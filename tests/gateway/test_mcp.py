"""The MCP door by the SDK's own client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from tests.gateway.suite import KEY, TALL, Suite, another_gateway, until

CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "answer", "arguments": {"question": "By whom was the pump house built?"}},
}
ACCEPT = {"accept": "application/json, text/event-stream"}


@asynccontextmanager
async def connected(suite: Suite, mode: str = "auto", key: str = KEY) -> AsyncIterator[Client]:
    headers = {"authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(f"{suite.url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


def text_of(result: Any) -> str:
    return "".join(part.text for part in result.content)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_tools_are_told_and_called_by_old_clients_and_new(documents: Suite, mode: str) -> None:
    async with connected(documents, mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"search", "answer"}
        assert tools["answer"].input_schema["required"] == ["question"]
        result = await client.call_tool("answer", {"question": TALL})
    assert not result.is_error
    assert "12 metres" in text_of(result)
    assert "[1] handbook.md, The pump house" in text_of(result)
    told = result.structured_content
    assert told is not None
    assert told["answered"] is True
    cited = told["citations"][0]
    assert (cited["number"], cited["document"]) == (1, "handbook.md")
    assert "12 metres tall" in cited["text"][cited["start"] : cited["end"]]


async def test_passages_are_found(documents: Suite) -> None:
    async with connected(documents) as client:
        result = await client.call_tool("search", {"query": "the gate of the reservoir", "limit": 1})
    (passage,) = (result.structured_content or {})["passages"]
    assert passage["heading"] == "The reservoir"
    assert passage["text"] in text_of(result)


async def test_what_the_documents_do_not_tell_is_said_so(documents: Suite) -> None:
    async with connected(documents) as client:
        result = await client.call_tool("answer", {"question": "Who won the chess tournament?"})
    assert (result.structured_content or {})["answered"] is False
    assert not result.is_error


@pytest.mark.parametrize(
    ("tool", "arguments", "told"),
    [
        ("search", {}, "query: Field required"),
        ("search", {"query": ""}, "query"),
        ("search", {"query": "x", "limit": 101}, "limit"),
        ("search", {"query": "x", "collections": ["nowhere"]}, "nowhere"),
        ("answer", {"question": "x" * 8193}, "question"),
        ("answer", {"question": "x?", "effort": "heroic"}, "effort"),
        ("answer", {"question": "x?", "collections": ["Not A Name"]}, "no name of a collection"),
    ],
)
async def test_wrong_arguments_are_told_to_the_model_that_chose_them(
    documents: Suite, tool: str, arguments: dict[str, Any], told: str
) -> None:
    async with connected(documents) as client:
        result = await client.call_tool(tool, arguments)
    assert result.is_error
    assert told in text_of(result)


async def test_an_unknown_tool_is_an_error_of_the_protocol(documents: Suite) -> None:
    async with connected(documents) as client:
        with pytest.raises(MCPError, match="no tool"):
            await client.call_tool("delete", {})


async def test_a_service_that_is_down_is_told_without_its_address(suite: Suite) -> None:
    async with connected(suite) as client:
        result = await client.call_tool("search", {"query": "x"})
    assert result.is_error
    assert "cannot be reached" in text_of(result)
    assert "127.0.0.1" not in text_of(result)


async def test_without_the_key_nobody_is_let_in(suite: Suite) -> None:
    async with httpx.AsyncClient() as http:
        response = await http.post(f"{suite.url}/mcp", json=CALL, headers=ACCEPT)
    assert response.status_code == 401
    assert response.json()["error"]["message"].startswith("an accepted API key")
    assert response.json()["jsonrpc"] == "2.0"


async def test_there_is_nothing_to_get(http: httpx.AsyncClient) -> None:
    for method in ("GET", "DELETE"):
        assert (await http.request(method, "/mcp", headers=ACCEPT)).status_code == 405


async def test_pages_of_other_origins_are_kept_out(suite: Suite) -> None:
    with another_gateway(suite, LEDGE_CORS_ALLOW_ORIGINS="https://intranet.example") as open_to_one:
        async with open_to_one.http() as http:
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
            for origin, status in (("https://intranet.example", 200), ("http://evil.example:8000", 403)):
                response = await http.post("/mcp", json=body, headers={**ACCEPT, "origin": origin})
                assert response.status_code == status


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b'{"jsonrpc":"2.0","id":1,"method":"no/such"}'])
async def test_what_is_no_message_is_an_error_and_never_a_500(http: httpx.AsyncClient, body: bytes) -> None:
    headers = {**ACCEPT, "content-type": "application/json"}
    response = await http.post("/mcp", content=body, headers=headers)
    assert response.status_code < 500
    assert response.json()["error"]["message"]


async def test_too_large_a_message_is_refused(http: httpx.AsyncClient) -> None:
    response = await http.post("/mcp", content=b" " * (3 * 2**20), headers={"content-type": "application/json"})
    assert response.status_code == 413
    assert response.json()["jsonrpc"] == "2.0"


@pytest.mark.parametrize("version", ["2025-06-18", "2026-07-28"])
async def test_leaving_ends_the_answer_three_hops_down(documents: Suite, version: str) -> None:
    async with documents.http() as http:
        headers = {**ACCEPT, "mcp-protocol-version": version}
        meta: dict[str, Any] = {
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        headers |= {"mcp-method": "tools/call", "mcp-name": "answer"}
        body = {**CALL, "params": {**CALL["params"], "_meta": meta}}  # type: ignore[dict-item]
        waiting = asyncio.create_task(http.post("/mcp", json=body, headers=headers))
        await until(documents.llm, "ledge_llm_slots_busy 1.0")
        waiting.cancel()
        await asyncio.wait([waiting])
    await until(documents.llm, "ledge_llm_slots_busy 0.0")
    await until(documents.others["rag"], 'ledge_calls_in_flight{service="rag"} 0.0')
