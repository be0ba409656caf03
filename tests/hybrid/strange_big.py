"""A big model that behaves as no engine of ours does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from ledge.llm.v1 import llm_pb2 as pb
from ledge.llm.v1 import llm_pb2_grpc as rpc


class StrangeBig(rpc.LlmServiceServicer, rpc.VerifierServiceServicer):
    """Ends its streams without a word; answers drafts with `verdict`, or where that is None never."""

    def __init__(self, verdict: pb.VerifyResponse | None = None) -> None:
        self._verdict = verdict
        self.address = ""

    async def ChatStream(self, request: pb.ChatStreamRequest, context: Any) -> AsyncIterator[pb.ChatStreamResponse]:
        return
        yield

    async def Verify(self, requests: AsyncIterator[pb.VerifyRequest], context: Any) -> AsyncIterator[pb.VerifyResponse]:
        async for request in requests:
            if not request.HasField("draft"):
                continue
            if self._verdict is None:
                await asyncio.Event().wait()
            yield self._verdict


@asynccontextmanager
async def strange_big(verdict: pb.VerifyResponse | None = None) -> AsyncIterator[StrangeBig]:
    big, server = StrangeBig(verdict), grpc.aio.server()
    rpc.add_LlmServiceServicer_to_server(big, server)
    rpc.add_VerifierServiceServicer_to_server(big, server)
    big.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield big
    finally:
        await server.stop(None)
