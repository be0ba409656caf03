"""Reads the chunks of any OpenAI-compatible server into pieces; what a server leaves out is left out."""

from typing import Any

from services.llm.engine import Finish, Piece, Sampling, TokenLogprob, ToolCallPiece, Usage

FINISHES = {"length": Finish.LENGTH, "tool_calls": Finish.TOOL_CALLS, "function_call": Finish.TOOL_CALLS}
"""Anything else that ends an answer is a stop."""


class EventReader:
    """For one answer. The end is kept back until the usage, which follows it, is known."""

    def __init__(self, sampling: Sampling) -> None:
        self._top = sampling.top_logprobs
        self._finish: Finish | None = None
        self._usage: Usage | None = None
        self._calls = False

    def read(self, event: dict[str, Any]) -> Piece | None:
        """What one chunk says; None where that is nothing yet."""
        if isinstance(usage := event.get("usage"), dict):
            self._usage = _usage(usage)
        text = ""
        calls: tuple[ToolCallPiece, ...] = ()
        logprobs: tuple[TokenLogprob, ...] = ()
        for choice in event.get("choices") or ():
            delta = choice.get("delta") or {}
            # A completion's text, or a chat's delta. Reasoning that a server sets apart is no part of the answer.
            text += choice.get("text") or delta.get("content") or ""
            calls += tuple(_tool_call(call) for call in delta.get("tool_calls") or ())
            if self._top is not None and isinstance(choice.get("logprobs"), dict):
                logprobs += self._logprobs(choice["logprobs"])
            if choice.get("finish_reason"):
                self._finish = FINISHES.get(choice["finish_reason"], Finish.STOP)
        self._calls = self._calls or bool(calls)
        return Piece(text, calls, logprobs) if text or calls or logprobs else None

    def end(self) -> Piece | None:
        """The last piece; None where the server never said that the answer is at its end."""
        if self._finish is None:
            return None
        # Some servers end a forced call with "stop".
        finish = Finish.TOOL_CALLS if self._calls and self._finish is Finish.STOP else self._finish
        return Piece(finish=finish, usage=self._usage or Usage(0, 0))

    def _logprobs(self, told: dict[str, Any]) -> tuple[TokenLogprob, ...]:
        if told.get("content") is not None:
            return tuple(
                _token(one, tuple(_token(other) for other in (one.get("top_logprobs") or ())[: self._top]))
                for one in told["content"]
            )
        # The older form, of completions: lists side by side.
        tokens, values = told.get("tokens") or (), told.get("token_logprobs") or ()
        tops = told.get("top_logprobs") or [None] * len(tokens)
        return tuple(
            _token(
                {"token": token, "logprob": value},
                tuple(
                    _token({"token": other, "logprob": likely})
                    for other, likely in sorted((top or {}).items(), key=lambda item: -item[1])[: self._top]
                ),
            )
            for token, value, top in zip(tokens, values, tops, strict=False)
        )


def _token(told: dict[str, Any], top: tuple[TokenLogprob, ...] = ()) -> TokenLogprob:
    text = str(told.get("token", ""))
    given = told.get("bytes")
    token_bytes = bytes(given) if given is not None else text.encode(errors="replace")
    # OpenAI's form has no token ids; llama.cpp and Ledge tell them.
    return TokenLogprob(int(told.get("id") or 0), text, token_bytes, float(told.get("logprob") or 0.0), top)


def _tool_call(call: dict[str, Any]) -> ToolCallPiece:
    function = call.get("function") or {}
    return ToolCallPiece(
        call.get("index") or 0, call.get("id") or "", function.get("name") or "", function.get("arguments") or ""
    )


def _usage(usage: dict[str, Any]) -> Usage:
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return Usage(int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0), int(cached))
