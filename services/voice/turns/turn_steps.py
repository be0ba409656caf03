"""The user's side of the machine: speech begins, pauses, goes on, interrupts, and becomes a turn."""

from services.voice.turns import answer_steps as answers
from services.voice.turns import effects as do
from services.voice.turns.effects import State
from services.voice.turns.inputs import Heard, PartlyHeard, Timer, Words
from services.voice.turns.standing import Answer, Step, Turn

EARLY_MS = 1000
"""So long after its first audio an answer is harder to interrupt: echo cancellation has yet to learn it."""

MAX_TURN_CHARACTERS = 50_000
"""An hour of speech without a pause; what follows is not kept."""


def speech_began(step: Step, offset_ms: int) -> None:
    turn, rules = step.machine.turn, step.machine.rules
    step.stop_timer(Timer.COMMIT)
    step.stop_timer(Timer.IDLE)
    if turn is not None and _was_long_silent(step, turn, offset_ms):
        commit(step, turn)
        turn = None
    if turn is not None:
        step.turn_is(is_open=True, is_due=False)
        return
    number = step.machine.turns + 1
    pending = rules.ends_turns and rules.interrupts and step.machine.is_heard
    step.now(turns=number, turn=Turn(number, offset_ms, is_pending=pending))
    if pending:
        step.do(do.Duck(step.machine.epoch))
    else:
        _tell_started(step)


def speech_goes_on(step: Step, until_ms: int) -> None:
    turn, answer = step.machine.turn, step.machine.answer
    if turn is not None and _is_resumed(turn, until_ms):
        # That it begins again is told when the words before it are known; the turn must not end meanwhile.
        step.stop_timer(Timer.COMMIT)
        step.turn_is(is_open=True, is_due=False)
    if turn is None or answer is None or not turn.is_pending:
        return
    spoken_ms = until_ms - turn.begin_ms
    if spoken_ms >= step.machine.rules.confirm_ms and not turn.is_like_nothing:
        _interrupt(step)
    elif not answer.is_halted and spoken_ms >= _interrupt_ms(step, answer):
        step.do(do.Halt(answer.epoch))
        step.answer_is(is_halted=True)
        _tell_started(step)


def partly_heard(step: Step, event: PartlyHeard) -> None:
    turn = step.machine.turn
    step.turn_is(is_like_nothing=event.words in (Words.ECHO, Words.BACKCHANNEL))
    if turn is None or not _is_speech(step, turn, event.words):
        return
    if turn.is_pending:
        _interrupt(step)
    if event.text != turn.partial:
        step.turn_is(partial=event.text, partial_since_ms=step.now_ms)
    _answer_early(step, event)


def _answer_early(step: Step, event: PartlyHeard) -> None:
    """Partial results that agree for long enough may be all that is said."""
    turn, rules = step.machine.turn, step.machine.rules
    if turn is None:
        return
    if event.text:
        answers.discard_unless(step, turn.text_so_far)
    else:
        answers.discard(step)
    if rules.stable_ms is None or not rules.ends_turns or turn.is_ended or not (event.text and event.sounds_finished):
        return
    if step.now_ms - turn.partial_since_ms >= rules.stable_ms:
        answers.speculate_early(step)


def _is_resumed(turn: Turn, until_ms: int) -> bool:
    if turn.is_open or turn.is_pending or turn.is_ended or turn.end_ms is None:
        return False
    return turn.awaits_words and until_ms > turn.end_ms


def _is_speech(step: Step, turn: Turn, words: Words) -> bool:
    """A word alone is enough where nobody is interrupted by it."""
    any_word = not turn.is_pending or step.machine.rules.one_word_interrupts
    return words is Words.SPEECH or (words is Words.WORD and any_word)


def speech_paused(step: Step, offset_ms: int, silent_ms: int) -> None:
    turn = step.machine.turn
    if turn is None:
        return
    step.turn_is(is_open=False, awaits_words=True, end_ms=offset_ms, paused_ms=step.now_ms - silent_ms)
    if step.machine.rules.ends_turns and not turn.is_ended:
        step.set_timer(Timer.COMMIT, step.machine.rules.silence_ms - silent_ms)


def heard(step: Step, event: Heard) -> None:
    turn = step.machine.turn
    if turn is None:
        return
    step.turn_is(awaits_words=False)
    if turn.is_pending:
        if not _is_speech(step, turn, event.words):
            false_alarm(step)
            return
        _interrupt(step)
    step.turn_is(partial="")
    if event.text and event.words not in (Words.NONE, Words.ECHO):
        if len(turn.text) < MAX_TURN_CHARACTERS:
            step.turn_is(texts=(*turn.texts, event.text))
        step.turn_is(sounds_finished=event.sounds_finished)
    _keep_what_answers(step, is_another_language=event.is_another_language)
    if not turn.is_ended and step.machine.rules.ends_turns:
        _commit_in_time(step)


def _keep_what_answers(step: Step, *, is_another_language: bool = False) -> None:
    """What was begun before all words were there may answer others."""
    turn = step.machine.turn
    if turn is not None and not is_another_language:
        answers.discard_unless(step, turn.text)
    else:
        answers.discard(step)


def _commit_in_time(step: Step) -> None:
    """Now, or when silence has lasted; meanwhile the answer is begun."""
    turn = step.machine.turn
    if turn is None:
        return
    if not turn.texts:
        forget(step)
        return
    if turn.is_open:
        return
    left_ms = turn.paused_ms + _silence_ms(step, turn) - step.now_ms
    if step.machine.is_ending or (turn.is_due and left_ms <= 0):
        commit(step, turn)
        return
    step.turn_is(is_due=False)
    step.set_timer(Timer.COMMIT, left_ms)
    answers.speculate(step)


