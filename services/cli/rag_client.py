"""How the commands speak to the pipeline: one channel to `rag`, with the caller's key."""

import contextlib
import os
from collections.abc import AsyncIterator

import grpc
from ledge.rag.v1 import rag_pb2, rag_pb2_grpc

from services.cli.local.config import LocalRunConfig
from services.cli.local.suite import addresses
from services.cli.local.tls import channel_tls
from services.kit.client import Channel, open_channel
from services.kit.errors import EngineFailed, LedgeError, NotReady, from_rpc


def api_key() -> str | None:
    """The key that this user shows, LEDGE_API_KEY; on the machine of the suite the first of LEDGE_API_KEYS will do."""
    key = os.environ.get("LEDGE_API_KEY")
    if key:
        return key
    first = os.environ.get("LEDGE_API_KEYS", "").partition(",")[0].strip()
    return first.rpartition("=")[2] or None


@contextlib.asynccontextmanager
async def rag_service(config: LocalRunConfig) -> AsyncIterator["rag_pb2_grpc.RagServiceAsyncStub"]:
    """A stub of the running suite's `rag` (LEDGE_RAG_ADDRESS: of another one). Raises LedgeError for what fails."""
    address = os.environ.get("LEDGE_RAG_ADDRESS") or addresses(config)("rag")
    bare = open_channel(address, **channel_tls(), contracts=(rag_pb2.DESCRIPTOR,))
    async with Channel(bare, api_key(), cap_s=None, slack_s=0.0) as channel:
        try:
            yield rag_pb2_grpc.RagServiceStub(channel)
        except grpc.aio.AioRpcError as error:
            raise _told(error, address) from error


def _told(error: grpc.aio.AioRpcError, address: str) -> LedgeError:
    if error.code() is grpc.StatusCode.UNAVAILABLE and "connect" in (error.details() or ""):
        return NotReady(f"nothing answers at {address}: `ledge status` tells what runs, `ledge up` starts the suite")
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:
        return EngineFailed(
            f"what answers at {address} does not know this call: an older suite? `ledge down`, then `ledge up`"
        )
    told = from_rpc(error)
    if error.code() is grpc.StatusCode.UNAUTHENTICATED:
        told.message += " (the command line takes it from LEDGE_API_KEY)"
    return told
