"""How a conversation takes its turns: a pure function from a state and what happens to the next state and what to do.

              speech                    pause (soft end)                    silence, words
     IDLE ─────────────► USER_SPEAKING ─────────────────► SOFT_END ─────────────────────────► COMMITTED
      ▲ ▲                 ▲    ▲                            │  │                                  │ an answer begins, or
      │ │                 │    └── speech goes on: what ────┘  │ no words: it was nothing         │ was begun at the
      │ └─────────────────│──────  was begun is thrown away ───┘                                  ▼ soft end
      │ played out        │                                                                   GENERATING
      │                   │ a real word, or long speech                                           │
    SPEAKING ──speech──► INTERRUPT_PENDING ──"mm-hm", a cough, echo──► SPEAKING                   │ first audio
      ▲                   softer at once, silent after `interrupt_ms`                             │
      └───────────────────────────────────────────────────────────────────────────────────────────┘
    COMMITTED also: the client has ended the turn, and its words are awaited.
    CLOSING: the client has half-closed, and all that was said is heard and answered.

Two things run side by side, and the state is read off them: the turn that is spoken (`turn_steps.py`) and the answer
that is made or heard (`answer_steps.py`). Each answer has an epoch; what comes from an older one is dropped wherever it
surfaces. An answer that is begun at a soft end, or before it on words that stay the same, is not told until its turn is
committed, and never when other words are said.

Nothing here knows audio, protobuf or a clock: timers are effects that come back as inputs.
"""

from services.voice.turns import answer_steps as answers
from services.voice.turns import effects as do
from services.voice.turns import inputs as on
from services.voice.turns import turn_steps as turns
from services.voice.turns.effects import Effect, State
from services.voice.turns.inputs import Input, Timer
from services.voice.turns.standing import Machine, Step


def step(machine: Machine, event: Input, now_ms: int) -> tuple[Machine, list[Effect]]:
    """The machine after an event, and what is to be done, in order."""
    taken = Step(machine, now_ms)
    if machine.state is not State.CLOSING:
        _take(taken, event)
        _settle(taken)
    return taken.machine, taken.effects


def _take(step: Step, event: Input) -> None:
    answer = step.machine.answer
    epoch = None if answer is None else answer.epoch
    match event:
        case on.SpeechBegan(offset_ms):
            turns.speech_began(step, offset_ms)
        case on.SpeechGoesOn(until_ms):
            turns.speech_goes_on(step, until_ms)
        case on.PartlyHeard():
            turns.partly_heard(step, event)
        case on.SpeechPaused(offset_ms, silent_ms):
            turns.speech_paused(step, offset_ms, silent_ms)
        case on.Heard():
            turns.heard(step, event)
        case on.TurnEnded():
            turns.ended_by_client(step)
        case on.TurnHeard():
            turns.wholly_heard(step)
        case on.TurnLost():
            turns.lost(step)
        case on.ResponseWanted():
            answers.wanted(step)
        case on.ResponseUnwanted():
            _unwanted(step)
        case on.AudioBegan(of) if of == epoch:
            step.answer_is(began_ms=step.now_ms)
        case on.AnswerEnded(of, plays_on) if of == epoch:
            answers.ended(step, plays_on)
            if step.machine.answer is None:
                turns.no_longer_pending(step)
        case on.PlayedOut(of) if of == epoch and answer is not None and answer.is_over:
            turns.no_longer_pending(step)
            answers.gone(step)
        case on.TimedOut(timer, serial) if serial == _serial(step.machine, timer):
            turns.timed_out(step, timer)
        case on.RulesChanged(rules):
            step.now(rules=rules)
        case on.InputEnded():
            step.now(is_ending=True)
        case on.AllHeard():
            turns.all_heard(step)


def _unwanted(step: Step) -> None:
    answers.unwanted(step)
    if step.machine.answer is None:
        turns.no_longer_pending(step)
        if step.machine.turn is None:
            answers.next_answer(step)


def _serial(machine: Machine, timer: Timer) -> int:
    return machine.commit_serial if timer is Timer.COMMIT else machine.idle_serial


def _settle(step: Step) -> None:
    """Shows the state where it has changed, and closes where nothing is left to do."""
    machine, turn, answer = step.machine, step.machine.turn, step.machine.answer
    if machine.is_ending and machine.is_all_heard and turn is None and not machine.is_answering:
        step.show(State.CLOSING)
        step.do(do.Close())
    elif turn is not None and turn.is_pending:
        step.show(State.INTERRUPT_PENDING)
    elif turn is not None and turn.is_ended:
        step.show(State.COMMITTED)
    elif turn is not None:
        step.show(State.USER_SPEAKING if turn.is_open else State.SOFT_END)
    elif answer is not None and answer.is_told:
        step.show(State.GENERATING if answer.began_ms is None else State.SPEAKING)
    else:
        step.show(State.IDLE)
