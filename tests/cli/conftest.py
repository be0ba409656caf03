"""A light suite for the commands: engines without weights, so that starting it takes little; and a `rag` to call."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ledge_command import Ledge
from tests.processes import ServiceProcess, service

LIGHT_PROFILE = """
name: light
description: Engines without weights, for tests.
hardware: { cpu_cores: 1, memory_bytes: 1_000_000_000 }
services:
  embedding:
    engine: scripted
    budget: { memory_bytes: 100_000_000, cpu_cores: 0.1 }
  retrieval:
    engine: memory
    budget: { memory_bytes: 100_000_000, cpu_cores: 0.1 }
    env: { LEDGE_LOG_LEVEL: INFO }
"""


@pytest.fixture
def light_profile(tmp_path: Path) -> Path:
    path = tmp_path / "light.yaml"
    path.write_text(LIGHT_PROFILE)
    return path


@pytest.fixture
def ledge(tmp_path: Path, light_profile: Path) -> Iterator[Ledge]:
    """Nothing runs yet."""
    command = Ledge(tmp_path / "state", LEDGE_PROFILE=str(light_profile))
    yield command
    command.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledge]:
    """A light suite that runs; tests that share it leave it running."""
    folder = tmp_path_factory.mktemp("running")
    profile = folder / "light.yaml"
    profile.write_text(LIGHT_PROFILE)
    command = Ledge(folder / "state", LEDGE_PROFILE=str(profile))
    try:
        command.run("up", "--no-ingest")
        yield command
    finally:
        command.close()


@pytest.fixture(scope="module")
def rag() -> Iterator[ServiceProcess]:
    """What takes documents in, without a suite around it."""
    with (
        service("embedding", LEDGE_ENGINE="scripted") as embedding,
        service("retrieval", LEDGE_ENGINE="memory") as retrieval,
        service("rag", LEDGE_EMBEDDING_ADDRESS=embedding.address, LEDGE_RETRIEVAL_ADDRESS=retrieval.address) as process,
    ):
        yield process
