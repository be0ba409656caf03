"""What is wrong with an event of the client, told in an `error` event; the session goes on."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from services.gateway.errors import first_fault


class EventRefused(Exception):
    """An event that cannot be done.

    Args:
        code: for programs.
        param: the field at fault, from the event's top.
    """

    def __init__(self, message: str, *, code: str = "invalid_value", param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param


def refused(error: ValidationError, before: Sequence[str] = ()) -> EventRefused:
    """What pydantic found first, without what the event holds."""
    message, param = first_fault(error.errors(include_input=False, include_url=False))
    place = ".".join([*before, *([param] if param else [])])
    return EventRefused(f"{place}: {message}" if place else message, param=place or None)


def error_event(message: str, kind: str, code: str | None, param: str | None, caused_by: str | None) -> dict[str, Any]:
    """An `error` event, but for its own id."""
    told = {"type": kind, "code": code, "message": message, "param": param, "event_id": caused_by}
    return {"type": "error", "error": told}
