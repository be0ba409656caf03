"""Functions that a model may call, as OpenAI's clients write them and read them."""

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from ledge.voice.v1 import voice_pb2 as pb
from pydantic import Field, field_validator

from services.gateway.body import Body

_MODES = {"none": pb.ToolChoice.NONE, "auto": pb.ToolChoice.AUTO, "required": pb.ToolChoice.REQUIRED}
_MODE_NAMES = {mode: name for name, mode in _MODES.items()}


class Tool(Body):
    type: Literal["function"] = "function"
    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9_-]+$")]
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict)

    @field_validator("type", mode="before")
    @classmethod
    def _no_mcp(cls, value: Any) -> Any:
        if value == "mcp":
            raise ValueError("MCP servers are not called from here: offer their tools as functions")
        return value


class ChosenTool(Body):
    type: Literal["function"] = "function"
    name: Annotated[str, Field(min_length=1, max_length=64)]


ToolChoice = Literal["none", "auto", "required"] | ChosenTool


def tools_of(tools: Iterable[Tool]) -> pb.ToolList:
    """The contract's list."""
    return pb.ToolList(
        tools=[
            pb.Tool(
                name=tool.name,
                description=tool.description,
                parameters_json_schema=json.dumps(tool.parameters, ensure_ascii=False) if tool.parameters else "",
            )
            for tool in tools
        ]
    )


def choice_of(choice: ToolChoice) -> pb.ToolChoice:
    """The contract's choice."""
    return pb.ToolChoice(name=choice.name) if isinstance(choice, ChosenTool) else pb.ToolChoice(mode=_MODES[choice])


def tools_json(tools: pb.ToolList) -> list[dict[str, Any]]:
    """The tools of a session, told back."""
    return [
        {
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": json.loads(tool.parameters_json_schema) if tool.parameters_json_schema else {},
        }
        for tool in tools.tools
    ]


def choice_json(choice: pb.ToolChoice) -> str | dict[str, str]:
    """The choice of a session, told back."""
    if choice.name:
        return {"type": "function", "name": choice.name}
    return _MODE_NAMES.get(choice.mode, "auto")
