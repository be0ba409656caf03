"""Runs in a pod: calls the gateway at a steady rate until a file appears, then prints what failed.

`python load.py GATEWAY RATE FILE` prints one object of JSON: calls, failures (at most 20, in words), and the latencies'
50th, 95th and 100th percentile in milliseconds. No call is tried again: each failure is one that a user sees.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

import httpx

CALLS = (
    ("/v1/embeddings", {"model": "all-minilm-l6-v2", "input": "How tall is the pump house?"}),
    ("/v1/ranking", {"model": "all-minilm-l6-v2", "query": {"text": "height"}, "passages": [{"text": "It is tall."}]}),
    ("/v1/models", None),
)


async def main(gateway: str, rate: float, end: Path) -> None:
    took_ms: list[float] = []
    failures: list[str] = []

    async def call(client: httpx.AsyncClient, number: int) -> None:
        path, body = CALLS[number % len(CALLS)]
        began_s = time.monotonic()
        try:
            answer = await (client.get(path) if body is None else client.post(path, json=body))
            if answer.status_code != 200:
                failures.append(f"{path}: {answer.status_code} {answer.text[:200]}")
        except httpx.HTTPError as error:
            failures.append(f"{path}: {type(error).__name__} {error}")
        took_ms.append((time.monotonic() - began_s) * 1000)

    # A connection that the server means to close may be closed as a request is on its way, and HTTP has no answer to
    # that but to try again: none is kept, as a balancer in front of the gateway keeps none to a pod that leaves.
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=gateway, timeout=30, limits=limits) as client, asyncio.TaskGroup() as calls:
        began_s, number = time.monotonic(), 0
        while not end.exists():
            calls.create_task(call(client, number))
            number += 1
            await asyncio.sleep(max(0.0, began_s + number / rate - time.monotonic()))
    took_ms.sort()
    percentiles = {
        str(each): round(took_ms[min(len(took_ms) - 1, len(took_ms) * each // 100)], 1) for each in (50, 95, 100)
    }
    result = {"calls": len(took_ms), "failed": len(failures), "failures": failures[:20], "ms": percentiles}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), Path(sys.argv[3])))
