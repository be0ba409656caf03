"""How the commands speak to the pipeline: one channel to `rag`, with the caller's key."""

import contextlib
from collections.abc import AsyncIterator

from ledge.rag.v1 import rag_pb2, rag_pb2_grpc

from services.cli.local.config import LocalRunConfig
from services.cli.service_channel import service_channel


@contextlib.asynccontextmanager
async def rag_service(config: LocalRunConfig) -> AsyncIterator["rag_pb2_grpc.RagServiceAsyncStub"]:
    """A stub of the running suite's `rag` (LEDGE_RAG_ADDRESS: of another one). Raises LedgeError for what fails."""
    async with service_channel("rag", rag_pb2.DESCRIPTOR, config) as channel:
        yield rag_pb2_grpc.RagServiceStub(channel)
