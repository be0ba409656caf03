"""Tools for models whose chat template knows none: told in the system message, called in JSON under a grammar."""

import json
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Any

from services.llm.engine import ChatPrompt, Finish, Message, Piece, Role, Tool, ToolCallPiece
from services.llm.engines.constraint import HEAD, checked, json_rule


def told_in_words(prompt: ChatPrompt) -> Sequence[Message]:
    """The messages for a template without tools: their list joins the system message, calls and results become text."""
    messages = [_plain(message) for message in prompt.messages]
    if not prompt.tools:
        return messages
    told = _instruction(prompt.tools, must_call=prompt.must_call)
    if messages[0].role is Role.SYSTEM:
        return [replace(messages[0], content=f"{messages[0].content}\n\n{told}"), *messages[1:]]
    return [Message(Role.SYSTEM, told), *messages]


def call_grammar(tools: Sequence[Tool], *, must_call: bool) -> str:
    """An answer that begins with a brace is a call of one of the tools, with arguments by its schema."""
    call = {"anyOf": [_call_schema(tool) for tool in tools]} if len(tools) > 1 else _call_schema(tools[0])
    start = "call" if must_call else "call | text"
    return checked("tools", f"{HEAD}start: {start}\ncall: {json_rule(call)}\ntext: /[^{{](.|\\n)*/\n")


async def with_calls(answer: AsyncGenerator[Piece, None]) -> AsyncGenerator[Piece, None]:
    """The same answer, its text replaced by a tool call where it is one."""
    held = ""
    is_call: bool | None = None
    async with aclosing(answer) as pieces:
        async for piece in pieces:
            if is_call is None and piece.text:
                is_call = piece.text.startswith("{")
            if not is_call:
                yield piece
                continue
            held += piece.text
            if piece.finish is Finish.STOP and (call := _read_call(held)) is not None:
                yield replace(piece, text="", tool_calls=(call,), finish=Finish.TOOL_CALLS)
            elif piece.finish is not None:
                # Cut off in the middle: no call was made, and what the model wrote is not hidden.
                yield replace(piece, text=held)
            elif piece.logprobs:
                yield replace(piece, text="")


def _read_call(text: str) -> ToolCallPiece | None:
    with suppress(ValueError, KeyError, TypeError):
        call = json.loads(text)
        return ToolCallPiece(0, f"call_{uuid.uuid4().hex}", call["name"], json.dumps(call["arguments"]))
    return None


def _call_schema(tool: Tool) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"name": {"const": tool.name}, "arguments": dict(tool.parameters)},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _instruction(tools: Sequence[Tool], *, must_call: bool) -> str:
    listed = "\n".join(
        json.dumps({"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)})
        for tool in tools
    )
    form = 'To call a function, answer with nothing but {"name": <its name>, "arguments": <an object>}.'
    end = "Call one now." if must_call else "Where none helps, answer in words."
    return f"You can call these functions:\n{listed}\n{form} {end}"


def _plain(message: Message) -> Message:
    if message.role is Role.TOOL:
        return Message(Role.USER, f"The function answered: {message.content}")
    if not message.tool_calls:
        return message
    calls = "\n".join(
        f'{{"name": {json.dumps(call.name)}, "arguments": {call.arguments_json or "{}"}}}'
        for call in message.tool_calls
    )
    return Message(Role.ASSISTANT, f"{message.content}\n{calls}".strip())
