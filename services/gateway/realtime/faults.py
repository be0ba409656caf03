"""What is wrong with an event of the client, told in an `error` event; the session goes on."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from services.gateway.errors import first_fault

_OPENAI_FIELDS = {
    "session.kind": "session.type",
    "session.speak": "session.output_modalities",
    "session.input_format": "session.audio.input.format",
    "session.transcription.hotwords": "session.audio.input.transcription.keywords",
    "session.transcription": "session.audio.input.transcription",
    "session.turn_detection.silence_ms": "session.audio.input.turn_detection.silence_duration_ms",
    "session.turn_detection": "session.audio.input.turn_detection",
    "session.speaking.rate": "session.audio.output.speed",
    "session.speaking.voice": "session.audio.output.voice",
    "session.speaking": "session.audio.output.format",
    "session.documents": "session.ledge",
    "session.language": "session.ledge.language",
}
"""A field of the contract, and whatever is in it → where a client wrote it. The longer stands before the shorter."""


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


def openai_field(field: str) -> str:
    """What a client calls a field that the service names."""
    for ours, theirs in _OPENAI_FIELDS.items():
        if field == ours or field.startswith(f"{ours}."):
            return theirs + field.removeprefix(ours)
    return field


def error_event(message: str, kind: str, code: str | None, param: str | None, caused_by: str | None) -> dict[str, Any]:
    """An `error` event, but for its own id."""
    told = {"type": kind, "code": code, "message": message, "param": param, "event_id": caused_by}
    return {"type": "error", "error": told}
