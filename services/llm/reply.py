"""Packs what an engine says into the contract's messages."""

from collections.abc import Iterable, Sequence

from ledge.llm.v1 import llm_pb2 as pb
from ledge.model.v1 import model_pb2

from services.llm.engine import Finish, Model, Piece, TokenLogprob, ToolCallPiece, Usage

FINISHES = {Finish.STOP: pb.STOP, Finish.LENGTH: pb.LENGTH, Finish.TOOL_CALLS: pb.TOOL_CALLS}


def model_info(model: Model) -> model_pb2.ModelInfo:
    info = model_pb2.ModelInfo(
        id=model.id,
        aliases=model.aliases,
        engine=model.engine,
        licence=model.licence,
        max_context_tokens=model.max_context_tokens,
        answer_policy=model.answer_policy,
    )
    if model.commercial_use is not None:
        info.commercial_use = model.commercial_use
    return info


def adapter_infos(model: Model) -> list[model_pb2.ModelInfo]:
    """Adapters as models of their own. Whose weights they are and under which licence, only their makers know."""
    return [
        model_pb2.ModelInfo(
            id=name,
            engine=model.engine,
            max_context_tokens=model.max_context_tokens,
            answer_policy=model.answer_policy,
        )
        for name in model.adapters
    ]


def usage(of: Usage) -> pb.Usage:
    return pb.Usage(
        prompt_tokens=of.prompt_tokens,
        completion_tokens=of.completion_tokens,
        cached_prompt_tokens=of.cached_prompt_tokens,
    )


def together(usages: Sequence[Usage]) -> Usage:
    """Of several choices: the prompt, which they share, counts once."""
    first = usages[0]
    completion_tokens = sum(one.completion_tokens for one in usages)
    return Usage(first.prompt_tokens, completion_tokens, first.cached_prompt_tokens)


def logprobs(of: Iterable[TokenLogprob]) -> list[pb.TokenLogprob]:
    return [
        pb.TokenLogprob(
            token_id=one.token_id,
            token=one.token,
            token_bytes=one.token_bytes,
            logprob=one.logprob,
            top=logprobs(one.top),
        )
        for one in of
    ]


def tool_call_deltas(pieces: Iterable[ToolCallPiece]) -> list[pb.ToolCallDelta]:
    return [
        pb.ToolCallDelta(index=one.index, id=one.id, name=one.name, arguments_json=one.arguments_json) for one in pieces
    ]


def chat_choice(index: int, pieces: Sequence[Piece]) -> pb.ChatChoice:
    """A whole answer out of its pieces."""
    calls: dict[int, pb.ToolCall] = {}
    for part in (part for piece in pieces for part in piece.tool_calls):
        call = calls.setdefault(part.index, pb.ToolCall())
        call.id += part.id
        call.name += part.name
        call.arguments_json += part.arguments_json
    message = pb.Message(
        role=pb.Message.ASSISTANT,
        content="".join(piece.text for piece in pieces),
        tool_calls=[calls[place] for place in sorted(calls)],
    )
    return pb.ChatChoice(index=index, message=message, finish_reason=_finish(pieces), logprobs=_all_logprobs(pieces))


def complete_choice(index: int, pieces: Sequence[Piece], before: str) -> pb.CompleteChoice:
    """The same for a text; `before` is put in front of it."""
    return pb.CompleteChoice(
        index=index,
        text=before + "".join(piece.text for piece in pieces),
        finish_reason=_finish(pieces),
        logprobs=_all_logprobs(pieces),
    )


def _finish(pieces: Sequence[Piece]) -> pb.FinishReason:
    last = pieces[-1].finish
    return pb.FINISH_REASON_UNSPECIFIED if last is None else FINISHES[last]


def _all_logprobs(pieces: Sequence[Piece]) -> list[pb.TokenLogprob]:
    return logprobs(one for piece in pieces for one in piece.logprobs)
