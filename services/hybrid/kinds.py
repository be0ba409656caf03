"""The two kinds of generation, chat and completion, told apart in one place."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ledge.llm.v1 import llm_pb2 as pb


@dataclass(frozen=True)
class Kind:
    """One unary method with its streamed twin."""

    unary: str
    stream: str
    request: Any
    """The unary method's request class."""
    response: Any
    stream_request: Any
    inner: str
    """Where the streamed request holds the unary one."""
    id_prefix: str
    collect: Callable[[list[Any]], Any]
    """The unary answer out of the stream's events."""

    def asked(self, raw: bytes) -> Any:
        """The request that the bytes of a streamed one hold. Raises DecodeError."""
        return getattr(self.stream_request.FromString(raw), self.inner)

    def streamed(self, request: Any) -> Any:
        return self.stream_request(**{self.inner: request})


def _chat(events: list[Any]) -> pb.ChatResponse:
    choices: dict[int, pb.ChatChoice] = {}
    answer = pb.ChatResponse(id=events[0].id, model=events[0].model)
    for event in events:
        choice = choices.setdefault(
            event.index, pb.ChatChoice(index=event.index, message=pb.Message(role=pb.Message.ASSISTANT))
        )
        choice.message.content += event.delta
        for piece in event.tool_calls:
            while len(choice.message.tool_calls) <= piece.index:
                choice.message.tool_calls.add()
            call = choice.message.tool_calls[piece.index]
            call.id += piece.id
            call.name += piece.name
            call.arguments_json += piece.arguments_json
        _end(answer, choice, event)
    answer.choices.extend(choices[index] for index in sorted(choices))
    return answer


def _completion(events: list[Any]) -> pb.CompleteResponse:
    choices: dict[int, pb.CompleteChoice] = {}
    answer = pb.CompleteResponse(id=events[0].id, model=events[0].model)
    for event in events:
        choice = choices.setdefault(event.index, pb.CompleteChoice(index=event.index))
        choice.text += event.delta
        _end(answer, choice, event)
    answer.choices.extend(choices[index] for index in sorted(choices))
    return answer


def _end(answer: Any, choice: Any, event: Any) -> None:
    choice.logprobs.extend(event.logprobs)
    if event.finish_reason:
        choice.finish_reason = event.finish_reason
    if event.HasField("usage"):
        answer.usage.CopyFrom(event.usage)


CHAT = Kind("Chat", "ChatStream", pb.ChatRequest, pb.ChatResponse, pb.ChatStreamRequest, "chat", "chatcmpl", _chat)
COMPLETION = Kind(
    "Complete", "CompleteStream", pb.CompleteRequest, pb.CompleteResponse, pb.CompleteStreamRequest, "complete", "cmpl",
    _completion,
)  # fmt: skip
