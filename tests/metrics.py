"""Reads the metrics of a running service."""

import time
from collections.abc import Iterable

import httpx

from tests.processes import ServiceProcess

FREED_S = 2.0
"""Within which nothing is left of who has gone. Tests run beside others; alone it takes some ten milliseconds."""


async def metric(process: ServiceProcess, name: str, key: str = "") -> float:
    """The sum over all series of a metric; 0 before the first."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with httpx.AsyncClient(headers=headers) as client:
        text = (await client.get(f"{process.ops_url}/v1/metrics")).raise_for_status().text
    lines = [line for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


async def all_freed(processes: Iterable[ServiceProcess], left_s: float, key: str = "") -> None:
    """None of them serves a call any more, soon after the caller has left (`time.monotonic`)."""
    for process in processes:
        while calls := await metric(process, "ledge_calls_in_flight", key):
            assert time.monotonic() - left_s < FREED_S, f"{process.name} still serves {calls:.0f} calls"
