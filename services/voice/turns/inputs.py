"""What may happen to a conversation, as the machine is told of it."""

import enum
from dataclasses import dataclass


class Words(enum.Enum):
    """What an utterance is worth to somebody who is speaking."""

    NONE = enum.auto()
    BACKCHANNEL = enum.auto()
    """"mm-hm", "okay": go on."""
    ECHO = enum.auto()
    """The answer itself, out of the loudspeaker."""
    WORD = enum.auto()
    """One word, which asks for nothing: often a nod misheard."""
    SPEECH = enum.auto()


class Timer(enum.Enum):
    COMMIT = enum.auto()
    """Silence has lasted long enough to end the turn."""
    IDLE = enum.auto()
    """Nobody has said anything for long."""


@dataclass(frozen=True)
class Rules:
    """How turns are taken; of the session, and may change while it lasts."""

    silence_ms: int = 500
    """Silence that ends a turn."""
    longest_silence_ms: int = 500
    """Of a turn that sounds unfinished."""
    ends_turns: bool = True
    """Whether silence ends turns, and speech is told; else the client ends them."""
    answers: bool = True
    """Whether the end of a turn begins a response."""
    interrupts: bool = True
    """Whether speech stops an answer."""
    answers_silence: bool = False
    """Whether a response is begun where nobody spoke until `idle_timeout_ms`."""
    idle_timeout_ms: int | None = None
    speculates: bool = True
    """Whether answers are begun before a turn has ended."""
    most_tries: int = 2
    """Answers of a turn that are begun at soft ends."""
    stable_ms: int | None = 250
    """Words that stay the same for so long begin an answer while somebody still speaks; once a turn. None: never."""
    one_word_interrupts: bool = False
    """Whether any word ends an answer; else one alone must be a command, a question, or long."""
    interrupt_ms: int = 160
    """Speech that silences an answer, though it may be a cough."""
    early_interrupt_ms: int = 400
    """The same while echo is not cancelled yet: in the first second of an answer."""
    confirm_ms: int = 800
    """Speech that ends an answer, whatever the words."""


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    offset_ms: int


@dataclass(frozen=True, slots=True)
class SpeechGoesOn:
    until_ms: int


@dataclass(frozen=True, slots=True)
class PartlyHeard:
    words: Words
    text: str = ""
    """Of the utterance, as far as it is known; its end may be another a moment later."""
    sounds_finished: bool = False


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """The soft end: the words follow."""

    offset_ms: int
    silent_ms: int
    """How much silence was heard by now."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said since speech began."""

    text: str
    words: Words
    sounds_finished: bool = True
    is_another_language: bool = False
    """Than the one that an answer was begun in."""


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """By the client. What is still to be heard of it follows, and then `TurnHeard`."""


@dataclass(frozen=True, slots=True)
class TurnHeard:
    pass


@dataclass(frozen=True, slots=True)
class TurnLost:
    """By the client, who clears the buffer, or because nobody can hear it."""


@dataclass(frozen=True, slots=True)
class ResponseWanted:
    """By the client."""


@dataclass(frozen=True, slots=True)
class ResponseUnwanted:
    """By the client."""


@dataclass(frozen=True, slots=True)
class AudioBegan:
    epoch: int


@dataclass(frozen=True, slots=True)
class AnswerEnded:
    """All of it was sent, or it failed."""

    epoch: int
    plays_on: bool
    """Whether the user still hears it."""


@dataclass(frozen=True, slots=True)
class PlayedOut:
    epoch: int


@dataclass(frozen=True, slots=True)
class TimedOut:
    timer: Timer
    serial: int


@dataclass(frozen=True, slots=True)
class RulesChanged:
    rules: Rules


@dataclass(frozen=True, slots=True)
class InputEnded:
    """The client has half-closed: nothing more is said."""


@dataclass(frozen=True, slots=True)
class AllHeard:
    """After that, what was said is all heard."""


Input = (
    SpeechBegan
    | SpeechGoesOn
    | PartlyHeard
    | SpeechPaused
    | Heard
    | TurnEnded
    | TurnHeard
    | TurnLost
    | ResponseWanted
    | ResponseUnwanted
    | AudioBegan
    | AnswerEnded
    | PlayedOut
    | TimedOut
    | RulesChanged
    | InputEnded
    | AllHeard
)
