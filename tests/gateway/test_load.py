import asyncio
import re
from pathlib import Path

import httpx
from openai import AsyncOpenAI

from tests.gateway.suite import Suite, ask
from tests.processes import ServiceProcess


async def test_a_hundred_callers_at_once_each_get_their_own_answer(async_openai: AsyncOpenAI) -> None:
    async def plain(number: int) -> str | None:
        answer = await async_openai.chat.completions.create(
            model="scripted", messages=[{"role": "user", "content": f"caller {number}"}]
        )
        return answer.choices[0].message.content

    async def streamed(number: int) -> str | None:
        stream = await async_openai.chat.completions.create(
            model="scripted", messages=[{"role": "user", "content": f"caller {number}"}], stream=True
        )
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    said = await asyncio.gather(*((streamed if number % 2 else plain)(number) for number in range(100)))
    assert said == [f"You said: caller {number}" for number in range(100)]


async def test_a_hundred_callers_at_once_each_get_their_own_vector(async_openai: AsyncOpenAI) -> None:
    async def vector(number: int) -> list[float]:
        return (await async_openai.embeddings.create(model="scripted", input=f"w{number}")).data[0].embedding

    at_once = await asyncio.gather(*(vector(number) for number in range(100)))
    assert len({tuple(one) for one in at_once}) == 100
    assert at_once[42] == await vector(42)


async def test_thousands_of_requests_leave_no_memory_and_no_metrics_behind(suite: Suite) -> None:
    async with suite.http(limits=httpx.Limits(max_connections=16)) as http:

        async def caller(number: int) -> None:
            for turn in range(number, number + 60):
                body = ask(f"turn {turn}", stream=turn % 2 == 0, model=f"no-{turn}" if turn % 5 == 0 else "scripted")
                await http.post("/v1/chat/completions", json=body, headers={"x-request-id": f"r{number}-{turn}"})
                if turn % 3 == 0:
                    await http.get(f"/v1/made/up/{number}/{turn}")

        async def round_of_calls() -> tuple[int, int]:
            await asyncio.gather(*(caller(number) for number in range(8)))
            lines = (await http.get("/v1/metrics")).text.count("\n")
            return memory_bytes(suite.gateway), lines

        await round_of_calls()
        before_bytes, before_lines = await round_of_calls()
        after_bytes, after_lines = await round_of_calls()
    assert after_lines == before_lines
    assert after_bytes < before_bytes + 4 * 2**20


def memory_bytes(process: ServiceProcess) -> int:
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) * 1024
