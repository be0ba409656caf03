"""Puts the question, and each sentence of the answer, before the guards of a run, within its budget."""

import asyncio

from services.rag.answer.run import Run
from services.rag.guards.guards import Checked, Classify

STEPS = 4
"""Kept of the budget for the guards: the question, as it is understood, and two sentences."""
LEAST_S = 0.5
"""What the guards may take for a sentence when the wall time is over: the best answer by then is checked as well."""


async def guard(run: Run, text: str, *, is_question: bool = False) -> Checked | None:
    """A text as the guards leave it; None where the budget does not reach to check it, so that it must not pass."""
    if not run.guards:
        return Checked(text)
    budget = run.budget
    since_s = run.clock()
    if run.guards.ask_others and not budget.take_guard_step():
        run.did("guard", "not checked: no step is left", since_s)
        return None
    within_s = budget.remaining_s if is_question else max(budget.remaining_s, LEAST_S)
    try:
        async with asyncio.timeout(within_s):
            checked = await run.guards.check(text, _classify(run), is_question=is_question)
    except TimeoutError:
        budget.exhausted = True
        run.did("guard", "not checked: no time is left", since_s)
        return None
    run.did("guard", checked.outcome, since_s)
    if checked.failed:
        run.do_without("topics")
    return checked


def _classify(run: Run) -> Classify | None:
    """The model's half of the guards, where it decides. Where nobody can say whether it would, it is asked for all the
    same, and gives no decision: a guard that is out of reach must not pass for one that was not wanted."""
    unknown = run.policy is None and run.asked.effort.is_judged and not run.asked.judge
    return run.judge.topic if run.judge.reads or unknown else None
