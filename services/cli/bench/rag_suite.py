"""A suite of its own to measure answers on: the profile's services on free ports, documents taken in; gone after."""

import asyncio
import os
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
WEIGHTS = "LEDGE_CALIBRATION_FILE"


@contextmanager
def running_suite(documents: Path, *, own_weights: bool = True) -> Iterator[dict[str, RunningService]]:
    """The services by name, ready, with the documents of a folder in collection `bench`.

    Args:
        own_weights: whether rag reads the caller's LEDGE_CALIBRATION_FILE. Who makes that file does without it, for
            the one that is there may be of another version.

    Raises:
        InvalidInput: no documents there.
        EngineFailed: a service does not start, or a document cannot be taken in.
    """
    console = Console(stderr=True, highlight=False)
    _, plan, _ = open_profile(LocalRunConfig.read())
    with ExitStack() as stack:
        data = stack.enter_context(tempfile.TemporaryDirectory(prefix="ledge-bench-rag-"))
        left_out = {"LEDGE_PORT", "LEDGE_OPS_PORT", "LEDGE_DATA_DIR", *(() if own_weights else (WEIGHTS,))}
        inherited = {WEIGHTS: os.environ[WEIGHTS]} if os.environ.get(WEIGHTS) else {}
        addresses: dict[str, str] = {}
        running: dict[str, RunningService] = {}
        for name in SERVICES:
            planned = {
                key: value
                for key, value in {**inherited, **plan.service(name).environment}.items()
                if not key.endswith("_ADDRESS") and key not in left_out
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
