"""A response as OpenAI's clients read it."""

from typing import Any

from ledge.voice.v1 import voice_pb2 as pb

from services.gateway.realtime.items import item_json
from services.gateway.realtime.session_json import modalities, output_json

_STATUS_NAMES = {
    pb.ResponseState.COMPLETED: "completed",
    pb.ResponseState.CANCELLED: "cancelled",
    pb.ResponseState.FAILED: "failed",
    pb.ResponseState.INCOMPLETE: "incomplete",
}


def response_json(state: pb.ResponseState, session: pb.Session, conversation_id: str) -> dict[str, Any]:
    """What `response.created` and `response.done` tell.

    Args:
        session: as it stands; it says how the response sounds.
    """
    status = _STATUS_NAMES.get(state.status, "in_progress")
    return {
        "object": "realtime.response",
        "id": state.id,
        "status": status,
        "status_details": _details(state, status),
        "output": [item_json(item) for item in state.output],
        "conversation_id": None if state.out_of_band else conversation_id,
        "output_modalities": modalities(state.speak),
        "max_output_tokens": state.max_output_tokens or "inf",
        "audio": {"output": output_json(session.speaking, state.voice)},
        "usage": None if status == "in_progress" else _usage(state.usage),
        "metadata": dict(state.metadata) or None,
        "ledge": {
            "degraded": list(state.degraded),
            "translated_from": state.translated_from or None,
            "input_audio_ms": state.usage.input_audio_ms,
            "output_audio_ms": state.usage.output_audio_ms,
        },
    }


def _details(state: pb.ResponseState, status: str) -> dict[str, Any] | None:
    match status:
        case "cancelled" | "incomplete":
            return {"type": status, "reason": state.reason}
        case "failed":
            error = state.error
            return {
                "type": status,
                "error": {"type": error.type, "code": error.code or None, "message": error.message},
            }
    return None


def _usage(usage: pb.Usage) -> dict[str, Any]:
    """Speech is no tokens here: what the model reads and writes is text."""
    cached = usage.cached_input_tokens
    return {
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "input_token_details": {
            "text_tokens": usage.input_tokens,
            "audio_tokens": 0,
            "image_tokens": 0,
            "cached_tokens": cached,
            "cached_tokens_details": {"text_tokens": cached, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": usage.output_tokens, "audio_tokens": 0},
    }
