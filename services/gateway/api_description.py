"""`/v1/openapi.json`: the paths as they are, with each door's own errors, which FastAPI cannot know."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from services.gateway.error_shapes import Told, shape_of
from services.gateway.routes.mcp import PATH as MCP

STREAMED = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/audio/transcriptions",
    "/v1/audio/speech",
)
"""Answered as server-sent events where the body says `stream`."""
ALWAYS_STREAMED = ("/v1/generate",)
MANAGEMENT = {
    "/v1/health/live": "200 while the process runs; needs no key",
    "/v1/health/ready": "200 while it serves, 503 before and while it drains; needs no key",
    "/v1/version": "release and contract version",
    "/v1/manifest": "the settings in force, secrets left out",
    "/v1/metrics": "Prometheus' text format",
}
_EXAMPLE = Told("one sentence that says what is wrong", 400, "invalid_input", "field")


def describe(app: FastAPI) -> dict[str, Any]:
    """The description of an app; made once, when it is first asked for."""
    if app.openapi_schema is None:
        app.openapi_schema = _described(app)
    return app.openapi_schema


def _described(app: FastAPI) -> dict[str, Any]:
    description = get_openapi(title=app.title, version=app.version, routes=app.routes)
    for path, operations in description["paths"].items():
        for operation in operations.values():
            responses = operation["responses"]
            responses.pop("422", None)
            responses["default"] = _error(path)
            content = responses["200"].setdefault("content", {})
            if path in (*STREAMED, *ALWAYS_STREAMED):
                content["text/event-stream"] = {"schema": {"type": "string"}}
            if path in ALWAYS_STREAMED:
                del content["application/json"]
    for path, summary in MANAGEMENT.items():
        operation = {"summary": summary, "tags": ["management"], "responses": {"200": {"description": summary}}}
        description["paths"][path] = {"get": operation}
    description["paths"][MCP] = {
        "post": {
            "summary": "The tools search and answer, by the Model Context Protocol",
            "tags": ["mcp"],
            "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
            "responses": {"200": {"description": "JSON-RPC's result"}, "default": _error(MCP)},
        }
    }
    components = description["components"]
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    description["security"] = [{"key": []}]
    return description


def _error(path: str) -> Mapping[str, Any]:
    example = shape_of(path)(_EXAMPLE)
    properties: dict[str, Any] = {name: {} for name in example}
    schema = {"type": "object", "properties": properties, "required": list(example)}
    return {
        "description": "An error; 429 and 503 say by `retry-after` when to try again",
        "content": {"application/json": {"schema": schema, "example": example}},
    }
