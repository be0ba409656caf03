"""Says where utterances begin and end, from how likely each frame is speech.

         START_FRAMES likely in a row                 silence_s without speech, or max_utterance_s
SILENCE ─────────────────────────────► SPEECH ─────────────────────────────────────────────────────► SILENCE
"""

import enum
from dataclasses import dataclass

from services.asr.vad import FRAME_S

START_FRAMES = 3
"""About 100 ms: shorter sounds are clicks and coughs."""
LEAVE_BELOW = 0.15
"""Speech goes on while a frame is at most so much less likely than the threshold: endings are soft."""


class Change(enum.Enum):
    NOTHING = enum.auto()
    STARTED = enum.auto()
    ENDED = enum.auto()


@dataclass(frozen=True)
class EndpointingSettings:
    silence_s: float = 0.5
    threshold: float = 0.5
    manual: bool = False
    """Silence ends nothing."""
    max_utterance_s: float = 30.0


class Endpointing:
    """The state of one stream; counts frames, knows no audio."""

    def __init__(self, settings: EndpointingSettings) -> None:
        self._settings = settings
        self._likely = 0
        self._frame = 0
        self.speaking = False
        self.started_frame = 0
        """The first frame of the utterance that is open, or was."""
        self.spoken_frame = 0
        """The frame behind the last that was speech."""

    def hear(self, likely: float) -> Change:
        """Takes one frame's likelihood of speech."""
        settings = self._settings
        self._frame += 1
        if not self.speaking:
            self._likely = self._likely + 1 if likely >= settings.threshold else 0
            if self._likely < START_FRAMES:
                return Change.NOTHING
            self.speaking, self._likely = True, 0
            self.started_frame, self.spoken_frame = self._frame - START_FRAMES, self._frame
            return Change.STARTED
        if likely >= max(0.01, settings.threshold - LEAVE_BELOW):
            self.spoken_frame = self._frame
        silent_s = (self._frame - self.spoken_frame) * FRAME_S
        spoken_s = (self._frame - self.started_frame) * FRAME_S
        if (silent_s >= settings.silence_s and not settings.manual) or spoken_s >= settings.max_utterance_s:
            self.end()
            return Change.ENDED
        return Change.NOTHING

    def end(self) -> None:
        """Ends the utterance that is open, if any."""
        self.speaking, self._likely = False, 0
