"""Where the time of one turn went, from the end of speech to the end of the answer."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ledge.rag.v1 import rag_pb2
from ledge.voice.v1 import voice_pb2 as pb

from services.voice import metrics

Clock = Callable[[], float]


@dataclass(slots=True)
class HeardTimes:
    """Of a turn that was spoken; seconds on the monotonic clock."""

    speech_ended_s: float
    transcript_s: float | None = None
    endpoint_s: float | None = None
    audio_ms: float = 0.0
    """How much of it was heard, pauses included."""
    discarded: int = 0


@dataclass(slots=True)
class ReplyTimes:
    """Of a response; seconds on the monotonic clock."""

    asked_s: float
    clock: Clock = time.monotonic
    heard: HeardTimes | None = None
    """Absent where nothing was spoken."""
    retrieval_s: float | None = None
    first_text_s: float | None = None
    first_audio_s: float | None = None
    done_s: float | None = None
    speculative: bool = False
    steps: list[rag_pb2.Step] = field(default_factory=list)

    def told(self, response_id: str) -> pb.Timings:
        """As the client is told."""
        begun_s = self.asked_s if self.heard is None else self.heard.speech_ended_s

        def since_ms(at_s: float | None) -> float | None:
            return None if at_s is None else max(0.0, (at_s - begun_s) * 1000)

        return pb.Timings(
            response_id=response_id,
            endpoint_ms=since_ms(self.heard.endpoint_s) if self.heard else None,
            transcript_ms=since_ms(self.heard.transcript_s) if self.heard else None,
            retrieval_ms=since_ms(self.retrieval_s),
            first_text_ms=since_ms(self.first_text_s),
            first_audio_ms=since_ms(self.first_audio_s),
            done_ms=since_ms(self.done_s),
            speculative=self.speculative,
            discarded=self.heard.discarded if self.heard else 0,
            steps=self.steps,
        )

    def count(self) -> None:
        """Into the metrics, when the response is done."""
        if self.heard is None:
            return
        begun_s = self.heard.speech_ended_s
        for histogram, at_s in (
            (metrics.ENDPOINT_SECONDS, self.heard.endpoint_s),
            (metrics.TRANSCRIPT_SECONDS, self.heard.transcript_s),
            (metrics.FIRST_AUDIO_SECONDS, self.first_audio_s),
        ):
            if at_s is not None:
                histogram.observe(max(0.0, at_s - begun_s))
