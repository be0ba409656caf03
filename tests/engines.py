"""A service once for each of its engines, as real processes, for tests of what every engine promises."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import Any

import pytest

from tests.processes import ServiceProcess, service

ON_TORCH = {"sentence-transformers", "cross-encoder", "vllm"}
"""What `make test-torch` runs, in an environment of its own."""


def rows(engines: Sequence[str]) -> list[Any]:
    """The engines as parameters of a fixture."""
    # vLLM alone takes a minute to start.
    on_torch = [pytest.mark.torch, pytest.mark.timeout(400)]
    return [pytest.param(engine, marks=on_torch if engine in ON_TORCH else ()) for engine in engines]


@contextmanager
def a_process_each(
    name: str, needs: Mapping[str, str], settings: Callable[[str], Mapping[str, str]] = lambda engine: {}
) -> Iterator[Callable[[str], ServiceProcess]]:
    """Gives engine → its running service, started when it is first asked for; skips where its library is missing.

    Args:
        needs: engine → the module that it cannot do without.
        settings: engine → what it is started with, besides its name; may make what it needs.
    """
    with ExitStack() as stack:
        running: dict[str, ServiceProcess] = {}

        def start(engine: str) -> ServiceProcess:
            if find_spec(needs[engine]) is None:
                pytest.skip(f"{needs[engine]} is not installed")
            if engine not in running:
                running[engine] = stack.enter_context(service(name, LEDGE_ENGINE=engine, **settings(engine)))
            return running[engine]

        yield start
