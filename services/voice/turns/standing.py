"""Where a conversation stands, and a step from there: what the parts of the machine share."""

from dataclasses import dataclass, field, replace
from typing import Any

from services.voice.turns import effects as do
from services.voice.turns.effects import Effect, State
from services.voice.turns.inputs import Rules, Timer


@dataclass(frozen=True, slots=True)
class Turn:
    """What the user says until it is committed."""

    number: int
    begin_ms: int = 0
    """In the session's audio, as `end_ms`."""
    end_ms: int | None = None
    """Where speech paused last; None while it never has."""
    paused_ms: int = 0
    """The same on the clock."""
    is_open: bool = True
    """Somebody speaks."""
    awaits_words: bool = False
    """Of an utterance that has ended."""
    texts: tuple[str, ...] = ()
    sounds_finished: bool = True
    is_told: bool = False
    """`speech_started` was sent, and no `speech_stopped` yet."""
    is_pending: bool = False
    """It is spoken into an answer, and may be nothing."""
    is_like_nothing: bool = False
    """What is heard of it so far is a nod, or the answer's own echo."""
    is_due: bool = False
    """Silence has lasted long enough: it is committed with its words."""
    is_ended: bool = False
    """By the client: it is an item already, and its words are awaited."""
    partial: str = ""
    """What is heard of the open utterance."""
    partial_since_ms: int = 0
    """On the clock: since when it is the same."""
    tries: int = 0
    was_early: bool = False
    """An answer was begun while somebody still spoke."""
    discarded: int = 0

    @property
    def text(self) -> str:
        return " ".join(self.texts)

    @property
    def text_so_far(self) -> str:
        """With what is heard of the open utterance."""
        return " ".join((*self.texts, self.partial) if self.partial else self.texts)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the assistant says."""

    epoch: int
    turn: int = 0
    """Of a speculative answer the turn it was begun for."""
    text: str = ""
    """The same: what it answers."""
    is_told: bool = True
    """`response_created` was sent."""
    began_ms: int | None = None
    """When its first audio was sent; None before."""
    is_over: bool = False
    """`response_done` was sent; it is still heard."""
    is_halted: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """One conversation."""

    rules: Rules = field(default_factory=Rules)
    state: State = State.IDLE
    epoch: int = 0
    turns: int = 0
    turn: Turn | None = None
    answer: Answer | None = None
    wants_answer: bool = False
    """One is to begin when the answer that is spoken has ended, or the words of the turn are there."""
    commit_serial: int = 0
    idle_serial: int = 0
    is_ending: bool = False
    is_all_heard: bool = False

    @property
    def is_answering(self) -> bool:
        """Whether a response is under way, as the client knows it."""
        return self.answer is not None and self.answer.is_told and not self.answer.is_over

    @property
    def is_heard(self) -> bool:
        """Whether somebody may be interrupted."""
        return self.answer is not None and self.answer.is_told


class Step:
    """One step under way: the machine as it is by now, and what is to be done by now."""

    def __init__(self, machine: Machine, now_ms: int) -> None:
        self.machine = machine
        self.effects: list[Effect] = []
        self.now_ms = now_ms

    def now(self, **changes: Any) -> None:
        self.machine = replace(self.machine, **changes)

    def do(self, *effects: Effect) -> None:
        self.effects += effects

    def turn_is(self, **changes: Any) -> None:
        if self.machine.turn is not None:
            self.now(turn=replace(self.machine.turn, **changes))

    def answer_is(self, **changes: Any) -> None:
        if self.machine.answer is not None:
            self.now(answer=replace(self.machine.answer, **changes))

    def show(self, state: State) -> None:
        if state is not self.machine.state:
            self.do(do.ShowState(state, self.machine.state))
            self.now(state=state)

    def set_timer(self, timer: Timer, after_ms: int) -> None:
        self.do(do.SetTimer(timer, self._next_serial(timer), max(0, after_ms)))

    def stop_timer(self, timer: Timer) -> None:
        """Whatever still comes of it is too old."""
        self._next_serial(timer)

    def _next_serial(self, timer: Timer) -> int:
        name = "commit_serial" if timer is Timer.COMMIT else "idle_serial"
        serial: int = getattr(self.machine, name) + 1
        self.now(**{name: serial})
        return serial
