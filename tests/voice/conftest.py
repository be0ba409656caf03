"""The voice service before scripted engines, all real processes, with one document to answer from."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from ledge.rag.v1 import rag_pb2, rag_pb2_grpc

from tests.processes import ServiceProcess, service

HANDBOOK = b"""# The pump house

The pump house is 12 metres tall. It was built in 1931 by the harbour. The pump house holds three pumps.

# Ventilation

Please open the window when the water is warm.
"""
SCRIPT = """
rules:
  - when: "^for ever"
    say: "and so on "
    endlessly: true
  - when: "^tell a story"
    say: "Once upon a time there was a pump house by the harbour. It held three pumps. They worked all day. At night they slept. Nobody knew why. One day the water came. It came and came and did not stop."
  - when: "^weather"
    call: { name: weather, arguments: { city: Oslo } }
  - when: "^cold and wet"
    say: "It is cold and wet there."
  - when: "^break"
    say: "half an ans"
    fail: "the script breaks here"
"""  # noqa: E501


@dataclass(frozen=True)
class Suite:
    """All that voice calls."""

    processes: dict[str, ServiceProcess]

    @property
    def addresses(self) -> dict[str, str]:
        return {f"LEDGE_{name.upper()}_ADDRESS": process.address for name, process in self.processes.items()}


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    script: Path = tmp_path_factory.mktemp("voice") / "script.yaml"
    script.write_text(SCRIPT)
    settings = {
        "asr": {"LEDGE_ENGINE": "scripted"},
        "tts": {"LEDGE_ENGINE": "scripted"},
        "translation": {"LEDGE_ENGINE": "scripted"},
        "llm": {"LEDGE_ENGINE": "scripted", "LEDGE_SCRIPT_FILE": str(script), "LEDGE_CONTEXT_TOKENS": "1000000"},
        "embedding": {"LEDGE_ENGINE": "scripted"},
        "retrieval": {"LEDGE_ENGINE": "memory"},
        "reranking": {"LEDGE_ENGINE": "scripted"},
    }
    with ExitStack() as stack:
        running = {name: ServiceProcess(name, chosen) for name, chosen in settings.items()}
        for process in running.values():
            stack.callback(process.close)
        capabilities = Suite(running).addresses
        rag = stack.enter_context(service("rag", **capabilities, LEDGE_ANSWER_POLICY="quote"))
        for process in running.values():
            process.wait_ready()
        ingest("handbook.md", HANDBOOK, rag)
        yield Suite({**running, "rag": rag})


@contextmanager
def a_voice(suite: Suite, **settings: str) -> Iterator[ServiceProcess]:
    with service("voice", **{**suite.addresses, **settings}) as running:
        yield running


@pytest.fixture(scope="session")
def voice(suite: Suite) -> Iterator[ServiceProcess]:
    with a_voice(suite) as running:
        yield running


def ingest(name: str, content: bytes, rag: ServiceProcess) -> None:
    """One document into the default collection."""

    async def requests() -> AsyncIterator[rag_pb2.IngestRequest]:
        yield rag_pb2.IngestRequest(config=rag_pb2.IngestConfig())
        yield rag_pb2.IngestRequest(document=rag_pb2.DocumentStart(name=name))
        yield rag_pb2.IngestRequest(content=content)

    async def ingested() -> rag_pb2.IngestResponse:
        async with grpc.aio.insecure_channel(rag.address) as channel:
            stub: Any = rag_pb2_grpc.RagServiceStub(channel)
            return [event async for event in stub.Ingest(requests(), timeout=60)][-1]

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(asyncio.run, ingested()).result().summary.stored == 1
