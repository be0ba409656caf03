"""What a client sends: each event read, and told to the service as its contract has it."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

from ledge.voice.v1 import voice_pb2 as pb
from pydantic import Field, ValidationError
from pydantic_core import from_json

from services.gateway.body import MAX_UINT32, Body
from services.gateway.realtime.base64_audio import decoded
from services.gateway.realtime.faults import EventRefused, refused
from services.gateway.realtime.items import ItemBody
from services.gateway.realtime.names import Names
from services.gateway.realtime.response_body import ResponseBody
from services.gateway.realtime.session_body import SessionBody
from services.gateway.realtime.view import SessionView

MAX_EVENT_ID_CHARACTERS = 512
PIECE_BYTES = 256 * 1024
"""In which audio is passed on; the contract takes up to 1 MiB."""
Id = Annotated[str, Field(min_length=1, max_length=256)]


class SessionUpdate(Body):
    session: SessionBody


class ItemCreate(Body):
    item: ItemBody
    previous_item_id: Id | None = None


class ItemNamed(Body):
    item_id: Id


class ItemTruncate(Body):
    item_id: Id
    content_index: Annotated[int, Field(ge=0, le=MAX_UINT32)]
    audio_end_ms: Annotated[int, Field(ge=0, le=MAX_UINT32)]


class ResponseCreate(Body):
    response: ResponseBody = Field(default_factory=ResponseBody)


class ResponseCancel(Body):
    response_id: str = ""


class Played(Body):
    item_id: Id
    played_ms: Annotated[int, Field(ge=0, le=MAX_UINT32)]
    ended: bool = False


class ClientEvents:
    """Reads the events of one session, in their order."""

    def __init__(self, view: SessionView, names: Names) -> None:
        self._view = view
        self._names = names
        self._readers: dict[str, Callable[[dict[str, Any]], Iterator[pb.ConverseRequest]]] = {
            "session.update": self._session_update,
            "input_audio_buffer.append": self._audio,
            "input_audio_buffer.commit": lambda _: iter([pb.ConverseRequest(commit_audio=pb.CommitAudio())]),
            "input_audio_buffer.clear": lambda _: iter([pb.ConverseRequest(clear_audio=pb.ClearAudio())]),
            "output_audio_buffer.clear": lambda _: iter([pb.ConverseRequest(clear_output=pb.ClearOutput())]),
            "conversation.item.create": self._item_create,
            "conversation.item.delete": self._item_delete,
            "conversation.item.retrieve": self._item_retrieve,
            "conversation.item.truncate": self._item_truncate,
            "response.create": self._response_create,
            "response.cancel": self._response_cancel,
            "ledge.playback": self._playback,
        }

    def read(self, text: str) -> Iterator[pb.ConverseRequest]:
        """What an event asks for; mostly one message.

        Raises:
            EventRefused: it is none, or is wrong. `event_id_of` tells its id.
        """
        event = _parsed(text)
        kind, event_id = event["type"], event.get("event_id") or ""
        if not isinstance(event_id, str) or len(event_id) > MAX_EVENT_ID_CHARACTERS:
            raise EventRefused(f"event_id is a string of at most {MAX_EVENT_ID_CHARACTERS}", param="event_id")
        reader = self._readers.get(kind)
        if reader is None:
            raise EventRefused(f"there is no client event {kind[:80]!r}", code="unknown_event", param="type")
        try:
            for told in reader(event):
                told.event_id = event_id
                yield told
        except ValidationError as error:
            raise refused(error) from None

    def _session_update(self, event: dict[str, Any]) -> Iterator[pb.ConverseRequest]:
        body = SessionUpdate.model_validate(event).session
        change = body.change(self._view, self._names)
        # Clients send these with each update, though they cannot change.
        if change.HasField("model") and (change.model or self._view.told.model) == self._view.told.model:
            change.ClearField("model")
        if change.kind == (self._view.told.kind or pb.Session.CONVERSATION):
            change.ClearField("kind")
        if body.ledge is not None:
            self._view.wants_ledge = True
        self._view.asked(change)
        yield pb.ConverseRequest(session=change)

    def _audio(self, event: dict[str, Any]) -> Iterator[pb.ConverseRequest]:
        try:
            audio = decoded(event.get("audio"))
        except ValueError as error:
            raise EventRefused(f"audio: {error}", param="audio") from None
        for start in range(0, len(audio), PIECE_BYTES):
            yield pb.ConverseRequest(audio=audio[start : start + PIECE_BYTES])

    def _item_create(self, event: dict[str, Any]) -> Iterator[pb.ConverseRequest]:
        body = ItemCreate.model_validate(event)
        created = pb.CreateItem(item=body.item.item(), previous_item_id=body.previous_item_id)
        yield pb.ConverseRequest(create_item=created)

    def _item_delete(self, event: dict[str, Any]) -> Iterator[pb.ConverseRequest]:
        yield pb.ConverseRequest(delete_item=pb.DeleteItem(item_id=ItemNamed.model_validate(event).item_id))

    def _item_retrieve(self, event: dict[str, Any]) -> Iterator[pb.ConverseRequest]:
        yield pb.ConverseRequest(retrieve_item=pb.RetrieveItem(item_id=ItemNamed.model_validate(event).item_id))

    def _item_truncate(self, event: dict[str, Any]) -> Iterator[pb.ConverseRequest]:
        body = ItemTruncate.model_validate(event)
        truncated = pb.TruncateItem(
            item_id=body.item_id, content_index=body.content_index, audio_end_ms=body.audio_end_ms
        )
        yield pb.ConverseRequest(truncate_item=truncated)

    def _response_create(self, event: dict[str, Any]) -> Iterator[pb.ConverseRequest]:
        body = ResponseCreate.model_validate(event).response
        try:
            created = body.asked(self._view, self._names)
        except ValueError as error:
            raise EventRefused(str(error), param="response.audio.output.format") from None
        yield pb.ConverseRequest(create_response=created)

    def _response_cancel(self, event: dict[str, Any]) -> Iterator[pb.ConverseRequest]:
        cancelled = pb.CancelResponse(response_id=ResponseCancel.model_validate(event).response_id)
        yield pb.ConverseRequest(cancel_response=cancelled)

    def _playback(self, event: dict[str, Any]) -> Iterator[pb.ConverseRequest]:
        body = Played.model_validate(event)
        played = pb.Playback(item_id=body.item_id, played_ms=body.played_ms, ended=body.ended)
        yield pb.ConverseRequest(playback=played)


def event_id_of(text: str) -> str | None:
    """The id of an event that was refused, where it has one that can be told back."""
    try:
        event_id = _parsed(text).get("event_id")
    except EventRefused:
        return None
    return event_id if isinstance(event_id, str) and len(event_id) <= MAX_EVENT_ID_CHARACTERS else None


def _parsed(text: str) -> dict[str, Any]:
    try:
        event = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise EventRefused(f"the message is no JSON: {error}", code="invalid_json") from None
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise EventRefused("an event is a JSON object with a `type`", code="invalid_event", param="type")
    return event
