"""Reads a request into jobs for the engine, or says what is wrong with it; every limit of the contract is held here."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from google.protobuf.json_format import MessageToDict
from ledge.llm.v1 import llm_pb2 as pb

from services.kit.errors import InvalidInput, NotFound
from services.llm.engine import (
    ChatPrompt,
    Constraint,
    Job,
    Message,
    Model,
    Role,
    Sampling,
    TextPrompt,
    Tool,
    ToolCall,
)

MAX_MESSAGES = 2048
MAX_TOOLS = 128
MAX_CHOICES = 8
MAX_STOPS = 16
MAX_STOP_CHARACTERS = 256
MAX_TOP_LOGPROBS = 20
MAX_LOGIT_BIASES = 300
MAX_PRIORITY = 100
MAX_JSON_BYTES = 256 * 1024
MAX_GRAMMAR_BYTES = 32 * 1024
MAX_REGEX_BYTES = 4 * 1024
MAX_TOKENIZED_BYTES = 1024 * 1024
MAX_DEPTH = 64
"""Nesting of a schema, a grammar or template arguments: parsers on the way to the engine recurse."""

ROLES = {
    pb.Message.SYSTEM: Role.SYSTEM,
    pb.Message.USER: Role.USER,
    pb.Message.ASSISTANT: Role.ASSISTANT,
    pb.Message.TOOL: Role.TOOL,
}
_TOOL_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def check_model(name: str, model: Model) -> None:
    """Raises NotFound unless the request means this model or one of its adapters."""
    if name not in ("", model.id, *model.aliases, *model.adapters):
        raise NotFound(f"no model {name!r} here; this service has {', '.join(map(repr, (model.id, *model.adapters)))}")


def named(name: str, model: Model) -> str:
    """What an answer says it came from."""
    return name if name in model.adapters else model.id


def priority_of(request: pb.ChatRequest | pb.CompleteRequest) -> int:
    if not -MAX_PRIORITY <= request.priority <= MAX_PRIORITY:
        raise InvalidInput(f"priority is {request.priority}; its range is -{MAX_PRIORITY} to {MAX_PRIORITY}")
    return request.priority


def chat_jobs(request: pb.ChatRequest, model: Model) -> list[Job]:
    """One job a choice."""
    check_model(request.model, model)
    constraint = read_constraint(request.constraint)
    tools, must_call = _tools(request)
    if tools and constraint is not None:
        raise InvalidInput("a constraint and tools exclude each other: set tool_choice to NONE, or leave one away")
    prompt = ChatPrompt(read_messages(request.messages), tools, must_call, _template_arguments(request))
    sampling = read_sampling(request.sampling, model)
    return _choices(Job(prompt, sampling, constraint, **_treatment(request, model)), request.sampling)


def complete_jobs(request: pb.CompleteRequest, model: Model) -> list[Job]:
    """One job a choice."""
    check_model(request.model, model)
    content: str | Sequence[int] = request.prompt
    if request.WhichOneof("input") == "token_ids":
        content = read_token_ids(request.token_ids.ids, model)
    if not content:
        raise InvalidInput("the prompt is empty")
    sampling, constraint = read_sampling(request.sampling, model), read_constraint(request.constraint)
    job = Job(TextPrompt(content), sampling, constraint, **_treatment(request, model))
    return _choices(job, request.sampling)


def read_messages(messages: Sequence[pb.Message]) -> list[Message]:
    if not 1 <= len(messages) <= MAX_MESSAGES:
        raise InvalidInput(f"{len(messages)} messages; a request takes 1 to {MAX_MESSAGES}")
    return [_message(index, message) for index, message in enumerate(messages)]


def check_tokenized(*texts: str) -> None:
    """Tokenising cannot be stopped, so what is tokenised is bounded."""
    if sum(len(text.encode()) for text in texts) > MAX_TOKENIZED_BYTES:
        raise InvalidInput(f"the text is longer than {MAX_TOKENIZED_BYTES} bytes; tokenize it in parts")


def read_token_ids(token_ids: Sequence[int], model: Model) -> Sequence[int]:
    if token_ids and max(token_ids) >= model.vocabulary_size:
        raise InvalidInput(f"no token has the id {max(token_ids)}; {model.id} has ids below {model.vocabulary_size}")
    return list(token_ids)


def read_sampling(sampling: pb.Sampling, model: Model) -> Sampling:
    """The fields that are set, within the contract's ranges; the rest are defaults."""
    values: dict[str, Any] = {}
    for field, low, high in (
        ("temperature", 0, 2),
        ("top_p", math.ulp(0), 1),
        ("min_p", 0, 1),
        ("presence_penalty", -2, 2),
        ("frequency_penalty", -2, 2),
        ("repetition_penalty", math.ulp(0), 2),
        ("top_logprobs", 0, MAX_TOP_LOGPROBS),
        ("max_tokens", 1, 2**32),
        ("top_k", 0, 2**32),
        ("seed", -(2**63), 2**63),
    ):
        if sampling.HasField(field):
            value = getattr(sampling, field)
            if not low <= value <= high:
                low_bound = "(0" if low == math.ulp(0) else f"[{low}"
                raise InvalidInput(f"{field} is {value:g}; its range is {low_bound}, {high}]")
            values[field] = value
    # No context is longer, and no vocabulary larger.
    for field in ("max_tokens", "top_k"):
        if field in values:
            values[field] = min(values[field], 2**31 - 1)
    return Sampling(**values, stop=_stops(sampling), logit_bias=_logit_bias(sampling, model))


