"""The little model answers; where it was unsure of its own words, the big one answers anew (AutoMix, FrugalGPT).

How sure it was is the mean log-probability of its tokens. Nothing of its answer is told before that is known.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from services.hybrid import metrics
from services.hybrid.backend import Backend, events
from services.hybrid.big import Big, Caller, Unavailable
from services.hybrid.kinds import Kind
from services.hybrid.modes import Why
from services.hybrid.outcome import Outcome


async def cascade(
    big: Big, little: Backend, kind: Kind, request: Any, caller: Caller, outcome: Outcome
) -> AsyncGenerator[Any, None]:
    """The events of the answer that counts."""
    asked = kind.request()
    asked.CopyFrom(request)
    wants_logprobs = asked.sampling.HasField("top_logprobs")
    if not wants_logprobs:
        asked.sampling.top_logprobs = 0
    told: list[Any] = []
    async with aclosing(events(getattr(little.llm, kind.stream)(kind.streamed(asked)))) as stream:
        async for event in stream:
            told.append(event)
    certainty = mean_logprob(told)
    if certainty is not None:
        outcome.figures["logprob"] = f"{certainty:.4f}"
        metrics.CASCADE_LOGPROB.observe(certainty)
    if certainty is None or certainty >= outcome.choice.threshold:
        outcome.why = Why.CONFIDENT
    else:
        try:
            async with aclosing(big.answer(kind, request, caller, outcome)) as stream:
                async for event in stream:
                    outcome.answered_by, outcome.why = "big", Why.UNSURE
                    yield event
            return
        except Unavailable as unavailable:
            outcome.without_big(unavailable.why)
    for event in told:
        if not wants_logprobs:
            event.ClearField("logprobs")
        yield event


def mean_logprob(events: Sequence[Any]) -> float | None:
    """Of all tokens of an answer; None where none were told, as of a tool call."""
    logprobs = [one.logprob for event in events for one in event.logprobs]
    return sum(logprobs) / len(logprobs) if logprobs else None