def timed_out(step: Step, timer: Timer) -> None:
    turn = step.machine.turn
    if timer is Timer.IDLE:
        _idled(step)
    elif turn is None or turn.is_open or turn.is_pending or turn.is_ended or not step.machine.rules.ends_turns:
        return
    elif turn.awaits_words:
        step.turn_is(is_due=True)
    elif turn.texts:
        commit(step, turn)


def commit(step: Step, turn: Turn) -> None:
    step.stop_timer(Timer.COMMIT)
    step.show(State.COMMITTED)
    _tell_stopped(step)
    _keep_what_answers(step)
    turn = step.machine.turn or turn
    step.do(do.CommitTurn(turn.number), do.TellTranscript(turn.number, turn.text, turn.discarded))
    step.now(turn=None)
    if step.machine.rules.answers:
        answers.answer_turn(step, turn)
    else:
        answers.discard(step)
        answers.next_answer(step)


def ended_by_client(step: Step) -> None:
    """It becomes an item at once; its words follow."""
    step.stop_timer(Timer.COMMIT)
    step.stop_timer(Timer.IDLE)
    if step.machine.turn is None:
        number = step.machine.turns + 1
        step.now(turns=number, turn=Turn(number, is_open=False))
    turn = step.machine.turn
    if turn is None or turn.is_ended:
        return
    if turn.is_pending:
        _interrupt(step)
    answers.discard(step)
    _tell_stopped(step)
    step.turn_is(is_ended=True)
    step.do(do.CommitTurn(turn.number))


def wholly_heard(step: Step) -> None:
    """The words of a turn that the client ended."""
    turn = step.machine.turn
    if turn is None or not turn.is_ended:
        return
    step.do(do.TellTranscript(turn.number, turn.text, turn.discarded))
    step.now(turn=None)
    answers.next_answer(step)


def lost(step: Step) -> None:
    """The client has cleared it, or nobody can hear it."""
    turn = step.machine.turn
    if turn is None:
        return
    if turn.is_pending:
        false_alarm(step)
        return
    answers.discard(step)
    forget(step)


def all_heard(step: Step) -> None:
    """Nothing more is said."""
    step.now(is_all_heard=True)
    turn = step.machine.turn
    if turn is None:
        return
    if turn.is_ended:
        wholly_heard(step)
    elif turn.is_pending:
        false_alarm(step)
    elif turn.texts and step.machine.rules.ends_turns:
        commit(step, turn)
    else:
        answers.discard(step)
        forget(step)


def forget(step: Step) -> None:
    """Nothing was said, or nothing is known of it."""
    turn = step.machine.turn
    if turn is None:
        return
    step.stop_timer(Timer.COMMIT)
    _tell_stopped(step)
    step.do(do.ForgetTurn(turn.number))
    step.now(turn=None)
    answers.next_answer(step)


def false_alarm(step: Step) -> None:
    """It was nothing: the answer goes on from where it was heard last."""
    forget(step)
    if step.machine.answer is not None:
        step.do(do.Resume(step.machine.answer.epoch))
        step.answer_is(is_halted=False)


def no_longer_pending(step: Step) -> None:
    """The answer that was spoken into has ended by itself."""
    if step.machine.turn is not None and step.machine.turn.is_pending:
        step.turn_is(is_pending=False)
        _tell_started(step)


def _interrupt(step: Step) -> None:
    answers.stop(step, "turn_detected")
    step.turn_is(is_pending=False)
    _tell_started(step)


def _idled(step: Step) -> None:
    if step.machine.turn is not None or step.machine.answer is not None:
        return
    number = step.machine.turns + 1
    step.now(turns=number)
    step.do(do.TellIdle(number), do.CommitTurn(number), do.TellTranscript(number, ""))
    if step.machine.rules.answers_silence:
        answers.begin(step)


def _tell_started(step: Step) -> None:
    turn = step.machine.turn
    if turn is not None and step.machine.rules.ends_turns and not turn.is_told and not turn.is_ended:
        step.do(do.TellSpeechStarted(turn.number, turn.begin_ms))
        step.turn_is(is_told=True)


def _tell_stopped(step: Step) -> None:
    turn = step.machine.turn
    if turn is not None and turn.is_told:
        step.do(do.TellSpeechStopped(turn.number, turn.begin_ms if turn.end_ms is None else turn.end_ms))
        step.turn_is(is_told=False)


def _was_long_silent(step: Step, turn: Turn, offset_ms: int) -> bool:
    """Audio that comes faster than it was spoken holds silences that no timer has seen."""
    if turn.end_ms is None or not turn.texts or turn.is_ended or not step.machine.rules.ends_turns:
        return False
    return offset_ms - turn.end_ms >= _silence_ms(step, turn)


def _silence_ms(step: Step, turn: Turn) -> int:
    rules = step.machine.rules
    return rules.silence_ms if turn.sounds_finished else max(rules.silence_ms, rules.longest_silence_ms)


def _interrupt_ms(step: Step, answer: Answer) -> int:
    rules = step.machine.rules
    early = answer.began_ms is not None and step.now_ms - answer.began_ms < EARLY_MS
    return max(rules.interrupt_ms, rules.early_interrupt_ms) if early else rules.interrupt_ms
