"""Carries messages up a stream while its answers come down; whichever side fails ends the call with its own error.

grpc.aio takes an iterator of requests too, but an exception in it only cancels the call: the reason is lost.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import grpc

FAILURE_TIMEOUT_S = 1.0
"""A sender that cancelled the call has failed already; its task is only to be run to its end."""


async def relay(call: Any, messages: AsyncGenerator[Any]) -> AsyncGenerator[Any]:
    """The answers of a bidirectional call, up which `messages` are sent. Closing it cancels the call and the sending.

    Args:
        call: made by a stub without an iterator of requests.
        messages: taken as fast as the other side reads them; their end half-closes the call.

    Raises:
        AioRpcError: the other side refused or failed.
        Exception: whatever `messages` raised.
    """
    sending = asyncio.create_task(_send(call, messages))
    try:
        async for answer in call:
            yield answer
    except asyncio.CancelledError:
        await _raise_failure(sending)
        raise
    finally:
        sending.cancel()
        call.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _send(call: Any, messages: AsyncGenerator[Any]) -> None:
    async with contextlib.aclosing(messages):
        try:
            async for message in messages:
                await call.write(message)
            await call.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            # The other side has ended the call, and the reading tells how.
            if not call.done():
                call.cancel()
                raise
        except Exception:
            call.cancel()
            raise


async def _raise_failure(sending: asyncio.Task[None]) -> None:
    """Raises why the sender cancelled the call; returns where this task was cancelled itself."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        return
    await asyncio.wait([sending], timeout=FAILURE_TIMEOUT_S)
    if sending.done() and not sending.cancelled() and (error := sending.exception()) is not None:
        raise error
