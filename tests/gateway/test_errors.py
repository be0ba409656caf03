import asyncio
import json
import time
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.gateway.suite import KEY, PEER_KEY, Suite, another_gateway, ask, events_of


def chat(client: OpenAI, text: str, **settings: Any) -> Any:
    settings.setdefault("model", "scripted")
    return client.chat.completions.create(messages=[{"role": "user", "content": text}], **settings)


@pytest.mark.parametrize("stream", [False, True])
def test_an_unknown_model_is_not_found(openai_client: OpenAI, stream: bool) -> None:
    for name in ("no-such-model", "x" * 100_000):
        with pytest.raises(openai.NotFoundError) as missing:
            chat(openai_client, "hi", model=name, stream=stream)
        assert missing.value.type == "not_found_error"
        assert missing.value.code == "not_found"
        assert len(missing.value.message) < 1300
    with pytest.raises(openai.NotFoundError):
        openai_client.embeddings.create(model="no-such-model", input="hi")


@pytest.mark.parametrize("stream", [False, True])
def test_what_the_model_refuses_is_the_callers_fault(openai_client: OpenAI, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        chat(openai_client, "x" * 1_100_000, stream=stream)
    assert refused.value.type == "invalid_request_error"
    assert "the context holds 1000000" in refused.value.message
    with pytest.raises(openai.BadRequestError, match="regex"):
        chat(openai_client, "hi", stream=stream, extra_body={"guided_regex": "a*"})


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("key", ["wrong", "sk-ad", KEY + "x", PEER_KEY])
def test_a_wrong_key_is_told_as_such(suite: Suite, key: str, stream: bool) -> None:
    with (
        OpenAI(base_url=f"{suite.url}/v1", api_key=key, max_retries=0) as client,
        pytest.raises(openai.AuthenticationError) as refused,
    ):
        chat(client, "hi", stream=stream)
    assert refused.value.type == "authentication_error"
    assert refused.value.response.headers["www-authenticate"] == "Bearer"


async def test_an_engine_that_fails_is_an_internal_error_that_is_not_tried_again(suite: Suite) -> None:
    async with AsyncOpenAI(base_url=f"{suite.url}/v1", api_key=KEY, max_retries=5) as client:
        named = client.with_options(default_headers={"x-request-id": "failing"})
        with pytest.raises(openai.InternalServerError) as failed:
            await named.chat.completions.create(model="scripted", messages=[{"role": "user", "content": "breaks"}])
        assert failed.value.body == {
            "message": "the script breaks here",
            "type": "server_error",
            "param": None,
            "code": "engine_failed",
        }
        await client.with_options(default_headers={"x-request-id": "after"}).models.list()
    await suite.call(suite.gateway, "after")
    assert len([entry for entry in suite.gateway.log if entry.get("request_id") == "failing"]) == 1


async def test_an_error_in_mid_stream_reaches_the_sdk_as_an_error(
    async_openai: AsyncOpenAI, http: httpx.AsyncClient
) -> None:
    stream = await async_openai.chat.completions.create(
        model="scripted", messages=[{"role": "user", "content": "breaks"}], stream=True
    )
    heard: list[str] = []

    async def hear() -> None:
        async for chunk in stream:
            heard.append(chunk.choices[0].delta.content or "")

    with pytest.raises(openai.APIError) as failed:
        await hear()
    assert "".join(heard) == "half an ans"
    assert failed.value.message == "the script breaks here"
    assert failed.value.code == "engine_failed"
    *_, last = events_of((await http.post("/v1/chat/completions", json=ask("breaks", stream=True))).text)
    assert last["error"]["type"] == "server_error"


async def test_a_time_out_of_the_client_is_its_own(suite: Suite) -> None:
    async with AsyncOpenAI(base_url=f"{suite.url}/v1", api_key=KEY, max_retries=0, timeout=0.5) as client:
        with pytest.raises(openai.APITimeoutError):
            await client.chat.completions.create(model="scripted", messages=[{"role": "user", "content": "slow"}])


async def test_a_request_that_outlives_its_deadline_is_a_504(strict: Suite) -> None:
    async with strict.http() as http:
        for stream in (False, True):
            started_s = time.monotonic()
            response = await http.post("/v1/chat/completions", json=ask("slow", stream=stream))
            assert response.status_code == 504
            assert response.json()["error"]["code"] == "too_slow"
            assert response.headers["x-should-retry"] == "false"
            assert 1 < time.monotonic() - started_s < 20
        # A stream that has begun ends with the error instead.
        response = await http.post("/v1/chat/completions", json=ask("for ever", stream=True))
        *pieces, last = events_of(response.text)
        assert response.status_code == 200
        assert len(pieces) > 10
        assert last["error"]["code"] == "too_slow"


async def test_a_service_that_cannot_be_reached_is_a_503_without_its_address(
    suite: Suite, http: httpx.AsyncClient
) -> None:
    for stream in (False, True):
        response = await http.post("/v1/chat/completions", json={**ask("hi", stream=stream), "model": "ledge-rag"})
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"
        assert "127.0.0.1" not in response.text
    assert [entry for entry in suite.gateway.log if entry["event"] == "a peer cannot be reached"]


async def test_a_gateway_whose_own_key_is_wrong_does_not_blame_the_caller(suite: Suite) -> None:
    with another_gateway(suite, LEDGE_PEER_API_KEY="wrong") as misled:
        async with misled.http() as http:
            for response in (await http.post("/v1/chat/completions", json=ask("hi")), await http.get("/v1/models")):
                assert response.status_code == 500
                assert "the gateway is not allowed" in response.json()["error"]["message"]
        assert any("LEDGE_PEER_API_KEY" in entry["event"] for entry in misled.gateway.log)


@pytest.mark.parametrize(
    ("body", "param", "told"),
    [
        (ask("hi", temperature=3), "temperature", "less than or equal to 2"),
        (ask("hi", temperature="warm"), "temperature", "valid number"),
        (ask("hi", max_tokens=0), "max_tokens", "greater than or equal to 1"),
        (ask("hi", max_tokens=2**40), "max_tokens", "less than"),
        (ask("hi", seed=2**70), "seed", "less than"),
        (ask("hi", top_k=2**40), "top_k", "less than"),
        (ask("hi", n=9), "n", "less than or equal to 8"),
        (ask("hi", logit_bias={"-1": 0}), "logit_bias", "greater than"),
        (ask("hi", logit_bias={"1": 500}), "logit_bias", "less than"),
        (ask("hi", logit_bias={str(n): 0 for n in range(301)}), "logit_bias", "at most 300"),
        (ask("hi", stop=["x"] * 17), "stop", "at most 16"),
        (ask("hi", top_logprobs=3), None, "top_logprobs needs logprobs"),
        (ask("hi", functions=[{"name": "f"}]), None, "send tools"),
        (ask("hi", modalities=["text", "audio"]), "modalities", "audio is not supported"),
        (ask("hi", response_format={"type": "xml"}), "response_format.type", "Input should be"),
        (ask("hi", response_format={"type": "json_schema"}), None, "json_schema is missing"),
        (ask("hi", tools=[{"type": "web_search"}]), "tools.0.type", "'function'"),
        ({"messages": []}, "messages", "at least 1"),
        ({"messages": [{"role": "user", "content": "x"}] * 513}, "messages", "at most 512"),
        ({"messages": [{"role": "poet", "content": "x"}]}, "messages.0.role", "Input should be"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages.0.content", "valid string"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, None, "send text"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, None, "no JSON"),
        ({"model": "scripted"}, "messages", "required"),
        ([1, 2], None, "a JSON object"),
        ("text", None, "a JSON object"),
        (None, None, "a JSON object"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_body_that_does_not_fit_names_the_field(
    http: httpx.AsyncClient, body: Any, param: str | None, told: str
) -> None:
    content = json.dumps(body).encode()
    response = await http.post("/v1/chat/completions", content=content, headers={"content-type": "application/json"})
    error = response.json()["error"]
    assert response.status_code == 400
    assert told in error["message"]
    assert error["param"] == param
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("content", "content_type", "told"),
    [
        (b"{", "application/json", "no JSON"),
        (b'{"model": NaN, "messages": 1}', "application/json", "expected value"),
        (b"\xff\xfe\x00", "application/json", "expected value"),
        (b'"\xff"', "application/json", "invalid unicode"),
        (b"[" * 100_000, "application/json", "recursion limit"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "application/json", "number out of range"),
        (b'{"messages": [{"role": "user", "content": "hi"}]}', "text/plain", "content-type: application/json"),
        (b"model=scripted", "application/x-www-form-urlencoded", "content-type: application/json"),
        (b"", "application/json", "a JSON object"),
    ],
)
async def test_what_is_no_json_is_the_callers_fault(
    http: httpx.AsyncClient, content: bytes, content_type: str, told: str
) -> None:
    response = await http.post("/v1/chat/completions", content=content, headers={"content-type": content_type})
    assert response.status_code == 400
    assert told in response.json()["error"]["message"]


async def test_errors_of_paths_and_methods_have_openais_shape(http: httpx.AsyncClient) -> None:
    for method, path, status in (
        ("GET", "/v1/nothing", 404),
        ("GET", "/nothing", 404),
        ("GET", "/v1/chat/completions", 405),
        ("POST", "/v1/models", 405),
        ("POST", "/v1/chat/completions/", 404),
        ("GET", "/v1/health/%2e%2e/models", 404),
    ):
        response = await http.request(method, path)
        assert response.status_code == status, path
        assert response.json()["error"].keys() == {"message", "type", "param", "code"}


async def test_a_million_faults_are_told_as_one_and_hold_nobody_up(http: httpx.AsyncClient) -> None:
    bodies: list[Any] = [
        {"messages": [1] * 400_000},
        {"messages": [{"role": "user", "content": [1] * 400_000}]},
        {"messages": [{"role": "user", "content": "x"}], "stop": [1] * 400_000},
        {"messages": [{"role": "user", "content": "x"}], "tools": [{}] * 300_000},
        {"messages": [{"role": "user", "content": "x"}], "logit_bias": {f"x{n}": "y" for n in range(100_000)}},
    ]
    for body in bodies:
        response, health = await asyncio.gather(http.post("/v1/chat/completions", json=body), http.get("/v1/health"))
        assert response.status_code == 400
        assert len(response.content) < 2000
        assert health.status_code == 200
    response = await http.post("/v1/embeddings", json={"input": ["x"] + [1] * 400_000})
    assert response.status_code == 400


@pytest.fixture
def openai_client(suite: Suite) -> Any:
    with OpenAI(base_url=f"{suite.url}/v1", api_key=KEY, max_retries=0, timeout=30) as client:
        yield client
