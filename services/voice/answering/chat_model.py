"""Answers of a chat model: the conversation as it stands, instructions and functions."""

from collections.abc import AsyncGenerator

from ledge.llm.v1 import llm_pb2
from ledge.voice.v1 import voice_pb2 as pb

from services.kit.client import done_without
from services.kit.errors import InvalidInput
from services.voice.answering.pieces import Calls, Done, Piece, Question, Text
from services.voice.conversation import text_of
from services.voice.peers import Peers

ROLES = {
    pb.Item.SYSTEM: llm_pb2.Message.SYSTEM,
    pb.Item.USER: llm_pb2.Message.USER,
    pb.Item.ASSISTANT: llm_pb2.Message.ASSISTANT,
}
CHARACTERS_PER_TOKEN = 3
"""Of most languages it is more."""
HISTORY_SHARE = 0.6
MODES = {
    pb.ToolChoice.MODE_UNSPECIFIED: llm_pb2.ToolChoice.AUTO,
    pb.ToolChoice.NONE: llm_pb2.ToolChoice.NONE,
    pb.ToolChoice.AUTO: llm_pb2.ToolChoice.AUTO,
    pb.ToolChoice.REQUIRED: llm_pb2.ToolChoice.REQUIRED,
}


async def from_chat_model(peers: Peers, question: Question, model: str) -> AsyncGenerator[Piece, None]:
    """The pieces of its answer; `model` empty: the first that is served."""
    request = llm_pb2.ChatStreamRequest(chat=await _chat(peers, question, model))
    usage = llm_pb2.Usage()
    is_cut = False
    without: tuple[str, ...] | None = None
    call_ids: dict[int, str] = {}
    call = peers.llm.ChatStream(request)
    try:
        async for event in call:
            if without is None:
                without = await done_without(call)
            if event.delta:
                yield Text(event.delta)
            for piece in event.tool_calls:
                call_id = call_ids.setdefault(piece.index, piece.id or f"call_{piece.index}")
                yield Calls(call_id, piece.name, piece.arguments_json)
            is_cut = is_cut or event.finish_reason == llm_pb2.LENGTH
            if event.HasField("usage"):
                usage = event.usage
    finally:
        call.cancel()
    yield Done(usage.prompt_tokens, usage.completion_tokens, usage.cached_prompt_tokens, is_cut, without or ())


async def _chat(peers: Peers, question: Question, model: str) -> llm_pb2.ChatRequest:
    settings = question.settings
    messages = await _that_fit(peers, _messages(question.items), model)
    if settings.instructions:
        messages.insert(0, llm_pb2.Message(role=llm_pb2.Message.SYSTEM, content=settings.instructions))
    if not messages:
        raise InvalidInput("there is nothing to answer to")
    choice = settings.tool_choice
    request = llm_pb2.ChatRequest(model=model, messages=messages)
    if settings.tools.tools:
        request.tools.extend(
            llm_pb2.Tool(
                name=tool.name, description=tool.description, parameters_json_schema=tool.parameters_json_schema
            )
            for tool in settings.tools.tools
        )
        request.tool_choice.CopyFrom(llm_pb2.ToolChoice(mode=MODES[choice.mode], name=choice.name))
    if settings.max_output_tokens:
        request.sampling.max_tokens = settings.max_output_tokens
    return request


async def _that_fit(peers: Peers, messages: list[llm_pb2.Message], model: str) -> list[llm_pb2.Message]:
    """The latest of them that the model has room for, beside instructions and an answer; the last one always."""
    served = (await peers.models.get()).models
    tokens = next((it.max_context_tokens for it in served if model in ("", it.id) and it.max_context_tokens), 0)
    if not tokens:
        return messages
    most_characters = tokens * CHARACTERS_PER_TOKEN * HISTORY_SHARE
    kept, characters = 0, 0
    for message in reversed(messages):
        characters += len(message.content) + sum(len(call.arguments_json) for call in message.tool_calls)
        if kept and characters > most_characters:
            break
        kept += 1
    latest = messages[len(messages) - kept :]
    # What a function told is nothing without its call.
    while len(latest) > 1 and latest[0].role == llm_pb2.Message.TOOL:
        latest.pop(0)
    return latest


def _messages(items: tuple[pb.Item, ...]) -> list[llm_pb2.Message]:
    messages: list[llm_pb2.Message] = []
    for item in items:
        match item.WhichOneof("kind"):
            case "message" if text := text_of(item):
                messages.append(llm_pb2.Message(role=ROLES[item.message.role], content=text))
            case "function_call":
                call = item.function_call
                called = llm_pb2.ToolCall(id=call.call_id, name=call.name, arguments_json=call.arguments_json)
                messages.append(llm_pb2.Message(role=llm_pb2.Message.ASSISTANT, tool_calls=[called]))
            case "function_call_output":
                told = item.function_call_output
                messages.append(
                    llm_pb2.Message(role=llm_pb2.Message.TOOL, content=told.output, tool_call_id=told.call_id)
                )
    return messages
