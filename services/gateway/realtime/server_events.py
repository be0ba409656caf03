"""What the service tells: each of its messages as the events that OpenAI's clients read, and Ledge's own."""

import math
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from ledge.voice.v1 import voice_pb2 as pb

from services.gateway.realtime import ledge_events
from services.gateway.realtime.base64_audio import encoded
from services.gateway.realtime.faults import error_event, openai_field
from services.gateway.realtime.items import item_json, part_json
from services.gateway.realtime.names import Names
from services.gateway.realtime.response_json import response_json
from services.gateway.realtime.session_json import session_json
from services.gateway.realtime.view import SessionView

Event = dict[str, Any]
TRANSCRIPTION = "conversation.item.input_audio_transcription"
MAX_OPEN_TRANSCRIPTS = 16
"""Utterances whose partial transcripts are remembered: more than can be open at a time."""


class ServerEvents:
    """Writes the events of one session, each with an id of its own.

    Args:
        expires_at: when the session ends at the latest, in seconds since 1970.
    """

    def __init__(self, view: SessionView, names: Names, expires_at: int) -> None:
        self._view = view
        self._names = names
        self._expires_at = expires_at
        self._prefix = f"event_{uuid.uuid4().hex[:16]}"
        self._conversation_id = f"conv_{uuid.uuid4().hex}"
        self._count = 0
        self._heard: dict[str, str] = {}
        self._writers: dict[str, Callable[[Any], Iterator[Event]]] = {
            "session_created": lambda state: self._session("session.created", state),
            "session_updated": lambda state: self._session("session.updated", state),
            "error": self._error,
            "transcript_partial": self._transcript_partial,
            "transcript_completed": self._transcript_completed,
            "response_created": self._response_created,
            "response_done": self._response_done,
            "output_cleared": self._output_cleared,
        }

    def write(self, response: pb.ConverseResponse) -> Iterator[Event]:
        """The events of a message; of one that tells nothing to this client, none."""
        kind = response.WhichOneof("event")
        if kind is None:
            return
        message = getattr(response, kind)
        if kind in self._writers:
            events = self._writers[kind](message)
        elif kind in ledge_events.WRITERS:
            events = iter([ledge_events.WRITERS[kind](message)] if self._view.wants_ledge else [])
        else:
            events = iter([PLAIN[kind](message)])
        for event in events:
            yield self.stamped(event)

    def stamped(self, event: Event) -> Event:
        """An event with an id of its own."""
        self._count += 1
        return {"event_id": f"{self._prefix}_{self._count}", **event}

    def _session(self, kind: str, state: pb.SessionState) -> Iterator[Event]:
        self._view.settled(state.session)
        yield {"type": kind, "session": session_json(state.session, state.id, self._expires_at, self._names)}

    def _error(self, error: pb.Error) -> Iterator[Event]:
        self._view.refused()
        param = openai_field(error.param) or None
        yield error_event(error.message, error.type, error.code or None, param, error.event_id or None)

    def _transcript_partial(self, partial: pb.TranscriptPartial) -> Iterator[Event]:
        """OpenAI's deltas are appended, so only what will not change is told by them."""
        stable, told = partial.text[: partial.stable_characters], self._heard.get(partial.item_id, "")
        if stable.startswith(told) and len(stable) > len(told):
            while len(self._heard) >= MAX_OPEN_TRANSCRIPTS and partial.item_id not in self._heard:
                del self._heard[next(iter(self._heard))]
            self._heard[partial.item_id] = stable
            yield _transcript_delta(partial.item_id, 0, stable[len(told) :])
        if self._view.wants_ledge:
            yield ledge_events.transcript(partial)

    def _transcript_completed(self, completed: pb.TranscriptCompleted) -> Iterator[Event]:
        told = self._heard.pop(completed.item_id, "")
        if completed.text.startswith(told) and len(completed.text) > len(told):
            yield _transcript_delta(completed.item_id, completed.content_index, completed.text[len(told) :])
        event: Event = {
            "type": f"{TRANSCRIPTION}.completed",
            "item_id": completed.item_id,
            "content_index": completed.content_index,
            "transcript": completed.text,
            "usage": {"type": "duration", "seconds": math.ceil(completed.duration_ms / 100) / 10},
        }
        if completed.language:
            event["languages"] = [{"code": completed.language}]
        yield event

    def _response_created(self, state: pb.ResponseState) -> Iterator[Event]:
        if not state.out_of_band:
            self._view.last_response_id = state.id
        yield {"type": "response.created", "response": self._response(state)}

    def _response_done(self, state: pb.ResponseState) -> Iterator[Event]:
        yield {"type": "response.done", "response": self._response(state)}

    def _output_cleared(self, _: pb.OutputCleared) -> Iterator[Event]:
        yield {"type": "output_audio_buffer.cleared", "response_id": self._view.last_response_id}

    def _response(self, state: pb.ResponseState) -> Event:
        return response_json(state, self._view.told, self._conversation_id)


