"""The events that are Ledge's own: states, citations, timings, verdicts, and a player that ducks and resumes."""

from collections.abc import Callable
from typing import Any

from ledge.voice.v1 import voice_pb2 as pb

from services.gateway.cited import citation_of, verdict_of

STAGES = ("endpoint", "transcript", "retrieval", "first_text", "first_audio", "done")


def transcript(partial: pb.TranscriptPartial) -> dict[str, Any]:
    """What was heard so far; it may change."""
    return {
        "type": "ledge.transcript",
        "item_id": partial.item_id,
        "text": partial.text,
        "stable_characters": partial.stable_characters,
    }


def _state(changed: pb.StateChanged) -> dict[str, Any]:
    return {
        "type": "ledge.state",
        "state": pb.State.Name(changed.state).lower(),
        "previous": pb.State.Name(changed.previous).lower() if changed.previous else None,
    }


def _playback(control: pb.PlaybackControl) -> dict[str, Any]:
    action = pb.PlaybackControl.Action.Name(control.action).lower()
    return {"type": "ledge.playback", "action": action, "item_id": control.item_id}


def _citations(cited: pb.Citation) -> dict[str, Any]:
    place = {"response_id": cited.response_id, "item_id": cited.item_id}
    return {"type": "ledge.citations", **place, "citations": [citation_of(cited.citation)]}


def _timings(timings: pb.Timings) -> dict[str, Any]:
    stages = {
        f"{stage}_ms": round(getattr(timings, f"{stage}_ms"), 1) if timings.HasField(f"{stage}_ms") else None
        for stage in STAGES
    }
    return {
        "type": "ledge.timings",
        "response_id": timings.response_id,
        **stages,
        "speculative": timings.speculative,
        "discarded": timings.discarded,
        "steps": [
            {"name": step.name, "detail": step.detail, "elapsed_ms": round(step.elapsed_ms, 2)}
            for step in timings.steps
        ],
    }


def _verdict(judged: pb.Verdict) -> dict[str, Any]:
    place = {"response_id": judged.response_id, "item_id": judged.item_id}
    sure = round(judged.verdict.confidence, 4) if judged.verdict.HasField("confidence") else None
    return {"type": "ledge.verdict", **place, **verdict_of(judged.verdict), "confidence": sure}


WRITERS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "state_changed": _state,
    "playback_control": _playback,
    "citation": _citations,
    "timings": _timings,
    "verdict": _verdict,
}