def read_constraint(constraint: pb.Constraint) -> Constraint | None:
    match constraint.WhichOneof("kind"):
        case "json":
            return Constraint("json") if constraint.json else None
        case "json_schema":
            schema = _json("constraint.json_schema", constraint.json_schema)
            if not isinstance(schema, dict | bool):
                raise InvalidInput("constraint.json_schema is no schema: it must be an object, true or false")
            return Constraint("json_schema", constraint.json_schema)
        case "grammar":
            _check_size("constraint.grammar", constraint.grammar, MAX_GRAMMAR_BYTES)
            _check_depth("constraint.grammar", constraint.grammar, "([{", ")]}")
            return Constraint("grammar", constraint.grammar)
        case "regex":
            _check_size("constraint.regex", constraint.regex, MAX_REGEX_BYTES)
            _check_depth("constraint.regex", constraint.regex, "(", ")")
            return Constraint("regex", constraint.regex)
        case _:
            return None


def _treatment(request: pb.ChatRequest | pb.CompleteRequest, model: Model) -> dict[str, Any]:
    return {
        "adapter": request.model if request.model in model.adapters else "",
        "priority": priority_of(request),
    }


def _choices(job: Job, sampling: pb.Sampling) -> list[Job]:
    count = sampling.n if sampling.HasField("n") else 1
    if not 1 <= count <= MAX_CHOICES:
        raise InvalidInput(f"n is {count}; its range is 1 to {MAX_CHOICES}")
    if count == 1 or job.sampling.seed is None:
        return [job] * count
    seed = job.sampling.seed
    return [replace(job, sampling=replace(job.sampling, seed=seed + index)) for index in range(count)]


def _message(index: int, message: pb.Message) -> Message:
    role = ROLES.get(message.role)
    if role is None:
        raise InvalidInput(f"message {index} has no role that is known")
    if message.tool_calls and role is not Role.ASSISTANT:
        raise InvalidInput(f"message {index} has tool calls; only the assistant makes them")
    if message.tool_call_id and role is not Role.TOOL:
        raise InvalidInput(f"message {index} has a tool_call_id; only a tool's message has one")
    calls = tuple(ToolCall(call.id, call.name, call.arguments_json) for call in message.tool_calls)
    return Message(role, message.content, calls, message.tool_call_id, message.name)


