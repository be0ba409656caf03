"""The last of vLLM's tests, because it ends the service that they share."""

import asyncio
from collections.abc import Callable

import grpc
import psutil
import pytest

from tests.llm.conftest import Served, chat, connected, refused

pytestmark = [pytest.mark.torch, pytest.mark.timeout(400)]


async def test_a_service_whose_engine_died_says_so_and_ends(started: Callable[[str], Served]) -> None:
    process = started("vllm").process
    async with connected(started("vllm")) as llm:
        await llm.Chat(chat("Say hello."))
        for child in psutil.Process(process.process.pid).children(recursive=True):
            if child.name().startswith("VLLM"):
                child.kill()
        error = await refused(llm.Chat(chat("Say hello.")))
        assert error.code() is grpc.StatusCode.INTERNAL
    assert await asyncio.to_thread(process.wait, 60) == 0
    assert "vLLM's process has ended" in {entry["event"] for entry in process.log}
