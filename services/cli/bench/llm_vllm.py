"""`ledge bench llm --engine vllm`: vLLM in the llm service over gRPC, beside `vllm serve` of the same model over HTTP.

Run it where vLLM is installed. The two never run at a time: each gets the whole machine, one after the other.
"""

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import aiohttp
import httpx

from services.cli.bench.llm_through_grpc import Measured, prompts, through_grpc, workload
from services.cli.bench.report import Row
from services.cli.bench.running import RunningService
from services.kit.errors import EngineFailed
from services.kit.models import ModelStore

START_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 30.0
CONTEXT_TOKENS = 1024
KV_CACHE_BYTES = 2**30
NAME = "bench"


def measure(model: str, counts: Sequence[int], rounds: int, tokens: int) -> tuple[list[Row], dict[str, Any]]:
    """Rows of tokens per second and first tokens for each number of streams, and what they were taken of."""
    directory = ModelStore.from_environment().require(model)
    slots = max(counts)
    settings = {
        "LEDGE_ENGINE": "vllm",
        "LEDGE_MODEL": model,
        "LEDGE_SLOTS": str(slots),
        "LEDGE_CONTEXT_TOKENS": str(CONTEXT_TOKENS),
        "LEDGE_KV_CACHE_BYTES": str(KV_CACHE_BYTES),
    }
    mine = {count: Measured() for count in counts}
    with RunningService("llm", settings, START_TIMEOUT_S) as service:
        for count in counts:
            for _ in range(rounds):
                mine[count].add(*asyncio.run(through_grpc(service.address, prompts(count), tokens)))
        of = asyncio.run(workload(service.address, prompts(max(counts)), list(mine.values())))
    its = {count: Measured() for count in counts}
    with _serving(directory, slots) as url:
        for count in counts:
            for _ in range(rounds):
                its[count].add(*asyncio.run(_through_http(url, prompts(count), tokens)))
    return [row for count in counts for row in _rows(count, mine[count], its[count])], of


def _rows(count: int, mine: Measured, its: Measured) -> list[Row]:
    name = f"{count} stream{'s' if count > 1 else ''}"
    speeds = statistics.median(mine.tokens_per_s), statistics.median(its.tokens_per_s)
    firsts = statistics.median(mine.first_token_ms), statistics.median(its.first_token_ms)
    spread = f"rounds {min(mine.tokens_per_s):.0f}–{max(mine.tokens_per_s):.0f}"
    spread += f", baseline's {min(its.tokens_per_s):.0f}–{max(its.tokens_per_s):.0f}"
    served = "vllm serve over HTTP"
    return [
        Row(f"tokens per second, {name}", speeds[0], "tokens/s", served, speeds[1], note=spread),
        Row(f"first token p50, {name}", firsts[0], "ms", served, firsts[1]),
    ]


@contextmanager
def _serving(directory: Path, slots: int) -> Iterator[str]:
    """vLLM's own server, as it comes but for the sizes that both sides share."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        # What `vllm serve` runs; the command itself wants a distribution named vllm, which that for CPUs is not.
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(directory),
        "--served-model-name", NAME,
        "--host", "127.0.0.1", "--port", str(port), "--max-model-len", str(CONTEXT_TOKENS),
        "--max-num-seqs", str(slots), "--kv-cache-memory-bytes", str(KV_CACHE_BYTES), "--generation-config", "vllm",
    ]  # fmt: skip
    quiet = {"VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1", "VLLM_LOGGING_LEVEL": "WARNING"}
    with TemporaryFile() as log:
        process = subprocess.Popen(command, env={**os.environ, **quiet}, stdout=log, stderr=log)
        try:
            _wait_until_ready(f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}/v1/chat/completions"
        except EngineFailed as error:
            log.seek(0)
            words = log.read().decode(errors="replace").strip().splitlines()[-3:]
            raise EngineFailed(f"{error.message}: {' | '.join(words)}") from error
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    until_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until_s:
        if process.poll() is not None:
            raise EngineFailed("vllm serve ended")
        try:
            if httpx.get(f"{url}/health", timeout=5).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            time.sleep(0.5)
    raise EngineFailed(f"vllm serve was not ready within {START_TIMEOUT_S:.0f} s")


async def _through_http(url: str, prompts: Sequence[str], max_tokens: int) -> tuple[int, float, list[float]]:
    """Tokens, seconds from the first call to the last end, seconds to each call's first token."""
    from services.cli.bench.llm_in_process import WARM_UP_TOKENS

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        await asyncio.gather(*(_answer(http, url, prompt, WARM_UP_TOKENS) for prompt in prompts))
        began_s = time.perf_counter()
        answers = await asyncio.gather(*(_answer(http, url, prompt, max_tokens) for prompt in prompts))
        elapsed_s = time.perf_counter() - began_s
    return sum(tokens for tokens, _ in answers), elapsed_s, [first_s for _, first_s in answers]


async def _answer(http: aiohttp.ClientSession, url: str, prompt: str, max_tokens: int) -> tuple[int, float]:
    body = {
        "model": NAME,
        "messages": [{"role": "user", "content": prompt}],
        "temperature": 0,
        "max_tokens": max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    began_s = time.perf_counter()
    first_s = 0.0
    tokens = 0
    async with http.post(url, json=body) as response:
        if response.status != httpx.codes.OK:
            raise EngineFailed(f"vllm serve answers {response.status}: {(await response.text())[:200]}")
        async for line in response.content:
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            if not first_s and any(choice["delta"].get("content") for choice in event["choices"]):
                first_s = time.perf_counter() - began_s
            if event.get("usage"):
                tokens = event["usage"]["completion_tokens"]
    return tokens, first_s
