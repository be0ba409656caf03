"""Passages, citations and what became of an answer as JSON, for every door that has no shape of its own for them."""

from typing import Any

from ledge.rag.v1 import rag_pb2 as pb


def outcome_of(done: pb.Done) -> dict[str, Any]:
    """What is told of an answer beside its text."""
    return {
        "usage": {
            "prompt_tokens": done.prompt_tokens,
            "completion_tokens": done.completion_tokens,
            "total_tokens": done.prompt_tokens + done.completion_tokens,
        },
        "answered": done.answered,
        "citations": [citation_of(citation) for citation in done.citations],
        "degraded": list(done.degraded),
        "verdicts": [verdict_of(verdict) for verdict in done.verdicts],
        "timings_ms": {
            **{name: round(elapsed_ms, 2) for name, elapsed_ms in _elapsed_ms(done).items()},
            "first_token": round(done.first_token_ms, 2),
            "total": round(done.elapsed_ms, 2),
        },
    }


def _elapsed_ms(done: pb.Done) -> dict[str, float]:
    """What the steps of each name took together: a move that is made again counts again."""
    taken: dict[str, float] = {}
    for step in done.steps:
        taken[step.name] = taken.get(step.name, 0.0) + step.elapsed_ms
    return taken


def verdict_of(verdict: pb.Verdict) -> dict[str, Any]:
    """What was found of the answer as a whole, or of its characters `start` to `end`: see `Verdict.Kind`."""
    of_part = verdict.HasField("start")
    return {
        "kind": pb.Verdict.Kind.Name(verdict.kind).lower(),
        "reason": verdict.reason,
        "start": verdict.start if of_part else None,
        "end": verdict.end if of_part else None,
    }


def citation_of(citation: pb.Citation) -> dict[str, Any]:
    """What `[number]` in the answer stands for; the evidence is characters `start` to `end` of the passage's text."""
    return {
        "number": citation.number,
        **passage_of(citation.passage),
        "start": citation.start,
        "end": citation.end,
    }


def passage_of(passage: pb.Passage) -> dict[str, Any]:
    """A passage, and where it stands."""
    return {
        "collection": passage.collection,
        "document": passage.document,
        "page": passage.page if passage.HasField("page") else None,
        "heading": " > ".join(passage.headings),
        "text": passage.text,
        "score": passage.score,
        "passage_id": passage.id,
    }
