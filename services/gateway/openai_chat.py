"""OpenAI's chat completion in and out: the request schema, and the protobuf it means."""

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from ledge.llm.v1 import llm_pb2 as pb
from pydantic import Field, JsonValue, field_validator, model_validator

from services.gateway.body import MAX_UINT32, Body
from services.gateway.openai_sampling import SamplingFields
from services.gateway.rag_question import DocumentFields
from services.kit.errors import InvalidInput

FINISH_REASONS = {pb.STOP: "stop", pb.LENGTH: "length", pb.TOOL_CALLS: "tool_calls"}
_ROLES = {
    "system": pb.Message.SYSTEM,
    "developer": pb.Message.SYSTEM,
    "user": pb.Message.USER,
    "assistant": pb.Message.ASSISTANT,
    "tool": pb.Message.TOOL,
}
LEAST_LOGPROB = -9999.0
"""What OpenAI tells of a token that is as good as impossible; JSON has no infinity."""


class FunctionCall(Body):
    name: str
    arguments: str = ""


class ToolCall(Body):
    id: str
    type: Literal["function"] = "function"
    function: FunctionCall


class ContentPart(Body):
    type: str
    text: str = ""


class ChatMessage(Body):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | Annotated[list[ContentPart], Field(fail_fast=True)] | None = None
    name: str = ""
    tool_calls: list[ToolCall] = Field(default_factory=list, max_length=128, fail_fast=True)
    tool_call_id: str = ""

    def text(self) -> str:
        """The content as one text; parts that are no text are refused, not dropped."""
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        for part in self.content:
            if part.type != "text":
                raise InvalidInput(f"content of type {part.type!r} is not supported: send text")
        return "".join(part.text for part in self.content)

    def to_protobuf(self) -> pb.Message:
        calls = [
            pb.ToolCall(id=call.id, name=call.function.name, arguments_json=call.function.arguments)
            for call in self.tool_calls
        ]
        return pb.Message(
            role=_ROLES[self.role],
            content=self.text(),
            name=self.name,
            tool_calls=calls,
            tool_call_id=self.tool_call_id,
        )


class FunctionDefinition(Body):
    name: str
    description: str = ""
    parameters: dict[str, JsonValue] | None = None


class ToolDefinition(Body):
    type: Literal["function"]
    function: FunctionDefinition


class NamedFunction(Body):
    name: str


class NamedTool(Body):
    type: Literal["function"] = "function"
    function: NamedFunction


class StreamOptions(Body):
    include_usage: bool = False


class ChatCompletionRequest(SamplingFields, DocumentFields):
    """`POST /v1/chat/completions`: OpenAI's fields, vLLM's sampling extras, and Ledge's own for `ledge-rag`."""

    REFUSED: ClassVar[Mapping[str, str]] = {
        "functions": "send tools",
        "function_call": "send tool_choice",
        "audio": "send text",
        "web_search_options": "nothing leaves the site",
    }
    messages: list[ChatMessage] = Field(min_length=1, max_length=512, fail_fast=True)
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    max_completion_tokens: Annotated[int | None, Field(ge=1, le=MAX_UINT32)] = None
    modalities: list[str] = Field(default_factory=list, max_length=8, fail_fast=True)
    logprobs: bool | None = None
    top_logprobs: Annotated[int | None, Field(ge=0, le=20)] = None
    tools: list[ToolDefinition] = Field(default_factory=list, max_length=128, fail_fast=True)
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None

    @field_validator("modalities")
    @classmethod
    def _only_text(cls, modalities: list[str]) -> list[str]:
        if "audio" in modalities:
            raise ValueError("audio is not supported: send text")
        return modalities

    @model_validator(mode="after")
    def _logprobs_are_asked_for(self) -> Self:
        if self.top_logprobs and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs")
        return self

    def to_protobuf(self, model: str) -> pb.ChatRequest:
        """The call that this request means; absent fields stay absent, so that the service's defaults hold."""
        request = pb.ChatRequest(
            model=model,
            messages=[message.to_protobuf() for message in self.messages],
            sampling=self.sampling(
                self.max_completion_tokens or self.max_tokens, (self.top_logprobs or 0) if self.logprobs else None
            ),
            tools=[tool_of(tool.function) for tool in self.tools],
            constraint=self.constraint(),
        )
        if self.tool_choice is not None:
            request.tool_choice.CopyFrom(_tool_choice(self.tool_choice))
        if self.priority is not None:
            request.priority = self.priority
        if self.hybrid is not None:
            request.hybrid.CopyFrom(self.hybrid.to_protobuf())
        return request


def tool_of(function: FunctionDefinition) -> pb.Tool:
    """The function as a tool; without parameters it takes none."""
    schema = "" if function.parameters is None else json.dumps(function.parameters)
    return pb.Tool(name=function.name, description=function.description, parameters_json_schema=schema)


def _tool_choice(choice: str | NamedTool) -> pb.ToolChoice:
    if isinstance(choice, NamedTool):
        return pb.ToolChoice(name=choice.function.name)
    return pb.ToolChoice(mode=choice.upper())


def usage_of(usage: pb.Usage) -> dict[str, Any]:
    """OpenAI's usage object."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_prompt_tokens},
    }


def logprobs_of(entries: Any) -> dict[str, Any] | None:
    """OpenAI's logprobs object; None where none were asked for."""
    if not entries:
        return None
    return {"content": [{**_logprob(entry), "top_logprobs": [_logprob(top) for top in entry.top]} for entry in entries]}


def _logprob(entry: pb.TokenLogprob) -> dict[str, Any]:
    return {
        "token": entry.token,
        "logprob": logprob_of(entry),
        "bytes": list(entry.token_bytes or entry.token.encode()),
    }


def logprob_of(entry: pb.TokenLogprob) -> float:
    """The logarithm as JSON can hold it."""
    # Not a number compares as neither more nor less.
    return entry.logprob if entry.logprob > LEAST_LOGPROB and math.isfinite(entry.logprob) else LEAST_LOGPROB


def message_of(message: pb.Message) -> dict[str, Any]:
    """OpenAI's assistant message."""
    told: dict[str, Any] = {"role": "assistant", "content": message.content or None, "refusal": None}
    if message.tool_calls:
        told["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments_json},
            }
            for call in message.tool_calls
        ]
    else:
        told["content"] = message.content
    return told


def tool_call_delta(delta: pb.ToolCallDelta) -> dict[str, Any]:
    """A piece of a tool call; a piece with an id begins a call."""
    told: dict[str, Any] = {"index": delta.index, "function": {"arguments": delta.arguments_json}}
    if delta.id:
        told |= {"id": delta.id, "type": "function"}
        told["function"]["name"] = delta.name
    return told
