"""What every language model service keeps, a hybrid one keeps too, whichever of its models answers."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import tests.llm.test_contract as kept
from tests.hybrid.conftest import hybrid_over, stub_of
from tests.llm.conftest import SETTINGS
from tests.processes import ServiceProcess, service

ABOUT_ONE_ENGINE = {
    "test_the_model_is_listed_and_only_it_is_found",
    "test_drafts_are_verified_where_probabilities_can_be_read_and_nowhere_else",
}
globals().update(
    {name: test for name, test in vars(kept).items() if name.startswith("test_") and name not in ABOUT_ONE_ENGINE}
)
for name in ABOUT_ONE_ENGINE:
    assert hasattr(kept, name)


@pytest.fixture(scope="module")
def answering() -> Iterator[dict[str, ServiceProcess]]:
    """By mode. The scripted model is sure of all it says, so cascade keeps it."""
    scripted = {"LEDGE_ENGINE": "scripted", **SETTINGS["scripted"]}
    with ExitStack() as stack:
        model = stack.enter_context(service("llm", **scripted)).address
        yield {
            mode: stack.enter_context(hybrid_over(model, model, LEDGE_MODE=mode, **settings))
            for mode, settings in (
                ("local", {}),
                ("cloud", {}),
                ("cascade", {}),
            )
        }


@pytest.fixture(params=["local", "cloud", "cascade"])
async def llm(request: pytest.FixtureRequest, answering: dict[str, ServiceProcess]) -> AsyncIterator[Any]:
    async with stub_of(answering[request.param]) as stub:
        yield stub
