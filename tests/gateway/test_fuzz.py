"""Bodies made up by hypothesis: whatever is sent, no answer is a 500 and the gateway goes on."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.gateway.openai_chat import ChatCompletionRequest
from services.gateway.routes.embeddings import EmbeddingsRequest
from tests.gateway.suite import KEY, Suite, ask

ANY_TEXT = st.text(st.characters(), max_size=20)
ANY_NUMBER = st.one_of(
    st.integers(-3, 5), st.integers(), st.floats(), st.sampled_from([2**31, 2**32, 2**63, 2**64, -(2**63) - 1, 1e308])
)
ANY_JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(), st.booleans(), ANY_NUMBER, ANY_TEXT, st.sampled_from(["user", "text", "function", "scripted"])
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(ANY_TEXT, inner, max_size=4)),
    max_leaves=12,
)
MESSAGES = [
    {"role": "system", "content": [{"type": "text", "text": "be brief"}]},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f"}}]},
    {"role": "tool", "tool_call_id": "c", "content": "x", "name": "f"},
    {"role": "user", "content": "hi"},
]
CHAT: dict[str, Any] = {
    "model": "scripted",
    "messages": MESSAGES,
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 0.5,
    "n": 1,
    "stop": ["x"],
    "max_tokens": 20,
    "logit_bias": {"1": 1},
    "logprobs": True,
    "top_logprobs": 1,
    "seed": 1,
    "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}},
}
EMBEDDINGS: dict[str, Any] = {
    "model": "scripted",
    "input": ["a", "b"],
    "encoding_format": "float",
    "dimensions": 8,
    "input_type": "query",
    "truncate": "END",
}
COMPLETIONS: dict[str, Any] = {
    "model": "scripted",
    "prompt": ["a", "b"],
    "max_tokens": 5,
    "echo": False,
    "logprobs": 1,
    "n": 1,
    "nvext": {"guided_json": {"type": "object"}},
}
RESPONSES: dict[str, Any] = {
    "model": "scripted",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "weather in Oslo"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
        {"role": "user", "content": "hi"},
    ],
    "instructions": "be brief",
    "tools": [{"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}],
    "tool_choice": {"type": "function", "name": "f"},
    "text": {"format": {"type": "text"}},
    "max_output_tokens": 20,
    "include": ["message.output_text.logprobs"],
    "metadata": {"a": "b"},
    "stream": True,
}
RANKING: dict[str, Any] = {
    "model": "scripted",
    "query": {"text": "pump"},
    "passages": [{"text": "a"}, {"text": "pump"}],
    "truncate": "END",
}
RERANK: dict[str, Any] = {
    "model": "scripted",
    "query": "pump",
    "documents": ["a", {"text": "pump"}],
    "top_n": 1,
    "return_documents": True,
    "relevant_spans": {"mode": "disabled"},
}
EMBED: dict[str, Any] = {"inputs": ["a", "b"], "truncate": True, "prompt_name": "query", "dimensions": 8}
TEI_RERANK: dict[str, Any] = {"query": "pump", "texts": ["a", "pump"], "raw_scores": True, "return_text": True}
GENERATE: dict[str, Any] = {
    "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    "use_knowledge_base": False,
    "model": "scripted",
    "max_tokens": 5,
    "stop": ["x"],
    "collection_names": ["default"],
    "vdb_top_k": 10,
    "agentic": True,
}
SEARCH: dict[str, Any] = {"query": "hi", "collection_names": ["default"], "reranker_top_k": 3}
SPEECH: dict[str, Any] = {
    "model": "scripted",
    "input": "hi there",
    "voice": {"id": "tone"},
    "response_format": "pcm",
    "speed": 2.0,
    "stream_format": "sse",
    "instructions": "be kind",
}
DOORS = {
    "/completions": COMPLETIONS,
    "/responses": RESPONSES,
    "/ranking": RANKING,
    "/rerank": RERANK,
    "/../v2/rerank": RERANK,
    "/../embed": EMBED,
    "/../rerank": TEI_RERANK,
    "/audio/speech": SPEECH,
    "/generate": GENERATE,
    "/search": SEARCH,
    "/collection": {"collection_name": "x"},
    "/collections": ["x", "y"],
}


@pytest.fixture(scope="module")
def client(suite: Suite) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    with httpx.Client(base_url=f"{suite.url}/v1", headers=headers, timeout=60) as client:
        yield client
        assert suite.gateway.process.poll() is None
        assert client.post("/chat/completions", json=ask("hi")).status_code == 200
        noise = [entry for entry in suite.gateway.log if entry.get("level") == "error" or "Traceback" in entry["event"]]
        assert not [entry for entry in noise if entry["event"] != "engine failed"]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document where something else could stand."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    key, *rest = path
    if isinstance(value, dict):
        return {**value, key: replaced(value.get(key), tuple(rest), new)}
    return [replaced(inner, tuple(rest), new) if index == key else inner for index, inner in enumerate(value)]


def mutated(body: dict[str, Any], fields: set[str]) -> st.SearchStrategy[Any]:
    """The body with up to three of its parts replaced, and up to two of the schema's fields set to anything."""
    changes = st.lists(st.tuples(st.sampled_from(list(places(body))), ANY_JSON), max_size=3)
    extras = st.dictionaries(st.sampled_from(sorted(fields)), ANY_JSON, max_size=2)

    def change(changes: list[tuple[tuple[Any, ...], Any]], extras: dict[str, Any]) -> Any:
        result: Any = body
        for path, new in changes:
            if path in set(places(result)):
                result = replaced(result, path, new)
        return {**result, **extras} if isinstance(result, dict) else result

    return st.builds(change, changes, extras)


