"""What the machine wants done, in order."""

import enum
from dataclasses import dataclass

from services.voice.turns.inputs import Timer


class State(enum.Enum):
    """Named as in the contract."""

    IDLE = enum.auto()
    USER_SPEAKING = enum.auto()
    SOFT_END = enum.auto()
    COMMITTED = enum.auto()
    GENERATING = enum.auto()
    SPEAKING = enum.auto()
    INTERRUPT_PENDING = enum.auto()
    CLOSING = enum.auto()


@dataclass(frozen=True, slots=True)
class ShowState:
    state: State
    previous: State


@dataclass(frozen=True, slots=True)
class TellSpeechStarted:
    turn: int
    offset_ms: int


@dataclass(frozen=True, slots=True)
class TellSpeechStopped:
    turn: int
    offset_ms: int


@dataclass(frozen=True, slots=True)
class CommitTurn:
    """The turn becomes an item of the user."""

    turn: int


@dataclass(frozen=True, slots=True)
class TellTranscript:
    turn: int
    text: str
    discarded: int = 0
    """Speculative answers that were thrown away."""


@dataclass(frozen=True, slots=True)
class ForgetTurn:
    """Nothing was said: there is no item."""

    turn: int


@dataclass(frozen=True, slots=True)
class Begin:
    """Begins an answer: to `text`, silently until `Release`, or where that is None to the conversation."""

    epoch: int
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """The answer was begun rightly: it is sent."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Discard:
    """The answer was begun wrongly: nobody hears of it."""

    epoch: int


@dataclass(frozen=True, slots=True)
class EndResponse:
    """Ends a response that is under way; the history keeps what was heard."""

    epoch: int
    reason: str


@dataclass(frozen=True, slots=True)
class CompleteResponse:
    """The answer has ended by itself."""

    epoch: int


@dataclass(frozen=True, slots=True)
class CutShort:
    """Of an answer that was sent whole, the history keeps what was heard."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Retire:
    """The answer was heard to its end."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Duck:
    """Plays more softly; what does not sound yet, does not begin to."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Halt:
    """Silence. What was not heard is kept."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Resume:
    """Plays on from where it was heard last."""

    epoch: int


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Comes back as `TimedOut` with this serial; an older one of the kind does not matter any more."""

    timer: Timer
    serial: int
    after_ms: int


@dataclass(frozen=True, slots=True)
class TellIdle:
    turn: int


class Refusal(enum.Enum):
    """Codes of the Realtime protocol."""

    ACTIVE_RESPONSE = "conversation_already_has_active_response"
    NO_RESPONSE = "response_cancel_not_active"


@dataclass(frozen=True, slots=True)
class Refuse:
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Close:
    """All is done."""


Effect = (
    ShowState
    | TellSpeechStarted
    | TellSpeechStopped
    | CommitTurn
    | TellTranscript
    | ForgetTurn
    | Begin
    | Release
    | Discard
    | EndResponse
    | CompleteResponse
    | CutShort
    | Retire
    | Duck
    | Halt
    | Resume
    | SetTimer
    | TellIdle
    | Refuse
    | Close
)
