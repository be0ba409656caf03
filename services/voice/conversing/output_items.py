"""The items that a response puts out, and the events that tell of them as they grow."""

import uuid
from collections.abc import Awaitable, Callable

from ledge.voice.v1 import voice_pb2 as pb

from services.voice.answering.pieces import Calls

Tell = Callable[[pb.ConverseResponse], Awaitable[None]]


class OutputItems:
    """A message where there is text, and function calls; belongs to one response."""

    def __init__(self, response: pb.ResponseState, tell: Tell) -> None:
        self._response = response
        self._tell = tell
        self._items: list[pb.Item] = []
        self._message: pb.Item | None = None
        self._text = ""
        self._open_calls: dict[str, pb.Item] = {}
        self.message_index = 0

    @property
    def message_id(self) -> str:
        return self._message.id if self._message is not None else ""

    def item(self, item_id: str) -> pb.Item:
        return next(item for item in self._items if item.id == item_id)

    def all(self) -> list[pb.Item]:
        return self._items

    async def open_message(self) -> None:
        """Where it is not open yet."""
        if self._message is not None:
            return
        item = pb.Item(id=new_id("item"), status=pb.Item.IN_PROGRESS, message=pb.Message(role=pb.Item.ASSISTANT))
        self.message_index = len(self._items)
        self._message = item
        await self._added(item)
        item.message.content.append(self._content(""))
        await self._tell(pb.ConverseResponse(content_part_added=self._part()))

    async def add_text(self, text: str) -> None:
        await self.open_message()
        self._text += text
        if self._message is not None:
            self._message.message.content[0].CopyFrom(self._content(self._text))
        delta = self._delta(text)
        if self._response.speak:
            await self._tell(pb.ConverseResponse(transcript_delta=delta))
        else:
            await self._tell(pb.ConverseResponse(text_delta=delta))

    async def call(self, piece: Calls) -> None:
        """A piece of a function call; the first of its id begins it."""
        item = self._open_calls.get(piece.call_id)
        if item is None:
            call = pb.FunctionCall(call_id=piece.call_id, name=piece.name)
            item = pb.Item(id=new_id("item"), status=pb.Item.IN_PROGRESS, function_call=call)
            self._open_calls[piece.call_id] = item
            await self._added(item)
        if piece.arguments_json:
            item.function_call.arguments_json += piece.arguments_json
            delta = pb.ArgumentsDelta(
                response_id=self._response.id,
                item_id=item.id,
                output_index=self._items.index(item),
                call_id=piece.call_id,
                delta=piece.arguments_json,
            )
            await self._tell(pb.ConverseResponse(arguments_delta=delta))

    async def close_calls(self) -> None:
        """The calls are whole."""
        for item in self._open_calls.values():
            call = item.function_call
            done = pb.ArgumentsDone(
                response_id=self._response.id,
                item_id=item.id,
                output_index=self._items.index(item),
                call_id=call.call_id,
                name=call.name,
                arguments_json=call.arguments_json,
            )
            await self._tell(pb.ConverseResponse(arguments_done=done))
            await self._done(item, pb.Item.COMPLETED)
        self._open_calls.clear()

    async def close(self, complete: bool, *, has_audio: bool) -> None:
        """Tells that nothing more comes."""
        for item in self._open_calls.values():
            await self._done(item, pb.Item.INCOMPLETE)
        self._open_calls.clear()
        message = self._message
        if message is None:
            return
        if has_audio:
            done = pb.AudioDone(
                response_id=self._response.id, item_id=message.id, output_index=self.message_index, content_index=0
            )
            await self._tell(pb.ConverseResponse(audio_done=done))
        whole = self._delta(self._text)
        if self._response.speak:
            await self._tell(pb.ConverseResponse(transcript_done=whole))
        else:
            await self._tell(pb.ConverseResponse(text_done=whole))
        await self._tell(pb.ConverseResponse(content_part_done=self._part()))
        await self._done(message, pb.Item.COMPLETED if complete else pb.Item.INCOMPLETE)

    async def _added(self, item: pb.Item) -> None:
        self._items.append(item)
        output = pb.OutputItem(response_id=self._response.id, output_index=len(self._items) - 1, item=item)
        await self._tell(pb.ConverseResponse(output_item_added=output))
        await self._tell(pb.ConverseResponse(item_added=pb.ItemAdded(item=item)))

    async def _done(self, item: pb.Item, status: "pb.Item.Status") -> None:
        item.status = status
        output = pb.OutputItem(response_id=self._response.id, output_index=self._items.index(item), item=item)
        await self._tell(pb.ConverseResponse(output_item_done=output))
        await self._tell(pb.ConverseResponse(item_done=pb.ItemAdded(item=item)))

    def _content(self, text: str) -> pb.Content:
        return pb.Content(output_audio_transcript=text) if self._response.speak else pb.Content(text=text)

    def _part(self) -> pb.ContentPart:
        return pb.ContentPart(
            response_id=self._response.id,
            item_id=self.message_id,
            output_index=self.message_index,
            content_index=0,
            content=self._content(self._text),
        )

    def _delta(self, text: str) -> pb.TextDelta:
        return pb.TextDelta(
            response_id=self._response.id,
            item_id=self.message_id,
            output_index=self.message_index,
            content_index=0,
            text=text,
        )


def new_id(kind: str) -> str:
    """Not to be guessed, and never the same twice."""
    return f"{kind}_{uuid.uuid4().hex[:24]}"
