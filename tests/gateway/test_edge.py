import asyncio
import socket
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.gateway.suite import KEY, PEER_KEY, Suite, ask, start

LIMIT_BYTES = 2 * 2**20
MANAGED = ("metadata", "version", "manifest", "license", "metrics", "openapi.json")


async def test_without_the_key_everything_but_health_is_refused(suite: Suite) -> None:
    paths = (*MANAGED, "models", "models/scripted", "no")
    async with httpx.AsyncClient(base_url=f"{suite.url}/v1") as http:
        for headers in (
            {},
            {"authorization": "Bearer wrong"},
            {"authorization": KEY},
            {"authorization": f"Basic {KEY}"},
        ):
            for path in paths:
                refused = await http.get(f"/{path}", headers=headers)
                assert refused.status_code == 401
                assert refused.json()["error"]["type"] == "authentication_error"
            for path in ("chat/completions", "embeddings"):
                assert (await http.post(f"/{path}", json=ask("hi"), headers=headers)).status_code == 401
        for path in ("health", "health/live", "health/ready"):
            assert (await http.get(f"/{path}")).status_code == 200


async def test_keys_and_texts_are_in_no_log_and_no_metric(suite: Suite) -> None:
    secrets = (KEY, PEER_KEY, "confidential", "wrong-key")
    async with suite.http() as http:
        await http.post("/v1/chat/completions", json=ask("confidential"))
        await http.post("/v1/chat/completions", json=ask("breaks confidential"))
        await http.post("/v1/chat/completions", json={"messages": "confidential"})
        await http.post("/v1/embeddings", json={"input": "confidential"})
        await http.get("/v1/models/confidential")
        await http.get("/v1/models", headers={"authorization": "Bearer wrong-key", "x-request-id": "last"})
        metrics = (await http.get("/v1/metrics")).text
    await suite.call(suite.gateway, "last")
    told = metrics + "".join(str(process.log) for process in (suite.gateway, suite.llm, *suite.others.values()))
    assert not [secret for secret in secrets if secret in told]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_request_keeps_its_id_and_trace_through_every_hop(suite: Suite, stream: bool) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    request_id = f"traced-{stream}"
    headers = {"x-request-id": request_id, "traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}
    async with suite.http() as http:
        response = await http.post("/v1/chat/completions", json=ask("hi", stream=stream), headers=headers)
    assert response.headers["x-request-id"] == request_id
    calls = [await suite.call(process, request_id) for process in (suite.gateway, suite.llm)]
    assert [call["trace_id"] for call in calls] == [trace_id, trace_id]
    assert [call["tenant"] for call in calls] == ["ada", "ada"]


@pytest.mark.parametrize("given", ["", "with spaces in it", "x" * 129, "é"])
async def test_an_id_that_could_not_travel_is_replaced(suite: Suite, given: str) -> None:
    async with suite.http() as http:
        response = await http.get("/v1/models", headers={"x-request-id": given.encode()})
    assert response.status_code == 200
    assert len(response.headers["x-request-id"]) == 32


async def test_refusals_have_an_id_too(suite: Suite) -> None:
    async with httpx.AsyncClient(base_url=suite.url) as http:
        response = await http.get("/v1/models", headers={"x-request-id": "mine"})
    assert (response.status_code, response.headers["x-request-id"]) == (401, "mine")


async def test_a_trace_that_would_not_fit_the_metadata_does_no_harm(http: httpx.AsyncClient) -> None:
    headers = {
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": ",".join(f"v{number}={'x' * 250}" for number in range(31)),
        "baggage": ",".join(f"k{number}={'x' * 100}" for number in range(80)),
        "x-other": "y" * 16_000,
    }
    response = await http.post("/v1/chat/completions", json=ask("hi"), headers=headers)
    assert response.json()["choices"][0]["message"]["content"] == "You said: hi"


async def test_a_body_past_the_limit_is_refused_before_it_is_read(suite: Suite) -> None:
    async with suite.http() as http:
        response = await http.post("/v1/chat/completions", json=ask("x" * LIMIT_BYTES))
        assert response.status_code == 413
        assert response.json()["error"]["type"] == "invalid_request_error"
        assert str(LIMIT_BYTES) in response.json()["error"]["message"]
        # The rest of the body is not waited for, and the next request is none of its business.
        assert (await http.post("/v1/chat/completions", json=ask("hi"))).status_code == 200


@pytest.mark.parametrize("sent_bytes", [LIMIT_BYTES + 1, 12 * LIMIT_BYTES])
async def test_a_body_that_does_not_say_its_size_is_refused_at_the_limit(suite: Suite, sent_bytes: int) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for place in range(0, sent_bytes, 2**16):
            yield b"x" * min(2**16, sent_bytes - place)

    async with suite.http() as http:
        response = await http.post("/v1/embeddings", content=pieces(), headers={"content-type": "application/json"})
        assert response.status_code == 413
        assert response.headers["connection"] == "close"
        assert (await http.post("/v1/chat/completions", json=ask("hi"))).status_code == 200


async def test_a_body_without_end_is_cut(suite: Suite) -> None:
    sent_bytes = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent_bytes
        while True:
            sent_bytes += 2**16
            yield b"x" * 2**16

    async with suite.http() as http:
        with pytest.raises(httpx.NetworkError):
            await http.post("/v1/embeddings", content=endless(), headers={"content-type": "application/json"})
        assert (await http.post("/v1/chat/completions", json=ask("hi"))).status_code == 200
    assert sent_bytes < 17 * LIMIT_BYTES + 16 * 2**20  # what was past it sat in the sockets' buffers


async def test_a_body_of_just_the_limit_is_read(suite: Suite) -> None:
    frame = len(httpx.Request("POST", "http://x", json=ask("")).content)
    async with suite.http() as http:
        response = await http.post("/v1/chat/completions", json=ask("x" * (LIMIT_BYTES - frame)))
    # Past the size, the model's context is what is too small for it.
    assert response.status_code == 400
    assert "the context holds" in response.json()["error"]["message"]


async def raw(suite: Suite, request: bytes) -> bytes:
    """Everything that is answered to some bytes, nothing if it was cut off; fails if the connection stays open."""
    reader, writer = await asyncio.open_connection(*suite.place)
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


HEAD = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n".encode()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\n{}", b"400"),
        (HEAD + b"content-length: -5\r\n\r\n", b"400"),
        (HEAD + b"content-length: \xb2\r\n\r\n", b"400"),
        (HEAD + b"content-length: " + b"9" * 5000 + b"\r\n\r\n", b"400"),
        (HEAD + b"content-length: 99999999999999999\r\n\r\n", b"413"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 600, b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
    ],
)
async def test_what_is_no_proper_http_is_refused(suite: Suite, request_bytes: bytes, status: bytes) -> None:
    answer = await raw(suite, request_bytes)
    assert answer.startswith(b"HTTP/1.1 " + status)
    async with suite.http() as http:
        assert (await http.get("/v1/health")).status_code == 200


