"""A client that leaves, or takes nothing, must cost nothing: told by what the llm counts, two hops down."""

import asyncio
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI

from tests.gateway.suite import KEY, Suite, another_gateway, ask, counted, gateway_and_llm, raw_request, until
from tests.processes import ServiceProcess

IDLE = ("ledge_llm_slots_busy 0.0", 'ledge_calls_in_flight{service="llm"} 0.0')


@pytest.fixture(scope="module")
def fresh() -> Iterator[Suite]:
    """A suite of its own, whose counters begin at zero."""
    with gateway_and_llm() as running:
        yield running


async def test_closing_a_stream_ends_the_generation(fresh: Suite) -> None:
    async with AsyncOpenAI(base_url=f"{fresh.url}/v1", api_key=KEY, max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="scripted", messages=[{"role": "user", "content": "for ever"}], stream=True
        )
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        await until(fresh.llm, "ledge_llm_slots_busy 1.0")
        await stream.close()
        await until(fresh.llm, *IDLE, counted("CANCELLED", "ChatStream", 1))
    left = await asyncio.to_thread(fresh.gateway.wait_for, "call", 20, route="/v1/chat/completions")
    assert left["status"] == 200


async def test_leaving_before_the_first_event_ends_the_generation(fresh: Suite) -> None:
    async with fresh.http() as http:
        waiting = asyncio.create_task(http.post("/v1/chat/completions", json=ask("slow", stream=True)))
        await until(fresh.llm, "ledge_llm_slots_busy 1.0")
        waiting.cancel()
        await asyncio.wait([waiting])
    await until(fresh.llm, *IDLE, counted("CANCELLED", "ChatStream", 2))
    await asyncio.to_thread(fresh.gateway.wait_for, "call", 20, status=499)


async def test_leaving_a_call_that_is_not_streamed_ends_the_generation(fresh: Suite) -> None:
    async with fresh.http() as http:
        waiting = asyncio.create_task(http.post("/v1/chat/completions", json=ask("slow")))
        await until(fresh.llm, "ledge_llm_slots_busy 1.0")
        waiting.cancel()
        await asyncio.wait([waiting])
    await until(fresh.llm, *IDLE, counted("CANCELLED", "Chat", 1))


async def test_many_who_leave_at_once_leave_nothing_behind(fresh: Suite) -> None:
    async with fresh.http(limits=httpx.Limits(max_connections=None)) as http:
        waiting = [
            asyncio.create_task(http.post("/v1/chat/completions", json=ask("slow", stream=bool(number % 2))))
            for number in range(60)
        ]
        await until(fresh.llm, "ledge_llm_slots_busy 60.0")
        for call in waiting:
            call.cancel()
        await asyncio.wait(waiting)
        await until(fresh.llm, *IDLE)
        gauge = 'ledge_calls_in_flight{service="gateway"} 1.0'  # the question itself
        while gauge not in (await http.get("/v1/metrics")).text.splitlines():
            pass


STREAMS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": ask("for ever", stream=True),
    # The one door that keeps what it said, until it is all said.
    "/v1/responses": {"model": "scripted", "input": "for ever", "stream": True},
}


@pytest.mark.parametrize("path", STREAMS)
async def test_a_client_that_stops_reading_holds_the_generation_up_and_not_the_gateways_memory(
    fresh: Suite, path: str
) -> None:
    async with fresh.http() as http:
        await http.get("/v1/models")
        before_bytes = memory_bytes(fresh.gateway)
        reader, writer = await asyncio.open_connection(*fresh.place, limit=2**12)
        writer.write(raw_request(STREAMS[path], path))
        # Once its buffer is full asyncio takes no more from the socket. All of the answer would be some 75 MB.
        await reader.readuntil(b"\n\n")
        await at_rest(fresh.llm)
        await until(fresh.llm, "ledge_llm_slots_busy 1.0")
        assert memory_bytes(fresh.gateway) < before_bytes + 32 * 2**20
        assert (await http.post("/v1/chat/completions", json=ask("hi"))).status_code == 200
        writer.close()
        await until(fresh.llm, *IDLE)


async def at_rest(process: ServiceProcess) -> None:
    """Waits until a process has computed nothing for half a second."""
    since_s, last = time.monotonic(), -1.0
    while time.monotonic() < since_s + 0.5:
        times = Path(f"/proc/{process.process.pid}/stat").read_text().rpartition(")")[2].split()
        if (spent := float(times[11]) + float(times[12])) != last:
            since_s, last = time.monotonic(), spent
        await asyncio.sleep(0.05)


def memory_bytes(process: ServiceProcess) -> int:
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) * 1024


async def test_a_client_that_takes_nothing_is_cut_off_and_its_generation_ends(fresh: Suite) -> None:
    with another_gateway(fresh, LEDGE_CLIENT_TIMEOUT_S="1") as strict, socket.create_connection(strict.place) as client:
        client.sendall(raw_request(ask("for ever", stream=True)))
        await until(fresh.llm, "ledge_llm_slots_busy 1.0")
        await until(fresh.llm, *IDLE)
    ended = [entry["code"] for entry in fresh.llm.log if entry.get("method") == "ChatStream"]
    assert ended[-1] == "CANCELLED"
