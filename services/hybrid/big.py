"""The big model: called within the caller's budget and only while it is there; else the little one is to answer.

answer ──► at rest? ──► reserve ──► call ──► first event in time? ──► events, then settle
             │ yes        │ no        │ cannot be reached, fails         │ no
             └────────────┴───────────┴───────── Unavailable(why) ───────┘   before the first event, and never after it
"""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import grpc
from ledge.llm.v1 import llm_pb2 as pb

from services.hybrid import metrics
from services.hybrid.backend import Backend, cannot_be_reached, events, is_callers_fault
from services.hybrid.budget import Budget, Reservation
from services.hybrid.kinds import Kind
from services.hybrid.modes import Why
from services.hybrid.outcome import Outcome
from services.hybrid.tenants import Tenant
from services.kit.context import current_call

REST_S = 5.0
"""How long a model that did not answer is left alone: calls must not each wait for it in vain."""
TEMPLATE_TOKENS = 64
MESSAGE_TOKENS = 8
"""What a chat template may add, to a prompt and to each message."""


class Unavailable(Exception):
    """Nothing of the big model's answer was told yet, and none is to come."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True)
class Caller:
    """Who pays."""

    name: str
    tenant: Tenant


class Big:
    """Shared by all calls of one event loop."""

    def __init__(
        self,
        backend: Backend,
        budget: Budget,
        first_token_s: float,
        max_tokens: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.backend = backend
        self.budget = budget
        self._first_token_s = first_token_s
        self._max_tokens = max_tokens
        self._clock = clock
        self._rests_until_s = -1.0
        self._why_rests = Why.BIG_DOWN
        self.state = "unknown"

    @property
    def at_rest(self) -> Why | None:
        """Why it is not asked now; None where it is."""
        return self._why_rests if self._clock() < self._rests_until_s else None

    async def answer(self, kind: Kind, request: Any, caller: Caller, outcome: Outcome) -> AsyncGenerator[Any, None]:
        """The events of its answer. `request` names no model of ours, and is left as it is.

        Raises:
            Unavailable: the little model is to answer.
            AioRpcError: the request is wrong, or it failed after its first words.
        """
        if why := self.at_rest:
            raise Unavailable(why)
        asked = kind.request()
        asked.CopyFrom(request)
        if caller.tenant.cloud_tokens is not None and not asked.sampling.HasField("max_tokens"):
            asked.sampling.max_tokens = self._max_tokens
        prompt_tokens = _prompt_tokens(asked)
        reservation = self.reserve(caller, prompt_tokens + _answer_tokens(asked, self._max_tokens))
        call = getattr(self.backend.llm, kind.stream)(kind.streamed(asked))
        asked_s, begun, counted, told_bytes = self._clock(), False, False, 0
        try:
            async with aclosing(events(call, self.patience_s())) as stream:
                async for event in stream:
                    if not begun:
                        begun = True
                        self.state = "up"
                        metrics.CLOUD_CALLS.inc()
                    told_bytes += _text_bytes(event)
                    if event.HasField("usage"):
                        counted = True
                        settle(reservation, event.usage.prompt_tokens, event.usage.completion_tokens, outcome)
                    yield event
            if not begun:
                metrics.CLOUD_CALLS.inc()
                raise self.failed()
            # What ended by itself and was not counted may have spent all that was reserved.
            counted = True
        except TimeoutError as error:
            if begun:
                raise
            metrics.CLOUD_CALLS.inc()
            raise self.too_slow(self._clock() - asked_s) from error
        except grpc.aio.AioRpcError as error:
            if begun:
                raise
            counted = True
            reservation.cancel()
            raise self.meaning(error, self._clock() - asked_s) from error
        finally:
            if not counted:
                reservation.settle_at_most(prompt_tokens + told_bytes)

    def reserve(self, caller: Caller, tokens: int) -> Reservation:
        """Raises Unavailable where the caller's budget has no room for a call of so many tokens."""
        tenant = caller.tenant
        reservation = self.budget.reserve(caller.name, tenant.cloud_calls, tenant.cloud_tokens, tokens)
        if reservation is None:
            metrics.REFUSED_BY_BUDGET.inc()
            raise Unavailable(Why.BUDGET)
        return reservation

    def meaning(self, error: grpc.aio.AioRpcError, waited_s: float) -> Exception:
        """Unavailable, or the error itself where no other model could help."""
        if is_callers_fault(error):
            return error
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return self.too_slow(waited_s)
        if not cannot_be_reached(error):
            return self.failed()
        self._rest(Why.BIG_DOWN)
        return Unavailable(Why.BIG_DOWN)

    def too_slow(self, waited_s: float) -> Unavailable:
        """For one caller; for all of them only where it had as long as anybody gives it."""
        if waited_s >= self._first_token_s:
            self._rest(Why.BIG_SLOW)
        return Unavailable(Why.BIG_SLOW)

    def failed(self) -> Unavailable:
        """It is there, and what it says is no answer; it may have one for the next caller."""
        self.state = "down"
        return Unavailable(Why.BIG_FAILED)

    def _rest(self, why: Why) -> None:
        self.state = "down"
        self._why_rests = why
        self._rests_until_s = self._clock() + REST_S

    def patience_s(self) -> float:
        """How long to wait for its first words: the little model needs time to answer in its place."""
        call = current_call()
        remaining_s = None if call is None else call.remaining_s()
        return self._first_token_s if remaining_s is None else min(self._first_token_s, remaining_s / 2)


def settle(reservation: Reservation, prompt_tokens: int, answer_tokens: int, outcome: Outcome) -> None:
    """A backend that counts nothing leaves what was reserved spent."""
    if not prompt_tokens + answer_tokens:
        return
    reservation.settle(prompt_tokens + answer_tokens)
    metrics.CLOUD_TOKENS.labels("prompt").inc(prompt_tokens)
    metrics.CLOUD_TOKENS.labels("answer").inc(answer_tokens)
    outcome.figures["big-tokens"] = str(prompt_tokens + answer_tokens)


def _prompt_tokens(request: pb.ChatRequest | pb.CompleteRequest) -> int:
    """At most: no token is shorter than a byte, and no message than its texts."""
    messages = len(request.messages) if isinstance(request, pb.ChatRequest) else 0
    return request.ByteSize() + TEMPLATE_TOKENS + MESSAGE_TOKENS * messages


def _answer_tokens(request: pb.ChatRequest | pb.CompleteRequest, max_tokens: int) -> int:
    """At most, of all answers that are asked for."""
    sampling = request.sampling
    return (sampling.max_tokens if sampling.HasField("max_tokens") else max_tokens) * max(1, sampling.n)


def _text_bytes(event: Any) -> int:
    calls = event.tool_calls if isinstance(event, pb.ChatStreamResponse) else ()
    return len(event.delta.encode()) + sum(len(f"{call.name}{call.arguments_json}".encode()) for call in calls)
