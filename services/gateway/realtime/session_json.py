"""A session as OpenAI's clients read it, of the contract's."""

from typing import Any

from ledge.rag.v1 import rag_pb2
from ledge.voice.v1 import voice_pb2 as pb

from services.gateway.realtime.formats import format_json
from services.gateway.realtime.names import Names
from services.gateway.realtime.tools import choice_json, tools_json

_EAGERNESS = {pb.TurnDetection.LOW: "low", pb.TurnDetection.HIGH: "high"}


def session_json(session: pb.Session, session_id: str, expires_at: int, names: Names) -> dict[str, Any]:
    """What `session.created`, `session.updated` and a client secret tell.

    Args:
        expires_at: seconds since 1970.
    """
    told: dict[str, Any] = {"id": session_id, "expires_at": expires_at, "include": None}
    if session.kind == pb.Session.TRANSCRIPTION:
        told |= {"type": "transcription", "object": "realtime.transcription_session"}
        return {**told, "audio": {"input": _input_json(session)}, "ledge": _ledge_json(session)}
    return {
        **told,
        "type": "realtime",
        "object": "realtime.session",
        "model": names.talker_told(session.model),
        "instructions": session.instructions,
        "output_modalities": modalities(speaks(session)),
        "audio": {"input": _input_json(session), "output": {**output_json(session.speaking), "speed": _speed(session)}},
        "tools": tools_json(session.tools),
        "tool_choice": choice_json(session.tool_choice),
        "max_output_tokens": session.max_output_tokens or "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "ledge": _ledge_json(session),
    }


def modalities(speak: bool) -> list[str]:
    """What an answer is made of."""
    return ["audio"] if speak else ["text"]


def speaks(session: pb.Session) -> bool:
    """Whether answers are spoken; they are unless told otherwise."""
    return session.speak or not session.HasField("speak")


def output_json(speaking: pb.Speaking, voice: str = "") -> dict[str, Any]:
    """How answers sound, or one that has a voice of its own."""
    return {
        "format": format_json(speaking.encoding, speaking.sample_rate_hz),
        "voice": voice or speaking.voice or None,
    }


def _speed(session: pb.Session) -> float:
    return round(session.speaking.rate, 4) if session.speaking.HasField("rate") else 1.0


def _input_json(session: pb.Session) -> dict[str, Any]:
    heard = session.transcription
    transcription: dict[str, Any] = {"model": heard.model, "language": session.language or None, "prompt": None}
    if heard.hotwords:
        transcription["keywords"] = list(heard.hotwords)
    return {
        "format": format_json(session.input_format.encoding, session.input_format.sample_rate_hz),
        "transcription": transcription,
        "noise_reduction": None,
        "turn_detection": _detection_json(session.turn_detection),
    }


def _detection_json(detection: pb.TurnDetection) -> dict[str, Any] | None:
    if detection.kind == pb.TurnDetection.MANUAL:
        return None
    replies = {
        "create_response": detection.create_response or not detection.HasField("create_response"),
        "interrupt_response": detection.interrupt_response or not detection.HasField("interrupt_response"),
    }
    if detection.kind == pb.TurnDetection.SEMANTIC:
        return {"type": "semantic_vad", "eagerness": _EAGERNESS.get(detection.eagerness, "medium"), **replies}
    return {
        "type": "server_vad",
        "threshold": round(detection.threshold, 4) if detection.HasField("threshold") else 0.5,
        "prefix_padding_ms": detection.prefix_padding_ms if detection.HasField("prefix_padding_ms") else 300,
        "silence_duration_ms": detection.silence_ms if detection.HasField("silence_ms") else None,
        "idle_timeout_ms": detection.idle_timeout_ms if detection.HasField("idle_timeout_ms") else None,
        **replies,
    }


def _ledge_json(session: pb.Session) -> dict[str, Any]:
    return {
        "collections": list(session.documents.collections),
        "effort": rag_pb2.Effort.Name(session.documents.effort or rag_pb2.FAST).lower(),
        "language": session.language,
        "partials": session.transcription.partials,
    }
