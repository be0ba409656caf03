"""Connections past the bound: told so in OpenAI's shape, health still answered, the rest closed."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.kit.http_connection import SPARE
from tests.gateway.suite import Suite, another_gateway, ask, raw_request

LIMIT = 3
HEALTH = b"GET /v1/health/ready HTTP/1.1\r\nhost: x\r\n\r\n"


@asynccontextmanager
async def idle(suite: Suite, count: int) -> AsyncIterator[list[asyncio.StreamWriter]]:
    """Connections of clients that ask nothing; the gateway has taken them when this is entered."""
    opened = [await asyncio.open_connection(*suite.place) for _ in range(count)]
    try:
        yield [writer for _, writer in opened]
    finally:
        for _, writer in opened:
            writer.close()


async def answer(suite: Suite, request: bytes) -> tuple[str, str]:
    """Head and body of what one more connection is told before the gateway closes it; empty when it was not heard."""
    reader, writer = await asyncio.open_connection(*suite.place)
    try:
        writer.write(request)
        head, _, body = (await asyncio.wait_for(reader.read(), 20)).decode().partition("\r\n\r\n")
        return head.lower(), body
    except ConnectionError:
        return "", ""
    finally:
        writer.close()


async def test_a_connection_too_many_is_refused_with_a_delay_and_health_stays_green(suite: Suite) -> None:
    with another_gateway(suite, LEDGE_MAX_CONNECTIONS=str(LIMIT)) as small:
        async with idle(small, LIMIT):
            head, body = await answer(small, raw_request(ask("hi")))
            assert head.startswith("http/1.1 429")
            assert "retry-after: 1" in head
            error = json.loads(body)["error"]
            assert (error["type"], error["code"]) == ("rate_limit_error", "overloaded")
            assert f"all {LIMIT} connections" in error["message"]
            head, body = await answer(small, HEALTH)
            assert head.startswith("http/1.1 200")
            assert json.loads(body)["status"] == "ready"
        async with small.http() as http:
            assert (await http.post("/v1/chat/completions", json=ask("hi"))).status_code == 200


async def test_far_too_many_connections_are_closed_unheard(suite: Suite) -> None:
    with another_gateway(suite, LEDGE_MAX_CONNECTIONS=str(LIMIT)) as small:
        async with idle(small, LIMIT + SPARE):
            assert await answer(small, HEALTH) == ("", "")
            # Who said nothing within seconds makes room for those who do.
            head = ""
            while not head:
                head, _ = await answer(small, HEALTH)
            assert head.startswith("http/1.1 200")
