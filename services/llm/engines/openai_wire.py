"""llama.cpp's OpenAI-shaped requests and chunks: a job becomes a request, chunks become a piece."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from services.kit.errors import EngineFailed, InvalidInput, LedgeError, NotReady
from services.llm.engine import (
    Finish,
    Message,
    Piece,
    Sampling,
    TextPrompt,
    TokenLogprob,
    Tool,
    ToolCallPiece,
    Usage,
)

FINISHES = {"stop": Finish.STOP, "length": Finish.LENGTH, "tool_calls": Finish.TOOL_CALLS}
RANDOM_SEED = 2**32 - 1
"""llama.cpp's sign for "choose one"."""
PENALISED_TOKENS = 8192
"""How far back the penalties look; llama.cpp's own default is 64, which a loop of sentences outlives."""


def chat_request(chat: Mapping[str, Any], sampling: Sampling, grammar: str | None) -> bytes:
    """The body of a streamed chat; `chat` is what the template is given."""
    body = {**chat, **_sampling(sampling), **_streamed(grammar)}
    if sampling.top_logprobs is not None:
        body |= {"logprobs": True, "top_logprobs": max(1, sampling.top_logprobs)}
    return json.dumps(body).encode()


def text_request(prompt: TextPrompt, sampling: Sampling, grammar: str | None) -> bytes:
    """The body of a streamed completion."""
    content = prompt.content if isinstance(prompt.content, str) else list(prompt.content)
    body = {"prompt": content, **_sampling(sampling), **_streamed(grammar)}
    if sampling.top_logprobs is not None:
        body["logprobs"] = max(1, sampling.top_logprobs)
    return json.dumps(body).encode()


def message(one: Message, plain: Callable[[str], str]) -> dict[str, Any]:
    """A message of a chat; its texts are passed through `plain`."""
    told: dict[str, Any] = {"role": one.role.value, "content": plain(one.content)}
    if one.name:
        told["name"] = plain(one.name)
    if one.tool_call_id:
        told["tool_call_id"] = plain(one.tool_call_id)
    if one.tool_calls:
        told["tool_calls"] = [
            {
                "id": plain(call.id),
                "type": "function",
                "function": {"name": plain(call.name), "arguments": plain(call.arguments_json)},
            }
            for call in one.tool_calls
        ]
    return told


def texts(chat: Mapping[str, Any]) -> str:
    """All that the template will write of a chat, about as long as it will be."""
    parts = [one["content"] for one in chat["messages"]]
    parts += [json.dumps(one["tool_calls"]) for one in chat["messages"] if "tool_calls" in one]
    return "\n".join([*parts, *(json.dumps(one) for one in chat.get("tools", ()))])


def tool(one: Tool) -> dict[str, Any]:
    """A tool for a template that knows tools."""
    function = {"name": one.name, "description": one.description, "parameters": dict(one.parameters)}
    return {"type": "function", "function": function}


def _streamed(grammar: str | None) -> dict[str, Any]:
    # A chunk for each batch of the prompt too: without them a call could not be stopped before its first token.
    body = {"stream": True, "stream_options": {"include_usage": True}, "return_progress": True, "cache_prompt": True}
    return body if grammar is None else {**body, "grammar": grammar}


def _sampling(sampling: Sampling) -> dict[str, Any]:
    body: dict[str, Any] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "repeat_penalty": sampling.repetition_penalty,
        "repeat_last_n": PENALISED_TOKENS,
        "seed": RANDOM_SEED if sampling.seed is None else sampling.seed % RANDOM_SEED,
    }
    if sampling.max_tokens is not None:
        body["max_tokens"] = sampling.max_tokens
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.logit_bias:
        body["logit_bias"] = [[token_id, bias] for token_id, bias in sampling.logit_bias.items()]
    return body


def is_progress(chunk: bytes) -> bool:
    """Whether a chunk only tells how far the prompt is. Text cannot look like it: its quotes are escaped."""
    return b'"prompt_progress"' in chunk


class Reader:
    """Reads the chunks of one call into pieces; keeps the end back until the usage, which follows it, is known."""

    def __init__(self, sampling: Sampling) -> None:
        self._top = sampling.top_logprobs
        self._finish: Finish | None = None

    def read(self, chunks: Sequence[bytes | Exception]) -> Piece | None:
        """What the chunks say together; None where that is nothing. Raises an exception among them, or what an error
        chunk means."""
        texts: list[str] = []
        calls: list[ToolCallPiece] = []
        logprobs: list[TokenLogprob] = []
        usage: Usage | None = None
        for chunk in chunks:
            if isinstance(chunk, Exception):
                raise chunk
            told = json.loads(chunk)
            if "error" in told:
                raise meant(told["error"])
            for choice in told["choices"]:
                # A chat's delta, or the text of a completion. Reasoning that a template sets apart is no part of the
                # answer, as with OpenAI.
                delta = choice.get("delta")
                texts.append((choice.get("text") if delta is None else delta.get("content")) or "")
                for call in (delta or {}).get("tool_calls") or ():
                    calls.append(_tool_call(call))
                if choice.get("logprobs"):
                    logprobs += [self._logprob(token) for token in choice["logprobs"].get("content") or ()]
                if choice["finish_reason"] is not None:
                    self._finish = FINISHES.get(choice["finish_reason"], Finish.STOP)
            if told.get("usage"):
                usage = _usage(told["usage"])
                break
        text = "".join(texts)
        if usage is not None:
            return Piece(text, tuple(calls), tuple(logprobs), self._finish or Finish.STOP, usage)
        return Piece(text, tuple(calls), tuple(logprobs)) if text or calls or logprobs else None

    def _logprob(self, token: dict[str, Any]) -> TokenLogprob:
        top = [_token(one) for one in token.get("top_logprobs") or ()][: self._top]
        return _token(token, tuple(top))


def _token(token: dict[str, Any], top: tuple[TokenLogprob, ...] = ()) -> TokenLogprob:
    return TokenLogprob(token["id"], token["token"], bytes(token["bytes"]), token["logprob"], top)


def _tool_call(call: dict[str, Any]) -> ToolCallPiece:
    function = call.get("function") or {}
    return ToolCallPiece(
        call.get("index", 0), call.get("id") or "", function.get("name") or "", function.get("arguments") or ""
    )


def _usage(usage: dict[str, Any]) -> Usage:
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    return Usage(usage["prompt_tokens"], usage["completion_tokens"], cached)


def meant(error: Mapping[str, Any]) -> LedgeError:
    """The error that llama.cpp reports, as the suite tells it."""
    message = str(error.get("message", "no reason given"))
    if error.get("type") == "exceed_context_size_error":
        return InvalidInput(
            f"the prompt has {error['n_prompt_tokens']} tokens, the context holds {error['n_ctx']}, answer included"
        )
    match error.get("code"):
        case 400:
            return InvalidInput(message)
        case 503:
            return NotReady(message)
        case _:
            return EngineFailed(message)
