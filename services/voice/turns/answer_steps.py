"""The assistant's side of the machine: answers begin, are held back, released, interrupted, and end."""

import re

from services.voice.turns import effects as do
from services.voice.turns.effects import Refusal
from services.voice.turns.inputs import Timer
from services.voice.turns.standing import Answer, Step, Turn

_WORD = re.compile(r"\w+")


def answer_turn(step: Step, turn: Turn) -> None:
    """Answers a turn that was committed, by what was begun for it where that is there."""
    answer = step.machine.answer
    if answer is not None and not answer.is_told:
        step.answer_is(is_told=True)
        step.do(do.Release(answer.epoch))
    elif step.machine.is_answering:
        step.now(wants_answer=True)
    else:
        begin(step)


def begin(step: Step) -> None:
    """Answers the conversation as it stands. An older answer was heard."""
    if step.machine.answer is not None:
        step.do(do.Retire(step.machine.answer.epoch))
    epoch = step.machine.epoch + 1
    step.now(epoch=epoch, answer=Answer(epoch), wants_answer=False)
    step.do(do.Begin(epoch))


def speculate(step: Step) -> None:
    """Begins to answer a turn that may have ended."""
    turn = step.machine.turn
    if turn is None or not _may_speculate(step) or turn.tries >= step.machine.rules.most_tries:
        return
    step.turn_is(tries=turn.tries + 1)
    _begin_silently(step, turn, turn.text)


def speculate_early(step: Step) -> None:
    """Begins to answer a turn whose words are the same for a while, though somebody still speaks."""
    turn = step.machine.turn
    if turn is None or not _may_speculate(step) or turn.was_early:
        return
    step.turn_is(was_early=True)
    _begin_silently(step, turn, turn.text_so_far)


def _may_speculate(step: Step) -> bool:
    """There is one answer at a time, heard or not."""
    machine = step.machine
    return machine.answer is None and machine.rules.speculates and machine.rules.answers


def _begin_silently(step: Step, turn: Turn, text: str) -> None:
    epoch = step.machine.epoch + 1
    step.now(epoch=epoch, answer=Answer(epoch, turn.number, text, is_told=False))
    step.do(do.Begin(epoch, text))


def discard_unless(step: Step, text: str) -> None:
    """What was begun stays where it answers these words; capitals and punctuation come late, and change nothing."""
    answer = step.machine.answer
    if answer is not None and _words(answer.text) != _words(text):
        discard(step)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def discard(step: Step) -> None:
    """The turn goes on: what was begun for it answers something else."""
    answer, turn = step.machine.answer, step.machine.turn
    if answer is None or answer.is_told:
        return
    step.do(do.Discard(answer.epoch))
    step.now(answer=None, epoch=step.machine.epoch + 1)
    if turn is not None:
        step.turn_is(discarded=turn.discarded + 1)


def stop(step: Step, reason: str) -> None:
    """Ends the answer; the history keeps what was heard of it."""
    answer = step.machine.answer
    if answer is None or not answer.is_told:
        return
    if answer.began_ms is not None and not answer.is_halted:
        step.do(do.Halt(answer.epoch))
    step.do(do.CutShort(answer.epoch) if answer.is_over else do.EndResponse(answer.epoch, reason))
    step.now(answer=None, epoch=step.machine.epoch + 1)


def ended(step: Step, plays_on: bool) -> None:
    """All of it was sent, or it failed."""
    answer = step.machine.answer
    if answer is None or answer.is_over:
        return
    step.do(do.CompleteResponse(answer.epoch))
    if plays_on:
        step.answer_is(is_over=True)
        if step.machine.wants_answer:
            next_answer(step)
    else:
        gone(step)


def gone(step: Step) -> None:
    """The answer was heard to its end."""
    if step.machine.answer is not None:
        step.do(do.Retire(step.machine.answer.epoch))
        step.now(answer=None)
    next_answer(step)


def next_answer(step: Step) -> None:
    """Begins the one that had to wait."""
    machine = step.machine
    words_to_come = machine.turn is not None and machine.turn.is_ended
    if machine.wants_answer and not machine.is_answering and not words_to_come:
        begin(step)
    else:
        await_idly(step)


def await_idly(step: Step) -> None:
    machine = step.machine
    if machine.rules.idle_timeout_ms is not None and machine.turn is None and machine.answer is None:
        step.set_timer(Timer.IDLE, machine.rules.idle_timeout_ms)


def wanted(step: Step) -> None:
    """By the client."""
    machine = step.machine
    if machine.is_answering or machine.wants_answer:
        step.do(do.Refuse(Refusal.ACTIVE_RESPONSE))
    elif machine.turn is not None and machine.turn.is_ended:
        step.now(wants_answer=True)
    else:
        discard(step)
        begin(step)


def unwanted(step: Step) -> None:
    """By the client."""
    if step.machine.is_heard:
        # A client that hears of speech may be quicker to stop than we are to be sure of it.
        interrupted = step.machine.turn is not None and step.machine.turn.is_pending
        stop(step, "turn_detected" if interrupted else "client_cancelled")
    elif step.machine.wants_answer:
        step.now(wants_answer=False)
    else:
        step.do(do.Refuse(Refusal.NO_RESPONSE))
