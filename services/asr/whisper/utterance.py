"""An utterance and its windows: partial ones while it is spoken, an early one when the speaker pauses, the final one.

    feed ──► partial window, every third of a second, while the last has been told
      │
    pause ─► early window ──── resume ──► dropped
      │           │
      └───────────┴── finish ──► final: the early one where nothing was said since, else a new one

Speech that is longer than Whisper's window is cut at its quietest place, and the first part decoded at once.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np

from services.asr.engine import SAMPLE_RATE_HZ, Hypothesis, Samples, Utterance
from services.asr.whisper.window import (
    LONGEST_SPEECH_SAMPLES,
    Asked,
    Kind,
    Window,
    cut_place,
    window_length_s,
)
from services.asr.whisper.window_batcher import WindowBatcher
from services.kit.context import current_call
from services.kit.errors import Overloaded

PARTIAL_WORTH_S = 0.5
"""A partial result that comes later is not worth its decoding."""
PATIENCE_S = 0.2
"""How long a stream is held up for a partial result that is on its way."""
FILE_GRACE_S = 5.0
"""What is no live speech may come so much later."""


class WhisperSession:
    """One stream; it is refused, if at all, at its first utterance."""

    def __init__(self, batcher: WindowBatcher, asked: Asked, *, live: bool, step_s: int, beam_size: int) -> None:
        self.batcher = batcher
        self.asked = asked
        self.live = live
        self.step_s = step_s
        self.beam_size = beam_size
        self.admitted = False
        """Whether it was let in, and is heard to the end: a file half written down is lost, and so is a talk."""

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[Utterance]:
        self.batcher.begin(self.step_s, may_refuse=not self.admitted)
        self.admitted = True
        utterance = WhisperUtterance(self)
        try:
            yield utterance
        finally:
            utterance.drop()
            self.batcher.end()


class WhisperUtterance:
    """Used by one task; `drop` frees every place in the queue."""

    def __init__(self, session: WhisperSession) -> None:
        self._session = session
        self._batcher = session.batcher
        self._pieces: list[Samples] = []
        self._samples = 0
        self._parts: list[Window] = []
        """Speech that was too long for one window, but for its last part."""
        self._partial: Window | None = None
        self._last: Window | None = None
        """The last part: early, or final."""

    async def feed(self, samples: Samples) -> None:
        self._pieces.append(samples)
        self._samples += len(samples)
        while self._samples > LONGEST_SPEECH_SAMPLES:
            self.resume()
            self._drop_partial()
            audio = self._audio()
            place = cut_place(audio)
            self._parts.append(self._submit(audio[:place], Kind.FINAL))
            self._pieces, self._samples = [audio[place:]], len(audio) - place

    def pause(self) -> None:
        if self._session.live and self._last is None:
            # Where too many wait it has to be the final alone, which says so.
            with contextlib.suppress(Overloaded):
                self._last = self._submit(self._audio(), Kind.EARLY)

    def resume(self) -> None:
        if self._last is not None:
            self._batcher.drop(self._last)
            self._last = None

    async def partial(self) -> str | None:
        asked_before = self._partial is not None
        if self._partial is None:
            self._partial = self._submit(self._audio(), Kind.PARTIAL)
        elif not self._partial.result.done():
            audio = self._audio()
            length_s = window_length_s(len(audio), self._session.step_s)
            self._batcher.renew(self._partial, audio, length_s, self._deadline_s(Kind.PARTIAL))
        told = [window.result for window in (*self._parts, self._partial)]
        # Once a window: else a stream would be heard more slowly than it is spoken where decoding is slow.
        await asyncio.wait(told, timeout=0 if asked_before else PATIENCE_S)
        if not all(result.done() for result in told):
            return None
        self._partial = None
        heard = [result.result() for result in told]
        if heard[-1] is None:
            return None
        return " ".join(one.text for one in heard if one is not None and one.text)

    async def finish(self) -> Hypothesis:
        self._drop_partial()
        if self._last is None:
            self._last = self._submit(self._audio(), Kind.FINAL)
        else:
            self._batcher.promote(self._last, self._deadline_s(Kind.FINAL))
        heard = []
        offset_s = 0.0
        for window in (*self._parts, self._last):
            if (hypothesis := await window.result) is not None:
                heard.append((hypothesis, offset_s))
            offset_s += len(window.samples) / SAMPLE_RATE_HZ
        return _joined(heard)

    def drop(self) -> None:
        """Nobody waits any more."""
        for window in (*self._parts, self._partial, self._last):
            if window is not None:
                self._batcher.drop(window)

    def _drop_partial(self) -> None:
        if self._partial is not None:
            self._batcher.drop(self._partial)
            self._partial = None

    def _audio(self) -> Samples:
        if len(self._pieces) != 1:
            self._pieces = [np.concatenate([np.zeros(0, np.float32), *self._pieces])]
        return self._pieces[0]

    def _deadline_s(self, kind: Kind) -> float:
        worth_s = PARTIAL_WORTH_S if kind is Kind.PARTIAL else 0.0 if self._session.live else FILE_GRACE_S
        return time.monotonic() + worth_s

    def _submit(self, samples: Samples, kind: Kind) -> Window:
        session = self._session
        window = Window(
            samples,
            window_length_s(len(samples), session.step_s),
            session.asked,
            kind,
            self._deadline_s(kind),
            asyncio.get_running_loop().create_future(),
            beam_size=1 if kind is Kind.PARTIAL else session.beam_size,
            call=current_call(),
        )
        self._batcher.submit(window)
        return window


def _joined(heard: Sequence[tuple[Hypothesis, float]]) -> Hypothesis:
    """Each with where its audio begins in the utterance, in seconds."""
    if len(heard) == 1:
        return heard[0][0]
    words = [
        replace(word, start_s=word.start_s + offset_s, end_s=word.end_s + offset_s)
        for hypothesis, offset_s in heard
        for word in hypothesis.words
    ]
    sure = [hypothesis.confidence for hypothesis, _ in heard if hypothesis.confidence is not None]
    text = " ".join(hypothesis.text for hypothesis, _ in heard if hypothesis.text)
    return Hypothesis(text, heard[0][0].language, words, sum(sure) / len(sure) if sure else None)
