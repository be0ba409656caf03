"""One embedding (scripted), one retrieval, one rag for the tests of this folder; a collection of its own for each."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ledge.rag.v1 import rag_pb2_grpc
from ledge.retrieval.v1 import retrieval_pb2_grpc

from services.kit.client import open_channel
from tests.processes import ServiceProcess, service
from tests.rag.answer_client import HANDBOOK, MEMORANDUM, Suite, write_script
from tests.rag.ingest_client import Ingested, ingest


@dataclass(frozen=True)
class Storage:
    """The services that rag keeps its documents in."""

    embedding: ServiceProcess
    retrieval: ServiceProcess

    @property
    def settings(self) -> dict[str, str]:
        return {"LEDGE_EMBEDDING_ADDRESS": self.embedding.address, "LEDGE_RETRIEVAL_ADDRESS": self.retrieval.address}


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    data: Path = tmp_path_factory.mktemp("retrieval")
    with (
        service("embedding", LEDGE_ENGINE="scripted") as embedding,
        service("retrieval", LEDGE_DATA_DIR=str(data)) as retrieval,
    ):
        yield Storage(embedding, retrieval)


@pytest.fixture(scope="session")
def rag_process(storage: Storage) -> Iterator[ServiceProcess]:
    with service("rag", **storage.settings, LEDGE_MAX_DOCUMENT_BYTES=str(8 * 2**20)) as rag:
        yield rag


@pytest.fixture
async def rag(rag_process: ServiceProcess) -> AsyncIterator[rag_pb2_grpc.RagServiceStub]:
    async with open_channel(rag_process.address) as channel:
        yield rag_pb2_grpc.RagServiceStub(channel)


@pytest.fixture
async def retrieval(storage: Storage) -> AsyncIterator[retrieval_pb2_grpc.RetrievalServiceStub]:
    async with open_channel(storage.retrieval.address) as channel:
        yield retrieval_pb2_grpc.RetrievalServiceStub(channel)


@pytest.fixture
def collection() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """What answers need: the default encoder and store, and a model that says what its script says."""
    folder: Path = tmp_path_factory.mktemp("answers")
    with (
        service("embedding") as embedding,
        service("retrieval", LEDGE_DATA_DIR=str(folder / "data")) as retrieval,
        service("reranking") as reranking,
        service("llm", LEDGE_ENGINE="scripted", LEDGE_SCRIPT_FILE=str(write_script(folder))) as llm,
    ):
        yield Suite(embedding, retrieval, reranking, llm)


@pytest.fixture(scope="session")
def answering_process(suite: Suite) -> Iterator[ServiceProcess]:
    with service("rag", **suite.settings, LEDGE_ANSWER_POLICY="quote", LEDGE_DEADLINE_SLACK_S="0.3") as rag:
        yield rag


@pytest.fixture
async def answering(answering_process: ServiceProcess) -> AsyncIterator[rag_pb2_grpc.RagServiceStub]:
    async with open_channel(answering_process.address) as channel:
        yield rag_pb2_grpc.RagServiceStub(channel)


@pytest.fixture(scope="session")
def handbook(answering_process: ServiceProcess) -> str:
    """A collection with the handbook and the memorandum."""

    async def store() -> Ingested:
        async with open_channel(answering_process.address) as channel:
            return await ingest(rag_pb2_grpc.RagServiceStub(channel), [HANDBOOK, MEMORANDUM], "handbook")

    told = asyncio.run(store())
    assert told.summary is not None
    assert told.summary.stored == 2
    return "handbook"
