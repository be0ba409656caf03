"""A suite of its own to measure answers on: the profile's services on free ports, documents taken in; gone after."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ledge.rag.v1 import rag_pb2 as pb
from ledge.rag.v1 import rag_pb2_grpc
from rich.console import Console

from services.cli.bench.running import RunningService
from services.cli.local.config import LocalRunConfig
from services.cli.profile import open_profile
from services.cli.upload import Watch, select, upload
from services.kit.client import open_channel
from services.kit.errors import EngineFailed

SERVICES = ("embedding", "retrieval", "reranking", "llm", "rag")
COLLECTION = "bench"


@contextmanager
def running_suite(documents: Path) -> Iterator[dict[str, RunningService]]:
    """The services by name, ready, with the documents of a folder in collection `bench`.

    Raises:
        InvalidInput: no documents there.
        EngineFailed: a service does not start, or a document cannot be taken in.
    """
    console = Console(stderr=True, highlight=False)
    _, plan, _ = open_profile(LocalRunConfig.read())
    with ExitStack() as stack:
        data = stack.enter_context(tempfile.TemporaryDirectory(prefix="ledge-bench-rag-"))
        addresses: dict[str, str] = {}
        running: dict[str, RunningService] = {}
        for name in SERVICES:
            planned = {
                key: value
                for key, value in plan.service(name).environment.items()
                if not key.endswith("_ADDRESS") and key not in ("LEDGE_PORT", "LEDGE_OPS_PORT", "LEDGE_DATA_DIR")
            }
            running[name] = stack.enter_context(RunningService(name, {**planned, **addresses, "LEDGE_DATA_DIR": data}))
            addresses[f"LEDGE_{name.upper()}_ADDRESS"] = running[name].address
        with console.status(f"taking in the documents of {documents}"):
            asyncio.run(_ingest(running["rag"].address, documents))
        yield running


async def _ingest(address: str, documents: Path) -> None:
    async with open_channel(address) as channel:
        results = await upload(rag_pb2_grpc.RagServiceStub(channel), select([documents]).documents, COLLECTION, Watch())
    rejected = [f"{result.name}: {result.reason}" for result in results if result.outcome == pb.DocumentResult.REJECTED]
    if rejected or not results:
        raise EngineFailed(f"not all documents were taken in: {'; '.join(rejected) or 'there are none'}")
