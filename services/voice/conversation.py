"""The items of one conversation, in order; what an answer goes by is what was said and what was heard of answers."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ledge.voice.v1 import voice_pb2 as pb

from services.voice.faults import Fault
from services.voice.speaking.spoken_words import SpokenWords

FIRST = "root"
"""In `previous_item_id`: before all items."""
_ID = re.compile(r"[!-~]{1,64}")
_MARK = re.compile(r"\s*\[\d+\]")


@dataclass(slots=True)
class Kept:
    """An item, with what is needed to cut it to what was heard."""

    item: pb.Item
    spoken: SpokenWords | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A turn of the conversation as text."""

    is_user: bool
    text: str


@dataclass(slots=True)
class Conversation:
    """Belongs to one session. Bounded: the oldest items make room."""

    max_items: int
    max_characters: int
    _kept: dict[str, Kept] = field(default_factory=dict)
    _order: list[str] = field(default_factory=list)

    def add(self, item: pb.Item, after: str | None = None) -> str:
        """Puts an item behind another, or at the end; tells which one it follows ("" for none). Raises Fault."""
        if not _ID.fullmatch(item.id):
            raise Fault("invalid_value", "an item's id has 1 to 64 printable characters", "item.id")
        if item.id in self._kept:
            raise Fault("item_already_exists", "there is an item with this id already", "item.id")
        place = len(self._order)
        if after == FIRST:
            place = 0
        elif after is not None:
            self._must_have(after, "previous_item_id")
            place = self._order.index(after) + 1
        self._order.insert(place, item.id)
        self._kept[item.id] = Kept(item)
        return self._order[place - 1] if place else ""

    def previous(self, item_id: str) -> str:
        """Which item it follows ("" for none)."""
        place = self._order.index(item_id)
        return self._order[place - 1] if place else ""

    @property
    def last(self) -> str:
        return self._order[-1] if self._order else ""

    def crowded_out(self) -> list[str]:
        """Drops the oldest items where there are too many, or too much text; their ids."""
        dropped = []
        characters = sum(_length(kept.item) for kept in self._kept.values())
        while self._order[1:] and (len(self._order) > self.max_items or characters > self.max_characters):
            oldest = self._order.pop(0)
            characters -= _length(self._kept.pop(oldest).item)
            dropped.append(oldest)
        return dropped

    def get(self, item_id: str) -> pb.Item:
        """Raises Fault."""
        return self._must_have(item_id, "item_id").item

    def has(self, item_id: str) -> bool:
        return item_id in self._kept

    def delete(self, item_id: str) -> None:
        """Raises Fault."""
        self._must_have(item_id, "item_id")
        del self._kept[item_id]
        self._order.remove(item_id)

    def keep_spoken(self, item_id: str, spoken: SpokenWords) -> None:
        """Says when the words of an answer are heard."""
        if item_id in self._kept:
            self._kept[item_id].spoken = spoken

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> bool:
        """Cuts an answer to what was heard of it; whether that is less than all. Raises Fault."""
        kept = self._must_have(item_id, "item_id")
        message = kept.item.message
        if kept.spoken is None or not kept.item.HasField("message"):
            raise Fault("invalid_value", "only a spoken answer can be truncated", "item_id")
        if content_index >= max(1, len(message.content)):
            raise Fault("invalid_value", "there is no such content", "content_index")
        if audio_end_ms > kept.spoken.length_ms + SLACK_MS:
            length_ms = kept.spoken.length_ms
            raise Fault("invalid_value", f"the answer has {length_ms} ms of audio, not {audio_end_ms}", "audio_end_ms")
        heard = kept.spoken.until(audio_end_ms)
        del message.content[:]
        message.content.add(output_audio_transcript=heard)
        return len(heard) < len(kept.spoken.text)

    def items(self) -> Iterator[pb.Item]:
        for item_id in self._order:
            yield self._kept[item_id].item

    def _must_have(self, item_id: str, param: str) -> Kept:
        kept = self._kept.get(item_id)
        if kept is None:
            raise Fault("item_not_found", f"there is no item {item_id[:64]!r}", param)
        return kept


SLACK_MS = 250
"""A player's clock and ours may differ by so much."""


def text_of(item: pb.Item) -> str:
    """What is said in an item; empty for calls."""
    if item.WhichOneof("kind") != "message":
        return ""
    parts = (getattr(content, content.WhichOneof("kind") or "text") for content in item.message.content)
    return "\n".join(part for part in parts if part)


def turns_of(items: list[pb.Item]) -> list[Said]:
    """The turns of people and answers, without marks of citations."""
    turns = []
    for item in items:
        role = item.message.role if item.HasField("message") else pb.Item.ROLE_UNSPECIFIED
        text = text_of(item)
        if role == pb.Item.ASSISTANT:
            text = _MARK.sub("", text)
        if text.strip() and role in (pb.Item.USER, pb.Item.ASSISTANT):
            turns.append(Said(role == pb.Item.USER, text))
    return turns


def _length(item: pb.Item) -> int:
    match item.WhichOneof("kind"):
        case "function_call":
            return len(item.function_call.arguments_json)
        case "function_call_output":
            return len(item.function_call_output.output)
        case _:
            return len(text_of(item))
