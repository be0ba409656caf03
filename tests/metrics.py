"""Reads the metrics of a running service."""

import httpx

from tests.processes import ServiceProcess


async def metric(process: ServiceProcess, name: str) -> float:
    """The sum over all series of a metric; 0 before the first."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"{process.ops_url}/v1/metrics")).text
    lines = [line for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
    return sum(float(line.rpartition(" ")[2]) for line in lines)
