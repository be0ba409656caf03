import asyncio
import ssl
from pathlib import Path

import httpx
import openai
import pytest
import trustme
from openai import AsyncOpenAI

from tests.gateway.suite import (
    KEY,
    LLM,
    Suite,
    another_gateway,
    ask,
    events_of,
    gateway_and_llm,
    start,
)


async def test_sigterm_in_mid_stream_finishes_the_stream_and_loses_no_call() -> None:
    slowly = {"LEDGE_SCRIPT_TOKENS_PER_S": "200"}
    with gateway_and_llm(slowly, LEDGE_SETTLE_S="1") as suite:
        async with suite.http() as http, suite.http() as idle:
            assert "connection" not in (await idle.get("/v1/health")).headers
            words = " ".join(f"word{number}" for number in range(60))
            async with http.stream("POST", "/v1/chat/completions", json=ask(words, stream=True)) as response:
                parts = response.aiter_text()
                heard = await anext(parts)
                suite.gateway.terminate()
                await asyncio.to_thread(suite.gateway.wait_for, "draining")
                # Until the settle time ends calls are still taken, on old connections and on new ones.
                ready = await idle.get("/v1/health/ready")
                assert (ready.status_code, ready.json()["status"]) == (503, "not_ready")
                # Whoever keeps a connection is told to make the next one elsewhere.
                assert ready.headers["connection"] == "close"
                assert (await idle.get("/v1/health")).status_code == 503
                assert (await idle.get("/v1/health/live")).status_code == 200
                async with suite.http() as late:
                    assert (await late.post("/v1/chat/completions", json=ask("late"))).status_code == 200
                async for part in parts:
                    heard += part
        *chunks, done = events_of(heard)
        assert done == "[DONE]"
        said = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
        assert said == f"You said: {words}"
        assert await asyncio.to_thread(suite.gateway.wait) == 0
        async with httpx.AsyncClient() as http:
            with pytest.raises(httpx.ConnectError):
                await http.get(f"{suite.url}/v1/health")


async def test_a_stream_that_outlasts_the_drain_is_cut_and_the_gateway_still_ends(suite: Suite) -> None:
    with another_gateway(suite, LEDGE_DRAIN_S="1") as draining:
        async with (
            draining.http() as http,
            http.stream("POST", "/v1/chat/completions", json=ask("for ever", stream=True)) as response,
        ):
            parts = response.aiter_bytes()
            await anext(parts)
            draining.gateway.terminate()
            with pytest.raises(httpx.RemoteProtocolError):
                async for _ in parts:
                    pass
            assert await asyncio.to_thread(draining.gateway.wait) == 0


async def test_a_killed_llm_is_unavailable_until_it_is_back() -> None:
    with gateway_and_llm() as suite:
        async with suite.http() as http:
            assert (await http.post("/v1/chat/completions", json=ask("hi"))).status_code == 200
            stream = http.stream("POST", "/v1/chat/completions", json=ask("for ever", stream=True))
            async with stream as response:
                parts = response.aiter_text()
                heard = await anext(parts)
                suite.llm.kill()
                async for part in parts:
                    heard += part
            # What was said is said; the stream ends with the error, and not with [DONE].
            last = events_of(heard)[-1]
            assert last["error"]["code"] == "not_ready"
            refused = await http.post("/v1/chat/completions", json=ask("hi"))
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "not_ready"
            assert suite.llm.address not in heard + refused.text

            port = suite.llm.address.split(":")[1]
            back = start("llm", **{**LLM, "LEDGE_PORT": port})
            try:
                back.wait_ready()
                # OpenAI's SDK waits as Retry-After tells it, and finds the service there.
                async with AsyncOpenAI(base_url=f"{suite.url}/v1", api_key=KEY, max_retries=5) as client:
                    answer = await client.chat.completions.create(
                        model="scripted", messages=[{"role": "user", "content": "hi"}]
                    )
                assert answer.choices[0].message.content == "You said: hi"
            finally:
                back.close()


async def test_a_full_queue_names_its_delay_and_the_sdk_sees_a_rate_limit() -> None:
    with gateway_and_llm({"LEDGE_SLOTS": "1", "LEDGE_QUEUE_CALLS": "0"}) as suite:
        async with suite.http() as http, AsyncOpenAI(base_url=f"{suite.url}/v1", api_key=KEY, max_retries=0) as client:
            holding = http.stream("POST", "/v1/chat/completions", json=ask("for ever", stream=True))
            async with holding as response:
                parts = response.aiter_bytes()
                await anext(parts)
                for stream in (False, True):
                    with pytest.raises(openai.RateLimitError) as refused:
                        await client.chat.completions.create(
                            model="scripted", messages=[{"role": "user", "content": "hi"}], stream=stream
                        )
                    assert int(refused.value.response.headers["retry-after"]) >= 1
                    assert int(refused.value.response.headers["retry-after-ms"]) >= 1
                assert (await http.get("/v1/health")).json()["status"] == "ready"
                asked = (await http.get("/v1/health", params={"check_dependencies": True})).json()
                assert asked["dependencies"]["ledge.llm.v1.LlmService"] == "SERVING"


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for name in ("localhost", "client"):
        certificate = authority.issue_cert(name)
        certificate.private_key_pem.write_to_path(str(tmp_path / f"{name}.key"))
        certificate.cert_chain_pems[0].write_to_path(str(tmp_path / f"{name}.pem"))
    return tmp_path


async def test_mtls_lets_in_only_who_shows_a_certificate(suite: Suite, certificates: Path) -> None:
    settings = {
        "LEDGE_TLS_CERT_FILE": str(certificates / "localhost.pem"),
        "LEDGE_TLS_KEY_FILE": str(certificates / "localhost.key"),
        "LEDGE_TLS_CLIENT_CA_FILE": str(certificates / "ca.pem"),
    }
    trusted = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    stranger = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    trusted.load_cert_chain(certificates / "client.pem", certificates / "client.key")
    with another_gateway(suite, **settings) as secure:
        url = f"https://localhost:{secure.place[1]}/v1"
        headers = {"authorization": f"Bearer {KEY}"}
        async with httpx.AsyncClient(base_url=url, verify=trusted, headers=headers) as http:
            response = await http.post("/chat/completions", json=ask("secret"))
            assert response.json()["choices"][0]["message"]["content"] == "You said: secret"
        async with httpx.AsyncClient(base_url=url, verify=stranger, headers=headers) as http:
            with pytest.raises(httpx.TransportError):
                await http.get("/health")
        async with httpx.AsyncClient() as http:
            with pytest.raises(httpx.TransportError):
                await http.get(f"http://localhost:{secure.place[1]}/v1/health")


@pytest.mark.parametrize("setting", ["LEDGE_TLS_CERT_FILE", "LEDGE_TLS_CLIENT_CA_FILE"])
def test_tls_files_that_cannot_be_used_are_told_before_the_port_opens(certificates: Path, setting: str) -> None:
    (certificates / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
    settings = {
        "LEDGE_TLS_CERT_FILE": str(certificates / "localhost.pem"),
        "LEDGE_TLS_KEY_FILE": str(certificates / "localhost.key"),
        setting: str(certificates / "broken.pem"),
    }
    gateway = start("gateway", **settings)
    try:
        assert gateway.wait() == 2
    finally:
        gateway.close()
    assert len([entry for entry in gateway.log if setting in entry["event"]]) == 1
    assert not [entry for entry in gateway.log if entry["event"] in ("listening", "Traceback (most recent call last):")]
