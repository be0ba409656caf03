"""One suite for all tests that leave it as they found it, and OpenAI's own clients to call it with."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.gateway.suite import KEY, Suite, gateway_and_models, whole_suite


@pytest.fixture(scope="session")
def suite() -> Iterator[Suite]:
    with gateway_and_models() as running:
        yield running


@pytest.fixture(scope="session")
def documents() -> Iterator[Suite]:
    """With `rag` and what it needs, for answers from documents."""
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
