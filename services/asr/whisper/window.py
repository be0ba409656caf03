"""What Whisper hears at a time: an utterance, or a part of one, padded to one of few lengths."""

import asyncio
import enum
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from services.asr.engine import SAMPLE_RATE_HZ, Hypothesis, Samples, Task
from services.kit.context import CallContext

LONGEST_S = 30
"""Whisper's own window; the encoder takes nothing longer."""
FRAMES_PER_S = 100
TOKENS_PER_S = 16
"""Twice what Whisper's own limit allows a second: in a shorter window it leaves no room for endless repetition."""
MOST_TOKENS = 224
"""Half of the decoder's positions; the other half is for what stands before."""
MARGIN_SAMPLES = SAMPLE_RATE_HZ
"""Silence behind the speech in a window shorter than Whisper's own, so that it hears the end."""
LONGEST_SPEECH_SAMPLES = LONGEST_S * SAMPLE_RATE_HZ
CUT_SAMPLES = 5 * SAMPLE_RATE_HZ
"""The last part of a full window, in which the quietest place to cut is sought."""
QUIET_SAMPLES = SAMPLE_RATE_HZ // 10


class Kind(enum.IntEnum):
    """In the order in which they are decoded."""

    FINAL = 0
    EARLY = 1
    """The speaker pauses: it becomes the final where nothing more is said."""
    PARTIAL = 2


@dataclass(frozen=True)
class Asked:
    """What the windows of a stream have in common."""

    language: str = ""
    """One of the decoder's; empty: detect it."""
    task: Task = Task.TRANSCRIBE
    hotword_tokens: Sequence[int] = ()
    word_times: bool = False


@dataclass(slots=True, eq=False)
class Window:
    """One decoding that is wanted; identified by itself. What may change while it waits is changed by its queue."""

    samples: Samples
    """As long as the speech; at most `LONGEST_SPEECH_SAMPLES`."""
    window_s: int
    """What it is padded to with silence."""
    asked: Asked
    kind: Kind
    deadline_s: float
    result: "asyncio.Future[Hypothesis | None]"
    """None: it came too late, or no words were heard."""
    beam_size: int = 1
    call: CallContext | None = None
    since_s: float = 0.0
    gone: bool = field(default=False)
    """Nobody waits for it any more."""

    @property
    def bucket(self) -> tuple[int, int, bool, int]:
        """What a batch must have in common: length, index of the start token, timestamps, width of the search.

        Utterances are short and words get their times by alignment, so timestamp tokens are never asked for.
        """
        hotwords = len(self.asked.hotword_tokens)
        return (self.window_s, hotwords + 1 if hotwords else 0, False, self.beam_size)

    @property
    def max_new_tokens(self) -> int:
        """The same for all of a bucket, so that no neighbour changes a result."""
        return min(MOST_TOKENS, TOKENS_PER_S * self.window_s)

    @property
    def spoken_frames(self) -> int:
        """Frames of the features that are no padding."""
        return max(2, len(self.samples) * FRAMES_PER_S // SAMPLE_RATE_HZ)

    def padded(self) -> Samples:
        """With silence behind it: there is no mask, so the model hears the padding, and silence it knows."""
        return np.pad(self.samples, (0, self.window_s * SAMPLE_RATE_HZ - len(self.samples)))


def window_length_s(samples: int, step_s: int) -> int:
    """The shortest multiple of `step_s` that holds the speech and the margin behind it, at most `LONGEST_S`.

    Whole seconds: a window of 1.6 s would look like features to CTranslate2, and be encoded twice.
    """
    steps = -(-(samples + MARGIN_SAMPLES) // (step_s * SAMPLE_RATE_HZ))
    return min(LONGEST_S, max(1, steps) * step_s)


def cut_place(samples: Samples) -> int:
    """Where the first window of speech that is too long for one ends: the quietest tenth of a second near its end."""
    start = LONGEST_SPEECH_SAMPLES - CUT_SAMPLES
    tail = samples[start:LONGEST_SPEECH_SAMPLES].reshape(-1, QUIET_SAMPLES)
    quietest = int(np.argmin(np.square(tail).sum(axis=1)))
    return start + quietest * QUIET_SAMPLES + QUIET_SAMPLES // 2
