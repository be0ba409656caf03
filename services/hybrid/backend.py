"""One of the two models behind its llm service: its channel, its names, and how it is."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import grpc
from ledge.llm.v1 import llm_pb2 as pb
from ledge.llm.v1 import llm_pb2_grpc as rpc

from services.kit.client import Channel
from services.kit.errors import upstream_details

SERVICE = "/ledge.llm.v1.LlmService/"
CALLERS_FAULT = frozenset({grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE})


class Backend:
    """Shared by all calls. Calls by `bytes_…` carry messages as they are, unread."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.llm = rpc.LlmServiceStub(channel)
        self.verifier = rpc.VerifierServiceStub(channel)
        self._unary = {
            name: channel.unary_unary(SERVICE + name) for name in ("Chat", "Complete", "Tokenize", "Detokenize")
        }
        self._streams = {name: channel.unary_stream(SERVICE + name) for name in ("ChatStream", "CompleteStream")}

    async def bytes_unary(self, method: str, request: bytes) -> bytes:
        answer: bytes = await self._unary[method](request)
        return answer

    async def bytes_stream(self, method: str, request: bytes) -> AsyncGenerator[bytes, None]:
        call = self._streams[method](request)
        try:
            while (message := await call.read()) is not grpc.aio.EOF:
                yield message
        finally:
            call.cancel()

    async def models(self, timeout_s: float) -> list[Any]:
        return list((await self.llm.ListModels(pb.ListModelsRequest(), timeout=timeout_s)).models)

    async def close(self) -> None:
        await self._channel.close()


async def events(call: Any, first_within_s: float | None = None) -> AsyncGenerator[Any, None]:
    """The messages of a stream; closing it cancels the call.

    Raises:
        TimeoutError: the first did not come in time.
        AioRpcError: whatever the call ends with.
    """
    try:
        async with asyncio.timeout(first_within_s):
            message = await call.read()
        while message is not grpc.aio.EOF:
            yield message
            message = await call.read()
    finally:
        call.cancel()


def is_callers_fault(error: grpc.aio.AioRpcError) -> bool:
    """Whether the service itself says that the request is wrong: then another model is no help."""
    return error.code() in CALLERS_FAULT and bool(upstream_details(error))


def cannot_be_reached(error: grpc.aio.AioRpcError) -> bool:
    return error.code() is grpc.StatusCode.UNAVAILABLE
