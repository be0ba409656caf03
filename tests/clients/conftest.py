"""The whole suite behind a gateway, and client programs in an environment of their own: see `make test-clients`."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.suite import KEY, PEER_KEY, Suite, closing_all, gateway_and_speech, whole_suite
from tests.processes import ServiceProcess
from tests.tts.conftest import need_flite

PROGRAMS = Path(__file__).parent / "programs"
TIMEOUT_S = 100
ALIASES = (
    "smollm2-135m-instruct=scripted,all-minilm-l6-v2=scripted,gpt-4o-mini=scripted,"
    "jina-reranker-v2-base-multilingual=scripted"
)
"""The default models' names, so that the snippets of the documentation run as they stand, and those of others."""


@pytest.fixture(scope="session")
def clients_python() -> str:
    """The Python that has the clients, and nothing of the suite."""
    python = os.environ.get("CLIENTS_PYTHON")
    if not python:
        pytest.skip("the clients are in an environment of their own: run `make test-clients`")
    return python


@pytest.fixture(scope="session")
def suite(clients_python: str) -> Iterator[Suite]:
    with whole_suite(LEDGE_MODEL_ALIASES=ALIASES) as running:
        yield running


@pytest.fixture(scope="session")
def speech_suite(clients_python: str) -> Iterator[Suite]:
    """flite and pocketsphinx behind a gateway."""
    need_flite()
    with gateway_and_speech() as running:
        yield running


@pytest.fixture(scope="session")
def open_suite(suite: Suite) -> Iterator[Suite]:
    """A gateway that wants no key, for clients that cannot send one."""
    services = {"llm": suite.llm, **suite.others}
    addresses = {f"LEDGE_{name.upper()}_ADDRESS": service.address for name, service in services.items()}
    settings = {"LEDGE_PEER_API_KEY": PEER_KEY, "LEDGE_MODEL_ALIASES": ALIASES}
    gateway = ServiceProcess("gateway", {**settings, **addresses})
    with closing_all(gateway):
        yield Suite(gateway.wait_ready(), suite.llm)


@pytest.fixture
def run(clients_python: str) -> Callable[[Suite, str], Any]:
    """Runs a program of `programs` against a suite and gives the JSON that it writes."""

    def run(suite: Suite, program: str) -> Any:
        environment = {"PATH": os.environ["PATH"], "URL": suite.url, "KEY": KEY, "HOME": os.environ.get("HOME", "/")}
        # Haystack tells its makers what is used, and waits for them.
        environment["HAYSTACK_TELEMETRY_ENABLED"] = "False"
        done = subprocess.run(
            [clients_python, "-I", str(PROGRAMS / program)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
