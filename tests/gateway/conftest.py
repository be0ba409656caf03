"""One suite for all tests that leave it as they found it, and OpenAI's own clients to call it with."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.gateway.suite import KEY, Suite, another_gateway, gateway_and_models, whole_suite


@pytest.fixture(scope="session")
def suite() -> Iterator[Suite]:
    with gateway_and_models() as running:
        yield running


@pytest.fixture(scope="session")
def strict(suite: Suite) -> Iterator[Suite]:
    """A gateway that serves little, waits for nobody, and lets the pages of one origin in."""
    with another_gateway(
        suite,
        LEDGE_MAX_CONCURRENT_CALLS="2",
        LEDGE_CLIENT_TIMEOUT_S="1",
        LEDGE_CALL_TIMEOUT_S="2",
        LEDGE_CORS_ALLOW_ORIGINS="https://intranet.example",
    ) as running:
        yield running


@pytest.fixture(scope="session")
def documents() -> Iterator[Suite]:
    """With `rag` and what it needs, and one document, for answers from documents."""
    with whole_suite() as running:
        yield running


@pytest.fixture
def openai(suite: Suite) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{suite.url}/v1", api_key=KEY, max_retries=0, timeout=30) as client:
        yield client


@pytest.fixture
async def async_openai(suite: Suite) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{suite.url}/v1", api_key=KEY, max_retries=0, timeout=30) as client:
        yield client


@pytest.fixture
async def http(suite: Suite) -> AsyncIterator[httpx.AsyncClient]:
    async with suite.http() as client:
        yield client
