"""Waits for a peer whose queue is full as long as it asks to: an ingest has time, and must not fail for want of it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc

from services.kit.errors import retry_delay_s

Result = TypeVar("Result")


async def patiently(call: Callable[[], Awaitable[Result]]) -> Result:
    """Makes a call, again after the delay that a RESOURCE_EXHAUSTED names. Any other status is raised.

    It ends with the deadline of the call being served, or when that is cancelled.
    """
    while True:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            delay_s = retry_delay_s(error.trailing_metadata())
            if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED or delay_s is None:
                raise
        await asyncio.sleep(delay_s)