def check_door(response: httpx.Response) -> None:
    """The same for a door with a shape of its own; what needs `rag`, which is not there, is unavailable."""
    if response.status_code in (200, 503):
        assert response.content
        return
    assert response.status_code in (400, 404, 422), response.text
    assert 0 < len(response.content) < 4000
    assert isinstance(response.json(), dict)


def check(response: httpx.Response) -> None:
    if response.status_code == 200:
        assert response.content
        if response.headers["content-type"].startswith("application/json"):
            response.json()
        return
    assert response.status_code in (400, 404), response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert 0 < len(error["message"].encode()) < 1200


def sent(client: httpx.Client, path: str, body: Any) -> httpx.Response:
    return client.post(path, content=json.dumps(body).encode())


FUZZ = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))


@FUZZ
@given(body=mutated(CHAT, set(ChatCompletionRequest.model_fields)))
def test_no_chat_body_is_a_500(client: httpx.Client, body: Any) -> None:
    check(sent(client, "/chat/completions", body))


@FUZZ
@given(body=mutated(EMBEDDINGS, set(EmbeddingsRequest.model_fields)))
def test_no_embeddings_body_is_a_500(client: httpx.Client, body: Any) -> None:
    check(sent(client, "/embeddings", body))


@pytest.mark.parametrize("path", DOORS)
def test_no_body_is_a_500_at_any_other_door(client: httpx.Client, path: str) -> None:
    body: Any = DOORS[path]
    status = sent(client, path, body).status_code
    assert status in (200, 503)

    # What needs `rag`, which is not there, asks for it four times.
    @settings(FUZZ, max_examples=30 if status == 200 else 8)
    @given(body=st.one_of(mutated(body, {"model", "stream", "user"}), ANY_JSON))
    def fuzz(body: Any) -> None:
        check_door(sent(client, path, body))

    fuzz()


@FUZZ
@given(body=ANY_JSON, path=st.sampled_from(["/chat/completions", "/embeddings"]))
def test_no_json_at_all_is_a_500(client: httpx.Client, body: Any, path: str) -> None:
    check(sent(client, path, body))


@FUZZ
@given(
    content=st.one_of(
        st.binary(max_size=200), st.binary(max_size=30).map(lambda tail: json.dumps(CHAT).encode() + tail)
    ),
    path=st.sampled_from(["/chat/completions", "/embeddings"]),
)
def test_no_bytes_are_a_500(client: httpx.Client, content: bytes, path: str) -> None:
    check(client.post(path, content=content))


@FUZZ
@given(
    path=ANY_TEXT,
    headers=st.dictionaries(
        st.sampled_from(["x-request-id", "traceparent", "tracestate", "accept", "content-type", "origin", "baggage"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40),
    ),
)
def test_no_path_and_no_headers_are_a_500(client: httpx.Client, path: str, headers: dict[str, str]) -> None:
    encoded = {name: value.strip().encode("latin-1") for name, value in headers.items()}
    url = httpx.URL(f"{client.base_url}models/").copy_with(raw_path=b"/v1/models/" + percent(path))
    response = client.get(url, headers=encoded)
    assert response.status_code in (200, 404)
    assert (
        client.post(
            "/chat/completions", json=ask("hi"), headers={**encoded, "content-type": "application/json"}
        ).status_code
        == 200
    )


def percent(path: str) -> bytes:
    return quote(path, safe="/", errors="replace").encode()
