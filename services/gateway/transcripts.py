"""What was said, in the shapes that OpenAI's clients read."""

import math
import zlib
from typing import Any

from ledge.asr.v1 import asr_pb2 as pb

from services.gateway.audio_form import TranscriptionForm
from services.kit.subtitles import Cue, cues, srt, vtt

LEAST_LOG_PROBABILITY = -20.0


def as_json(response: pb.TranscribeResponse) -> dict[str, Any]:
    """`Transcription`."""
    return {"text": response.text, "usage": _usage(response)}


def as_verbose_json(response: pb.TranscribeResponse, form: TranscriptionForm, task: str) -> dict[str, Any]:
    """`TranscriptionVerbose`: with segments, words, or both."""
    told: dict[str, Any] = {
        "task": task,
        "language": response.language,
        "duration": response.duration_ms / 1000,
        "text": response.text,
        "usage": _usage(response),
    }
    if "word" in form.timestamp_granularities:
        told["words"] = [
            {"word": word.text, "start": word.start_ms / 1000, "end": word.end_ms / 1000}
            for utterance in response.utterances
            for word in utterance.words
        ]
    if "segment" in form.timestamp_granularities or not form.timestamp_granularities:
        told["segments"] = [_segment(number, one) for number, one in enumerate(response.utterances)]
    return told


def as_subtitles(response: pb.TranscribeResponse, form: str) -> str:
    """SubRip or WebVTT."""
    subtitles = [
        cue
        for one in response.utterances
        for cue in cues(
            Cue(one.text, one.start_ms, one.end_ms), [Cue(word.text, word.start_ms, word.end_ms) for word in one.words]
        )
    ]
    return srt(subtitles) if form == "srt" else vtt(subtitles)


def _segment(number: int, utterance: pb.Utterance) -> dict[str, Any]:
    """An utterance. Token ids are the engine's own affair; that it is speech a detector has decided before."""
    written = utterance.text.encode()
    probability = utterance.confidence if utterance.HasField("confidence") else 1.0
    return {
        "id": number,
        "seek": 0,
        "start": utterance.start_ms / 1000,
        "end": utterance.end_ms / 1000,
        "text": utterance.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": max(LEAST_LOG_PROBABILITY, math.log(probability)) if probability > 0 else LEAST_LOG_PROBABILITY,
        "compression_ratio": len(written) / len(zlib.compress(written)) if written else 0.0,
        "no_speech_prob": 0.0,
    }


def _usage(response: pb.TranscribeResponse) -> dict[str, Any]:
    return {"type": "duration", "seconds": math.ceil(response.duration_ms / 1000)}
