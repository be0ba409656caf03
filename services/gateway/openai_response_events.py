"""OpenAI's responses out: the typed events of a response while it is made, and the response itself.

created ──► in_progress ──► (item added ──► deltas ──► item done)* ──► completed | incomplete | failed
"""

import time
import uuid
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from ledge.llm.v1 import llm_pb2 as pb

from services.gateway import error_shapes
from services.gateway.errors import told
from services.gateway.openai_chat import logprobs_of
from services.gateway.streaming import event
from services.kit.errors import LedgeError

Event = dict[str, Any]


class ResponseInTheMaking:
    """One response, whose pieces are handed in as they come; each gives the events that tell of it."""

    def __init__(self, model: str, settings: dict[str, Any]) -> None:
        self._response: dict[str, Any] = {
            "id": f"resp_{uuid.uuid4().hex}",
            "object": "response",
            "created_at": int(time.time()),
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "model": model,
            "output": [],
            "usage": None,
            **settings,
        }
        self._sequence = 0
        self._open: dict[str, Any] | None = None

    @property
    def response(self) -> dict[str, Any]:
        """The response as it is now."""
        return self._response

    def begin(self) -> Iterator[Event]:
        yield self._event("response.created", response=dict(self._response))
        yield self._event("response.in_progress", response=dict(self._response))

    def text(self, delta: str, logprobs: Sequence[pb.TokenLogprob] = ()) -> Iterator[Event]:
        """Text to append."""
        item = self._open
        if item is None or item["type"] != "message":
            yield from self._close()
            item = yield from self._begin_message()
        part = item["content"][0]
        entries = _logprobs(logprobs)
        part["text"] += delta
        part["logprobs"] += entries
        yield self._event(
            "response.output_text.delta", **self._place(item), content_index=0, delta=delta, logprobs=entries
        )

    def annotation(self, annotation: dict[str, Any]) -> Iterator[Event]:
        """A mark in the text said last."""
        item = self._open
        if item is not None and item["type"] == "message":
            known = item["content"][0]["annotations"]
            known.append(annotation)
            place = {**self._place(item), "content_index": 0, "annotation_index": len(known) - 1}
            yield self._event("response.output_text.annotation.added", **place, annotation=annotation)

    def tool_call(self, delta: pb.ToolCallDelta) -> Iterator[Event]:
        """A piece of a function's call; a piece with an id begins one."""
        if delta.id:
            yield from self._close()
            self._open = {
                "id": f"fc_{uuid.uuid4().hex}",
                "type": "function_call",
                "status": "in_progress",
                "call_id": delta.id,
                "name": delta.name,
                "arguments": "",
            }
            self._response["output"].append(self._open)
            yield self._event("response.output_item.added", output_index=self._index(), item=dict(self._open))
        item = self._open
        if delta.arguments_json and item is not None:
            item["arguments"] += delta.arguments_json
            kind = "response.function_call_arguments.delta"
            yield self._event(kind, **self._place(item), delta=delta.arguments_json)

    def end(self, *, cut_off: bool, usage: dict[str, Any], extras: dict[str, Any] | None = None) -> Iterator[Event]:
        """All is said; `cut_off`: because no more tokens were allowed."""
        if not self._response["output"]:
            yield from self._begin_message()
        yield from self._close("incomplete" if cut_off else "completed")
        self._response |= {"status": "incomplete" if cut_off else "completed", "usage": usage, **(extras or {})}
        if cut_off:
            self._response["incomplete_details"] = {"reason": "max_output_tokens"}
        yield self._event(f"response.{self._response['status']}", response=self._response)

    def failed(self, error: LedgeError) -> str:
        """The last events of a response that fails: its state, and an error that no client overlooks."""
        code = "rate_limit_exceeded" if error.http == 429 else "server_error"
        self._response |= {"status": "failed", "error": {"code": code, "message": error.message}}
        failed = self._event("response.failed", response=self._response)
        heard = error_shapes.openai(told(error))
        return framed(failed) + framed(self._event("error", **heard, **heard["error"] | {"type": "error"}))

    def _begin_message(self) -> Generator[Event, None, dict[str, Any]]:
        part: dict[str, Any] = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        message = {"id": f"msg_{uuid.uuid4().hex}", "type": "message", "status": "in_progress", "role": "assistant"}
        item = {**message, "content": [part]}
        self._open = item
        self._response["output"].append(item)
        yield self._event("response.output_item.added", output_index=self._index(), item={**message, "content": []})
        empty = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        yield self._event("response.content_part.added", **self._place(item), content_index=0, part=empty)
        return item

    def _close(self, status: str = "completed") -> Iterator[Event]:
        """Ends the item that is open, where one is."""
        item = self._open
        if item is None:
            return
        item["status"] = status
        if item["type"] == "message":
            part = item["content"][0]
            place = {**self._place(item), "content_index": 0}
            yield self._event("response.output_text.done", **place, text=part["text"], logprobs=part["logprobs"])
            yield self._event("response.content_part.done", **place, part=part)
        else:
            yield self._event(
                "response.function_call_arguments.done",
                **self._place(item),
                name=item["name"],
                arguments=item["arguments"],
            )
        yield self._event("response.output_item.done", output_index=self._index(), item=item)
        self._open = None

    def _index(self) -> int:
        return len(self._response["output"]) - 1

    def _place(self, item: dict[str, Any]) -> dict[str, Any]:
        return {"item_id": item["id"], "output_index": self._index()}

    def _event(self, kind: str, **fields: Any) -> Event:
        self._sequence += 1
        return {"type": kind, "sequence_number": self._sequence - 1, **fields}


def framed(fields: Event) -> str:
    """One server-sent event that carries its type twice, as OpenAI's do."""
    return f"event: {fields['type']}\n{event(fields)}"


def usage_of(prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> dict[str, Any]:
    """OpenAI's usage object, in the words of responses."""
    return {
        "input_tokens": prompt_tokens,
        "input_tokens_details": {"cached_tokens": cached_tokens, "cache_write_tokens": 0},
        "output_tokens": completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": prompt_tokens + completion_tokens,
    }


def _logprobs(entries: Sequence[pb.TokenLogprob]) -> list[dict[str, Any]]:
    told = logprobs_of(entries)
    return [] if told is None else list(told["content"])
