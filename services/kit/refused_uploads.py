"""Lets a caller that was refused while it was still sending see why.

grpc.aio writes INTERNAL over the status that a service ended the call with, when a
message of the caller was on its way at that moment (https://github.com/grpc/grpc/issues/36066).
"""

import asyncio
from typing import Any

import grpc
from grpc.aio import _call

STATUS_TIMEOUT_S = 1.0
"""The status of a call that was ended is on its way already; one that could not be started has none."""


def mend() -> None:
    """Replaces the method at fault, for every channel of this process."""
    streams: Any = _call._StreamRequestMixin
    streams._write = _write


async def _write(call: Any, message: Any) -> None:
    if call.done():
        raise asyncio.InvalidStateError("the call has ended")
    if call._done_writing_flag:
        raise asyncio.InvalidStateError("the caller has said that nothing more comes")
    await call.wait_for_connection()
    serialised = message if call._request_serializer is None else call._request_serializer(message)
    try:
        await call._cython_call.send_serialized_message(serialised)
    except grpc.aio.InternalError as error:
        try:
            await asyncio.wait_for(call.code(), STATUS_TIMEOUT_S)
        except TimeoutError:
            call._cython_call.set_internal_error(str(error))
        await call._raise_for_status()
    except asyncio.CancelledError:
        call.cancel()
        raise
