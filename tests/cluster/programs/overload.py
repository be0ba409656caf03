"""Runs in a pod: learns what the model does a second, then asks for ten times that, and prints what came of it as JSON.

`python overload.py GATEWAY MODEL`.
"""

import asyncio
import collections
import json
import os
import sys
import time

import httpx

CALLERS = 16
MEASURED_S = 8.0
OFFERED_S = 10.0
TIMES = 10
MAX_TOKENS = 8
MAY_WAIT = 16 + 128
"""Answers side by side, and waiting ones, of the llm service as it comes."""


async def main(gateway: str, model: str) -> None:
    body = {
        "model": model,
        "max_tokens": MAX_TOKENS,
        "messages": [{"role": "user", "content": "Tell me about the sea."}],
    }
    headers = {"authorization": f"Bearer {os.environ.get('LEDGE_API_KEY', '')}"}
    statuses: collections.Counter[str] = collections.Counter()
    took_ms: list[float] = []
    without_a_delay = 0
    delays_s: list[float] = []

    async with httpx.AsyncClient(
        base_url=gateway, headers=headers, timeout=180, limits=httpx.Limits(max_keepalive_connections=CALLERS)
    ) as client:

        async def call() -> httpx.Response:
            return await client.post("/v1/chat/completions", json=body)

        async def caller(end_s: float) -> int:
            served = 0
            while time.monotonic() < end_s:
                served += (await call()).status_code == 200
            return served

        began_s = time.monotonic()
        served = sum(await asyncio.gather(*(caller(began_s + MEASURED_S) for _ in range(CALLERS))))
        capacity_per_s = served / (time.monotonic() - began_s)

        async def offered() -> None:
            nonlocal without_a_delay
            asked_s = time.monotonic()
            answer = await call()
            statuses[str(answer.status_code)] += 1
            if answer.status_code == 200:
                took_ms.append((time.monotonic() - asked_s) * 1000)
            elif "retry-after" in answer.headers:
                delays_s.append(float(answer.headers["retry-after"]))
            else:
                without_a_delay += 1

        rate_per_s = TIMES * capacity_per_s
        async with asyncio.TaskGroup() as calls:
            began_s, number = time.monotonic(), 0
            while time.monotonic() - began_s < OFFERED_S:
                calls.create_task(offered())
                number += 1
                await asyncio.sleep(max(0.0, began_s + number / rate_per_s - time.monotonic()))
            offered_per_s = number / (time.monotonic() - began_s)
    took_ms.sort()
    result = {
        "capacity_per_s": round(capacity_per_s, 1),
        "offered_per_s": round(offered_per_s, 1),
        "may_wait": MAY_WAIT,
        "statuses": statuses,
        "refused_without_a_delay": without_a_delay,
        "delays_s": [min(delays_s, default=0), max(delays_s, default=0)],
        "accepted_ms": {
            str(each): round(took_ms[min(len(took_ms) - 1, len(took_ms) * each // 100)]) for each in (50, 95, 100)
        },
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
