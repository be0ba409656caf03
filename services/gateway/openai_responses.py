"""OpenAI's responses in: the request schema, and the chat it means. Nothing is stored: the input holds all."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from ledge.llm.v1 import llm_pb2 as pb
from pydantic import Field, JsonValue, model_validator

from services.gateway.body import MAX_UINT32, Body
from services.gateway.hybrid_choice import HybridChoice
from services.gateway.openai_chat import FunctionDefinition, tool_of
from services.gateway.openai_sampling import ANY_OBJECT, schema_constraint
from services.gateway.rag_question import DocumentFields, Said
from services.kit.errors import InvalidInput

_ROLES = {
    "system": pb.Message.SYSTEM,
    "developer": pb.Message.SYSTEM,
    "user": pb.Message.USER,
    "assistant": pb.Message.ASSISTANT,
}
_TEXTS = ("input_text", "output_text", "text")
LOGPROBS = "message.output_text.logprobs"
NOTHING_IS_KEPT = "nothing is kept, send all of the input each time"


class ContentPart(Body):
    type: str
    text: str = ""


class InputItem(Body):
    """A message, a call that the model made, or what a called function gave back."""

    type: Literal["message", "function_call", "function_call_output"] = "message"
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: str | Annotated[list[ContentPart], Field(fail_fast=True)] = ""
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    output: str | Annotated[list[ContentPart], Field(fail_fast=True)] = ""

    def to_protobuf(self) -> pb.Message:
        if self.type == "function_call":
            call = pb.ToolCall(id=self.call_id, name=self.name, arguments_json=self.arguments)
            return pb.Message(role=pb.Message.ASSISTANT, tool_calls=[call])
        if self.type == "function_call_output":
            return pb.Message(role=pb.Message.TOOL, tool_call_id=self.call_id, content=_text(self.output))
        if self.role is None:
            raise InvalidInput("a message of the input has no role")
        return pb.Message(role=_ROLES[self.role], content=_text(self.content))


class FunctionTool(FunctionDefinition):
    type: Literal["function"] = "function"

    @model_validator(mode="before")
    @classmethod
    def _only_functions(cls, body: Any) -> Any:
        # Told before what else such a tool lacks of a function.
        if isinstance(body, dict) and body.get("type") != "function":
            raise ValueError("only tools of type 'function' are supported")
        return body


class FunctionChoice(Body):
    type: Literal["function"]
    name: str


class TextFormat(Body):
    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: dict[str, JsonValue] = Field({}, alias="schema")


class TextConfig(Body):
    format: TextFormat = TextFormat()


class ResponsesRequest(DocumentFields):
    """OpenAI's fields, and Ledge's own for `ledge-rag`."""

    REFUSED: ClassVar[Mapping[str, str]] = {
        "store": "responses are not kept, send store=false",
        "previous_response_id": NOTHING_IS_KEPT,
        "conversation": NOTHING_IS_KEPT,
        "prompt": NOTHING_IS_KEPT,
        "background": "wait for the response, or stream it",
    }
    model: str = ""
    input: str | Annotated[list[InputItem], Field(min_length=1, max_length=512, fail_fast=True)]
    instructions: str = ""
    stream: bool = False
    max_output_tokens: Annotated[int | None, Field(ge=1, le=MAX_UINT32)] = None
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    top_p: Annotated[float | None, Field(gt=0, le=1)] = None
    tools: list[FunctionTool] = Field(default_factory=list, max_length=128, fail_fast=True)
    tool_choice: Literal["none", "auto", "required"] | FunctionChoice = "auto"
    parallel_tool_calls: bool = True
    text: TextConfig = TextConfig()
    top_logprobs: Annotated[int | None, Field(ge=0, le=20)] = None
    include: list[str] = Field(default_factory=list, max_length=32, fail_fast=True)
    metadata: dict[str, str] = Field({}, max_length=16)
    hybrid: HybridChoice | None = None

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_ignored_that_changes_the_answer(cls, body: Any) -> Any:
        if isinstance(body, dict) and body.get("truncation") not in (None, "disabled"):
            raise ValueError("truncation is not supported: what does not fit the context is refused")
        return body

    def to_protobuf(self, model: str) -> pb.ChatRequest:
        """The call that this request means; absent fields stay absent, so that the service's defaults hold."""
        sampling = pb.Sampling()
        for name, value in (
            ("temperature", self.temperature),
            ("top_p", self.top_p),
            ("max_tokens", self.max_output_tokens),
            ("top_logprobs", self._top_logprobs()),
        ):
            if value is not None:
                setattr(sampling, name, value)
        request = pb.ChatRequest(
            model=model,
            messages=self._messages(),
            sampling=sampling,
            tools=[tool_of(tool) for tool in self.tools],
            constraint=self._constraint(),
        )
        if isinstance(self.tool_choice, FunctionChoice):
            request.tool_choice.name = self.tool_choice.name
        elif self.tools:
            request.tool_choice.CopyFrom(pb.ToolChoice(mode=self.tool_choice.upper()))
        if self.hybrid is not None:
            request.hybrid.CopyFrom(self.hybrid.to_protobuf())
        return request

    def said(self) -> Sequence[Said]:
        """The conversation, for an answer from the documents."""
        if isinstance(self.input, str):
            return [Said("user", self.input)]
        return [Said(item.role or "", _text(item.content)) for item in self.input if item.type == "message"]

    def formatted(self) -> bool:
        """Whether the answer must be more than text."""
        return self.text.format.type != "text"

    def settings(self) -> dict[str, Any]:
        """The part of the request that its response repeats."""
        choice = self.tool_choice if isinstance(self.tool_choice, str) else self.tool_choice.model_dump()
        text_format: dict[str, Any] = {"type": self.text.format.type}
        if self.text.format.type == "json_schema":
            text_format |= {"name": "schema", "schema": self.text.format.json_schema, "strict": True}
        return {
            "instructions": self.instructions or None,
            "max_output_tokens": self.max_output_tokens,
            "metadata": self.metadata,
            "parallel_tool_calls": self.parallel_tool_calls,
            "temperature": self.temperature,
            "text": {"format": text_format},
            "tool_choice": choice,
            "tools": [{**tool.model_dump(), "strict": False} for tool in self.tools],
            "top_p": self.top_p,
            "background": False,
            "previous_response_id": None,
            "reasoning": {"effort": None, "summary": None},
            "store": False,
            "truncation": "disabled",
        }

    def _top_logprobs(self) -> int | None:
        return self.top_logprobs or 0 if self.top_logprobs is not None or LOGPROBS in self.include else None

    def _messages(self) -> list[pb.Message]:
        messages = [pb.Message(role=pb.Message.SYSTEM, content=self.instructions)] if self.instructions else []
        if isinstance(self.input, str):
            return [*messages, pb.Message(role=pb.Message.USER, content=self.input)]
        for item in self.input:
            message = item.to_protobuf()
            # Calls made side by side are items of their own here, and one message there.
            if messages and item.type == "function_call" and messages[-1].role == pb.Message.ASSISTANT:
                messages[-1].tool_calls.extend(message.tool_calls)
            else:
                messages.append(message)
        return messages

    def _constraint(self) -> pb.Constraint | None:
        match self.text.format.type:
            case "json_object":
                return ANY_OBJECT
            case "json_schema":
                return schema_constraint(json.dumps(self.text.format.json_schema))
            case _:
                return None


def _text(content: str | list[ContentPart]) -> str:
    if isinstance(content, str):
        return content
    for part in content:
        if part.type not in _TEXTS:
            raise InvalidInput(f"content of type {part.type!r} is not supported: send text")
    return "".join(part.text for part in content)