def _tools(request: pb.ChatRequest) -> tuple[Sequence[Tool], bool]:
    """The tools that the model may call, and whether it must call one."""
    choice = request.tool_choice
    if len(request.tools) > MAX_TOOLS:
        raise InvalidInput(f"{len(request.tools)} tools; a request takes up to {MAX_TOOLS}")
    if sum(len(tool.parameters_json_schema) for tool in request.tools) > MAX_JSON_BYTES:
        raise InvalidInput(f"the schemas of the tools are longer than {MAX_JSON_BYTES} bytes together")
    tools = [_tool(tool) for tool in request.tools]
    if len({tool.name for tool in tools}) < len(tools):
        raise InvalidInput("two tools have the same name")
    if choice.name:
        chosen = [tool for tool in tools if tool.name == choice.name]
        if not chosen:
            raise InvalidInput(f"tool_choice names {choice.name!r}, which is not among the tools")
        return chosen, True
    if choice.mode not in pb.ToolChoice.Mode.values():
        raise InvalidInput(f"no tool choice has the number {choice.mode}")
    if choice.mode == pb.ToolChoice.REQUIRED and not tools:
        raise InvalidInput("tool_choice is REQUIRED, and there are no tools")
    if choice.mode == pb.ToolChoice.NONE:
        return (), False
    return tools, choice.mode == pb.ToolChoice.REQUIRED


def _tool(tool: pb.Tool) -> Tool:
    if not _TOOL_NAME.fullmatch(tool.name):
        raise InvalidInput(f"{tool.name[:80]!r} is no tool name: 1 to 64 letters, digits, '_', '.' or '-'")
    if not tool.parameters_json_schema:
        return Tool(tool.name, tool.description, {"type": "object", "properties": {}, "additionalProperties": False})
    parameters = _json(f"the schema of tool {tool.name}", tool.parameters_json_schema)
    if not isinstance(parameters, dict) or parameters.get("type", "object") != "object":
        raise InvalidInput(f"the schema of tool {tool.name} does not describe an object")
    return Tool(tool.name, tool.description, {"type": "object", **parameters})


def _template_arguments(request: pb.ChatRequest) -> Mapping[str, Any]:
    if not request.HasField("template_arguments"):
        return {}
    try:
        arguments: dict[str, Any] = MessageToDict(request.template_arguments)
        text = json.dumps(arguments, allow_nan=False)
    except ValueError as error:
        raise InvalidInput("template_arguments hold a number that JSON has not, or nest too deeply") from error
    return dict(_json("template_arguments", text))


def _stops(sampling: pb.Sampling) -> tuple[str, ...]:
    if len(sampling.stop) > MAX_STOPS:
        raise InvalidInput(f"{len(sampling.stop)} stop strings; a request takes up to {MAX_STOPS}")
    for stop in sampling.stop:
        if not 1 <= len(stop) <= MAX_STOP_CHARACTERS:
            raise InvalidInput(f"a stop string has {len(stop)} characters; 1 to {MAX_STOP_CHARACTERS} are allowed")
    return tuple(sampling.stop)


def _logit_bias(sampling: pb.Sampling, model: Model) -> Mapping[int, float]:
    if len(sampling.logit_bias) > MAX_LOGIT_BIASES:
        raise InvalidInput(f"{len(sampling.logit_bias)} logit biases; a request takes up to {MAX_LOGIT_BIASES}")
    read_token_ids(list(sampling.logit_bias), model)
    for token_id, bias in sampling.logit_bias.items():
        if not -100 <= bias <= 100:
            raise InvalidInput(f"the logit bias of token {token_id} is {bias:g}; its range is -100 to 100")
    return dict(sampling.logit_bias)


def _json(what: str, text: str) -> Any:
    _check_size(what, text, MAX_JSON_BYTES)
    _check_depth(what, text, "[{", "]}")
    try:
        return json.loads(text, parse_constant=_no_json)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{what} is no valid JSON: {error}") from None


def _no_json(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def _check_size(what: str, text: str, limit_bytes: int) -> None:
    if not text.strip():
        raise InvalidInput(f"{what} is empty")
    if len(text) > limit_bytes or len(text.encode()) > limit_bytes:
        raise InvalidInput(f"{what} is longer than {limit_bytes} bytes")


def _check_depth(what: str, text: str, opening: str, closing: str) -> None:
    """Brackets inside strings count too: the bound is generous, and a parser needs none of it to be exact."""
    depth = 0
    for character in text:
        if character in opening:
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidInput(f"{what} nests deeper than {MAX_DEPTH}")
        elif character in closing:
            depth = max(0, depth - 1)
