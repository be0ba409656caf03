"""Starts the retrieval service."""

import asyncio

from ledge.retrieval.v1 import retrieval_pb2 as pb

from services.kit.server import run
from services.retrieval.config import RetrievalConfig
from services.retrieval.engines import open_engine
from services.retrieval.service import RetrievalService


async def build(config: RetrievalConfig) -> RetrievalService:
    engine = await asyncio.to_thread(open_engine, config)
    return RetrievalService(engine, config.search_threads, config.max_waiting_calls, config.max_message_bytes)


if __name__ == "__main__":
    run("retrieval", RetrievalConfig, pb.DESCRIPTOR, build)
