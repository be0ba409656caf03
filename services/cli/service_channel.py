"""How the commands reach a service of the running suite, or another one, with the caller's key."""

import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any

import grpc

from services.cli.local.config import LocalRunConfig
from services.cli.local.suite import addresses
from services.cli.local.tls import channel_tls
from services.kit.client import Channel, open_channel
from services.kit.errors import EngineFailed, LedgeError, NotReady, from_rpc

MAX_MESSAGE_BYTES = 65 * 2**20
"""What the service that takes the largest messages takes; each one bounds its own."""


def api_key() -> str | None:
    """The key that this user shows, LEDGE_API_KEY; on the machine of the suite the first of LEDGE_API_KEYS will do."""
    key = os.environ.get("LEDGE_API_KEY")
    if key:
        return key
    first = os.environ.get("LEDGE_API_KEYS", "").partition(",")[0].strip()
    return first.rpartition("=")[2] or None


@contextlib.asynccontextmanager
async def service_channel(
    service: str, contract: Any, config: LocalRunConfig, address: str | None = None
) -> AsyncIterator[Channel]:
    """A channel to a service: at `address`, else at LEDGE_<SERVICE>_ADDRESS, else that of the running suite.

    Raises:
        LedgeError: what a call in the block fails with, told for people.
    """
    address = address or os.environ.get(f"LEDGE_{service.upper()}_ADDRESS") or addresses(config)(service)
    bare = open_channel(address, **channel_tls(), contracts=(contract,), max_message_bytes=MAX_MESSAGE_BYTES)
    async with Channel(bare, api_key(), cap_s=None, slack_s=0.0) as channel:
        try:
            yield channel
        except grpc.aio.AioRpcError as error:
            raise _told(error, service, address) from error


def _told(error: grpc.aio.AioRpcError, service: str, address: str) -> LedgeError:
    if error.code() is grpc.StatusCode.UNAVAILABLE and "connect" in (error.details() or ""):
        return NotReady(
            f"nothing answers at {address}, where {service} would be: `ledge status` tells what runs, `ledge up` "
            "starts the suite"
        )
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:
        return EngineFailed(
            f"what answers at {address} does not know this call: an older suite? `ledge down`, then `ledge up`"
        )
    told = from_rpc(error)
    if error.code() is grpc.StatusCode.UNAUTHENTICATED:
        told.message += " (the command line takes it from LEDGE_API_KEY)"
    return told