def _transcript_delta(item_id: str, content_index: int, delta: str) -> Event:
    return {"type": f"{TRANSCRIPTION}.delta", "item_id": item_id, "content_index": content_index, "delta": delta}


def _item(kind: str, added: pb.ItemAdded) -> Event:
    return {"type": kind, "previous_item_id": added.previous_item_id or None, "item": item_json(added.item)}


def _output_item(kind: str, output: pb.OutputItem) -> Event:
    place = {"response_id": output.response_id, "output_index": output.output_index}
    return {"type": kind, **place, "item": item_json(output.item)}


def _place(message: pb.ContentPart | pb.TextDelta | pb.AudioDelta | pb.AudioDone) -> Event:
    return {
        "response_id": message.response_id,
        "item_id": message.item_id,
        "output_index": message.output_index,
        "content_index": message.content_index,
    }


def _arguments(message: pb.ArgumentsDelta | pb.ArgumentsDone) -> Event:
    return {
        "response_id": message.response_id,
        "item_id": message.item_id,
        "output_index": message.output_index,
        "call_id": message.call_id,
    }


def _transcript_failed(failed: pb.TranscriptFailed) -> Event:
    error = failed.error
    told = {"type": error.type, "code": error.code or None, "message": error.message, "param": error.param or None}
    place = {"item_id": failed.item_id, "content_index": failed.content_index}
    return {"type": f"{TRANSCRIPTION}.failed", **place, "error": told}


PLAIN: dict[str, Callable[[Any], Event]] = {
    "speech_started": lambda told: {
        "type": "input_audio_buffer.speech_started",
        "audio_start_ms": told.audio_start_ms,
        "item_id": told.item_id,
    },
    "speech_stopped": lambda told: {
        "type": "input_audio_buffer.speech_stopped",
        "audio_end_ms": told.audio_end_ms,
        "item_id": told.item_id,
    },
    "audio_committed": lambda told: {
        "type": "input_audio_buffer.committed",
        "previous_item_id": told.previous_item_id or None,
        "item_id": told.item_id,
    },
    "audio_cleared": lambda told: {"type": "input_audio_buffer.cleared"},
    "item_added": lambda told: _item("conversation.item.added", told),
    "item_done": lambda told: _item("conversation.item.done", told),
    "item_deleted": lambda told: {"type": "conversation.item.deleted", "item_id": told.item_id},
    "item_retrieved": lambda told: {"type": "conversation.item.retrieved", "item": item_json(told)},
    "item_truncated": lambda told: {
        "type": "conversation.item.truncated",
        "item_id": told.item_id,
        "content_index": told.content_index,
        "audio_end_ms": told.audio_end_ms,
    },
    "transcript_failed": _transcript_failed,
    "output_item_added": lambda told: _output_item("response.output_item.added", told),
    "output_item_done": lambda told: _output_item("response.output_item.done", told),
    "content_part_added": lambda told: {
        "type": "response.content_part.added",
        **_place(told),
        "part": part_json(told.content),
    },
    "content_part_done": lambda told: {
        "type": "response.content_part.done",
        **_place(told),
        "part": part_json(told.content),
    },
    "text_delta": lambda told: {"type": "response.output_text.delta", **_place(told), "delta": told.text},
    "text_done": lambda told: {"type": "response.output_text.done", **_place(told), "text": told.text},
    "transcript_delta": lambda told: {
        "type": "response.output_audio_transcript.delta",
        **_place(told),
        "delta": told.text,
    },
    "transcript_done": lambda told: {
        "type": "response.output_audio_transcript.done",
        **_place(told),
        "transcript": told.text,
    },
    "audio_delta": lambda told: {
        "type": "response.output_audio.delta",
        **_place(told),
        "delta": encoded(told.audio),
    },
    "audio_done": lambda told: {"type": "response.output_audio.done", **_place(told)},
    "arguments_delta": lambda told: {
        "type": "response.function_call_arguments.delta",
        **_arguments(told),
        "delta": told.delta,
    },
    "arguments_done": lambda told: {
        "type": "response.function_call_arguments.done",
        **_arguments(told),
        "name": told.name,
        "arguments": told.arguments_json,
    },
    "idle_timeout": lambda told: {
        "type": "input_audio_buffer.timeout_triggered",
        "audio_start_ms": told.audio_start_ms,
        "audio_end_ms": told.audio_end_ms,
        "item_id": told.item_id,
    },
}
"""Of messages that are one event each, and change nothing that the door remembers."""
