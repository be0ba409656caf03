"""`/v1/openapi.json` says what is so."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

PAGE = (Path(__file__).parent.parent.parent / "docs" / "clients.md").read_text()
TABLE = PAGE.partition("`/v1/openapi.json` describes")[0]


@pytest.fixture
async def described(http: httpx.AsyncClient) -> dict[str, Any]:
    response = await http.get("/v1/openapi.json")
    assert response.status_code == 200
    told: dict[str, Any] = response.json()
    return told


async def test_every_path_of_the_clients_page_is_described(described: dict[str, Any]) -> None:
    named = re.findall(r"`((?:/|[a-z])[a-z0-9/]*)`", TABLE)
    # What stands there beside paths: MCP's tools, and doors that are services of their own.
    others = {"search", "answer", "riva", "wyoming"}
    paths = {path if path.startswith("/") else f"/v1/{path}" for path in named if path not in others}
    assert len(paths) > 20
    assert paths <= set(described["paths"])


async def test_every_described_path_is_there(http: httpx.AsyncClient, described: dict[str, Any]) -> None:
    for path, operations in described["paths"].items():
        if "{" not in path:
            for method in operations:
                response = await http.request(method.upper(), path, headers={"content-type": "application/json"})
                assert response.status_code not in (404, 405), (method, path)


async def test_errors_look_as_they_are_described(http: httpx.AsyncClient, described: dict[str, Any]) -> None:
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            if "requestBody" in operation:
                wanted = operation["responses"]["default"]["content"]["application/json"]["schema"]["required"]
                response = await http.request(method.upper(), path, content=b"nonsense")
                assert 400 <= response.status_code < 500, (method, path)
                assert set(response.json()) == set(wanted), (method, path)


async def test_every_reference_leads_somewhere_and_no_error_of_fastapis_is_promised(described: dict[str, Any]) -> None:
    referred = set(re.findall(r"#/components/schemas/([\w-]+)", str(described)))
    assert referred <= set(described["components"]["schemas"])
    for operations in described["paths"].values():
        for operation in operations.values():
            assert "422" not in operation["responses"]


async def test_streams_are_told_as_such(described: dict[str, Any]) -> None:
    content = described["paths"]["/v1/generate"]["post"]["responses"]["200"]["content"]
    assert set(content) == {"text/event-stream"}
    content = described["paths"]["/v1/chat/completions"]["post"]["responses"]["200"]["content"]
    assert set(content) == {"application/json", "text/event-stream"}