@pytest.mark.parametrize("head", [HEAD + b"x: " + b"y" * 200_000, b"GET /" + b"x" * 200_000])
async def test_a_head_that_is_too_long_is_cut_off(suite: Suite, head: bytes) -> None:
    answer = await raw(suite, head)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
    async with suite.http() as http:
        assert (await http.get("/v1/health")).status_code == 200


async def test_a_body_that_does_not_come_is_not_waited_for(strict: Suite) -> None:
    answer = await raw(strict, HEAD + b"content-type: application/json\r\ncontent-length: 50\r\n\r\n{")
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"type":"invalid_request_error"' in answer


@pytest.mark.parametrize("head", [b"", b"GET /v1/health HTTP/1.1\r\nhost: x\r\n"])
async def test_a_head_that_does_not_come_is_not_waited_for(strict: Suite, head: bytes) -> None:
    assert await raw(strict, head) == b""


async def test_past_the_limit_requests_are_refused_at_once_while_health_stays_green(strict: Suite) -> None:
    async with strict.http() as http:
        request = http.build_request("POST", "/v1/chat/completions", json=ask("for ever", stream=True))
        streams = [await http.send(request, stream=True) for _ in range(2)]
        for refused in (await http.post("/v1/chat/completions", json=ask("hi")), await http.get("/v1/models")):
            assert refused.status_code == 429
            assert refused.headers["retry-after"] == "1"
            assert refused.json()["error"]["type"] == "rate_limit_error"
        for path in ("health", "health/live", "health/ready"):
            assert (await http.get(f"/v1/{path}")).status_code == 200
        for stream in streams:
            await stream.aclose()
        # Their places are free again.
        while (response := await http.post("/v1/chat/completions", json=ask("hi"))).status_code == 429:
            pass
        assert response.status_code == 200


async def test_pages_of_other_origins_may_not_call(http: httpx.AsyncClient) -> None:
    origin = {"origin": "https://example.com"}
    response = await http.get("/v1/models", headers=origin)
    assert not [name for name in response.headers if name.startswith("access-control")]
    preflight = await http.options("/v1/chat/completions", headers={**origin, "access-control-request-method": "POST"})
    assert preflight.status_code == 405


async def test_pages_of_an_allowed_origin_may_call_with_the_headers_of_openais_sdk(strict: Suite) -> None:
    async with httpx.AsyncClient(base_url=strict.url) as http:
        origin = {"origin": "https://intranet.example"}
        asked = {
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type,x-stainless-os",
        }
        preflight = await http.options("/v1/chat/completions", headers={**origin, **asked})
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://intranet.example"
        assert "x-stainless-os" in preflight.headers["access-control-allow-headers"]
        # A refusal can be read by the page as well.
        refused = await http.post("/v1/chat/completions", json=ask("hi"), headers=origin)
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == "https://intranet.example"
        stranger = await http.post("/v1/chat/completions", json=ask("hi"), headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in stranger.headers


async def test_metrics_name_routes_and_never_what_a_caller_made_up(http: httpx.AsyncClient) -> None:
    for path in ("/v1/made-up", "/made-up?x=made-up", "/v1/models/made-up", "/v1/made-up/chat/completions"):
        await http.get(path)
    await http.request("MADEUP", "/v1/models")
    lines = (await http.get("/v1/metrics")).text.splitlines()
    assert not [line for line in lines if "made-up" in line.lower() or "madeup" in line.lower()]
    counted = [line for line in lines if line.startswith("ledge_calls_total{")]
    methods = {line.split('method="')[1].split('"')[0] for line in counted}
    assert {"(none)", "/v1/models", "/v1/models/{model:path}"} <= methods
    described = (await http.get("/v1/openapi.json")).json()["paths"]
    managed = {f"/v1/{path}" for path in MANAGED}
    assert methods <= {"(none)", *described, *managed, "/v1/openapi.json", "/v1/models/{model:path}"}


def test_a_busy_port_is_one_sentence_that_says_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        gateway = start("gateway", LEDGE_PORT=str(port))
        assert gateway.wait(30) == 2
        gateway.close()
    said = [entry["event"] for entry in gateway.log if entry["event"].startswith("bad configuration")]
    assert len(said) == 1
    assert str(port) in said[0]
    assert "LEDGE_PORT" in said[0]
    assert not [entry for entry in gateway.log if "Traceback" in entry["event"]]
