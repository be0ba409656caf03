"""Items of a conversation, as OpenAI's clients write them and read them."""

from typing import Annotated, Any, Literal

from ledge.voice.v1 import voice_pb2 as pb
from pydantic import Field, model_validator

from services.gateway.body import Body
from services.gateway.realtime.base64_audio import Audio

MAX_CONTENT_PARTS = 64
_ROLES = {"system": pb.Item.SYSTEM, "user": pb.Item.USER, "assistant": pb.Item.ASSISTANT}
_ROLE_NAMES = {role: name for name, role in _ROLES.items()}
_SAID_BY = {
    "input_text": ("system", "user"),
    "input_audio": ("user",),
    "output_text": ("assistant",),
    "output_audio": ("assistant",),
}
_STATUS_NAMES = {pb.Item.IN_PROGRESS: "in_progress", pb.Item.INCOMPLETE: "incomplete"}


class ContentBody(Body):
    type: Literal["input_text", "input_audio", "output_text", "output_audio"]
    text: str | None = None
    transcript: str | None = None
    audio: Audio | None = None

    @model_validator(mode="after")
    def _there_is_something(self) -> "ContentBody":
        if self.type.endswith("_text") and self.text is None:
            raise ValueError(f"{self.type} has a `text`")
        if self.type == "input_audio" and self.audio is None and self.transcript is None:
            raise ValueError("input_audio has `audio` or a `transcript`")
        if self.type == "output_audio" and self.transcript is None:
            raise ValueError("output_audio has a `transcript`")
        return self

    def content(self) -> pb.Content:
        match self.type:
            case "input_audio":
                return pb.Content(input_audio_transcript=self.transcript or "", audio=self.audio or b"")
            case "output_audio":
                return pb.Content(output_audio_transcript=self.transcript or "")
        return pb.Content(text=self.text or "")


class ItemBody(Body):
    """`status` is let through: what a client writes is whole."""

    type: Literal["message", "function_call", "function_call_output"]
    id: Annotated[str, Field(max_length=256)] = ""
    role: Literal["system", "user", "assistant"] | None = None
    content: Annotated[list[ContentBody], Field(max_length=MAX_CONTENT_PARTS, fail_fast=True)] = Field(
        default_factory=list
    )
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> "ItemBody":
        wanted = {
            "message": ("role",),
            "function_call": ("name", "arguments"),
            "function_call_output": ("call_id", "output"),
        }[self.type]
        for field in wanted:
            if getattr(self, field) is None:
                raise ValueError(f"a {self.type} has a field `{field}`")
        for part in self.content if self.type == "message" else ():
            if self.role not in _SAID_BY[part.type]:
                raise ValueError(f"content of type {part.type} is not of the role {self.role}")
        return self

    def item(self) -> pb.Item:
        made = pb.Item(id=self.id)
        match self.type:
            case "message":
                made.message.role = _ROLES[self.role or "user"]
                made.message.content.extend(part.content() for part in self.content)
            case "function_call":
                made.function_call.call_id = self.call_id or ""
                made.function_call.name = self.name or ""
                made.function_call.arguments_json = self.arguments or ""
            case "function_call_output":
                made.function_call_output.call_id = self.call_id or ""
                made.function_call_output.output = self.output or ""
        return made


class ReferenceBody(Body):
    """An item of the conversation, named where a response is asked for."""

    type: Literal["item_reference"]
    id: Annotated[str, Field(min_length=1, max_length=256)]

    def item(self) -> pb.Item:
        return pb.Item(id=self.id)


def item_json(item: pb.Item) -> dict[str, Any]:
    """An item as OpenAI's clients read it. Audio that was heard is not kept; its transcript is."""
    told: dict[str, Any] = {
        "id": item.id,
        "object": "realtime.item",
        "type": item.WhichOneof("kind") or "message",
        "status": _STATUS_NAMES.get(item.status, "completed"),
    }
    match item.WhichOneof("kind"):
        case "function_call":
            call = item.function_call
            return {**told, "name": call.name, "call_id": call.call_id, "arguments": call.arguments_json}
        case "function_call_output":
            output = item.function_call_output
            return {**told, "call_id": output.call_id, "output": output.output}
    role = _ROLE_NAMES.get(item.message.role, "user")
    return {**told, "role": role, "content": [_content_json(part, role) for part in item.message.content]}


def part_json(content: pb.Content) -> dict[str, Any]:
    """A part of an answer, in the events that tell of parts."""
    if content.WhichOneof("kind") == "output_audio_transcript":
        return {"type": "audio", "transcript": content.output_audio_transcript}
    return {"type": "text", "text": content.text}


def _content_json(content: pb.Content, role: str) -> dict[str, Any]:
    match content.WhichOneof("kind"):
        case "input_audio_transcript":
            return {"type": "input_audio", "transcript": content.input_audio_transcript or None}
        case "output_audio_transcript":
            return {"type": "output_audio", "transcript": content.output_audio_transcript}
    return {"type": "output_text" if role == "assistant" else "input_text", "text": content.text}
