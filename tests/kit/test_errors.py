import inspect
import re

import grpc
import pytest

from services.kit import errors
from services.kit.errors import LedgeError, from_rpc, retry_delay_s
from tests.kit.probe import ask
from tests.kit.serving import failure_of, serving

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, LedgeError)]


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind is not LedgeError], ids=lambda kind: kind.__name__)
def test_the_tree_in_the_docstring_is_the_truth(kind: type[LedgeError]) -> None:
    assert errors.__doc__ is not None
    line = next(line for line in errors.__doc__.splitlines() if kind.__name__ in line)
    assert kind.code.name in line
    assert re.search(rf"\b{kind.http}\b", line)


@pytest.mark.parametrize("name", ["InvalidInput", "Unauthenticated", "NotFound", "NotReady", "TooSlow", "EngineFailed"])
async def test_an_error_raised_anywhere_has_its_own_status_and_survives_the_wire(name: str) -> None:
    async with serving() as probe:
        error = await failure_of(probe.stub.Chat(ask(f"raise {name} the reason")))
    kind = getattr(errors, name)
    assert error.code() is kind.code
    assert error.details() == "the reason"
    assert type(from_rpc(error)) is kind
    assert from_rpc(error).message == "the reason"


async def test_overloaded_names_its_delay() -> None:
    async with serving() as probe:
        error = await failure_of(probe.stub.Chat(ask("raise Overloaded full")))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert retry_delay_s(error.trailing_metadata()) == pytest.approx(2.5)
    assert from_rpc(error).retry_after_s == pytest.approx(2.5)


async def test_an_unexpected_error_is_internal_and_keeps_its_message_to_itself() -> None:
    async with serving() as probe:
        error = await failure_of(probe.stub.Chat(ask("raise ValueError password=hunter2")))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "hunter2" not in str(error.details())
    assert "request id" in str(error.details())


async def test_an_upstream_status_passes_through_two_hops_unchanged() -> None:
    async with serving() as far, serving() as near:
        error = await failure_of(near.stub.Chat(ask(f"call {far.address} raise Overloaded the far queue is full")))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.details() == "the far queue is full"
    assert retry_delay_s(error.trailing_metadata()) == pytest.approx(2.5)


async def test_a_peer_that_cannot_be_reached_is_told_without_its_address() -> None:
    async with serving() as near:
        error = await failure_of(near.stub.Chat(ask("call 127.0.0.1:1 echo x")))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "127.0.0.1" not in from_rpc(error).message
