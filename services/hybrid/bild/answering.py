"""A chat answered by Big Little decoding: the little model's service drafts, the big one's verifies, text goes out.

Where the big model is gone in the middle, the little one goes on alone, and the answer says so.
"""

import time
import uuid
from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import dataclass, field

import grpc
from ledge.llm.v1 import llm_pb2 as pb

from services.hybrid import metrics
from services.hybrid.backend import Backend, is_callers_fault
from services.hybrid.big import Big, Caller, Unavailable
from services.hybrid.bild.cost import CostModel
from services.hybrid.bild.decoding import Policy, Propose, Verdict, Verify, decode
from services.hybrid.bild.drafting import draft
from services.hybrid.bild.remote import RemoteVerifier
from services.hybrid.budget import Reservation
from services.hybrid.modes import Why
from services.hybrid.outcome import Outcome
from services.kit.errors import EngineFailed, InvalidInput
from services.kit.stop_strings import StopStrings

UNABLE = {
    grpc.StatusCode.FAILED_PRECONDITION: Why.OTHER_VOCABULARY,
    grpc.StatusCode.UNIMPLEMENTED: Why.NO_VERIFIER,
}
"""What a big model says that is well, but cannot verify."""


@dataclass
class _Sequence:
    """One answer on its way; all of its state."""

    prompt: Sequence[int]
    ends: Collection[int]
    stops: StopStrings
    ids: list[int] = field(default_factory=list)
    shown: int = 0
    """Characters of the text that were fed to `stops`."""
    sent: bool = False
    """The big model may have read the prompt."""
    alone: bool = False
    """The big model is gone."""
    draft_s: float = 0.0
    big_calls: int = 0
    big_tokens: int = 0
    drafted: int = 0


class BigLittle:
    """Shared by all calls of one event loop.

    Args:
        name: what the answers say they come from.
        keep: go on where it loses.
    """

    def __init__(
        self, big: Big, little: Backend, name: str, max_draft_tokens: int, cost: CostModel, *, keep: bool = False
    ) -> None:
        self._big = big
        self._little = little
        self._name = name
        self._max_draft_tokens = max_draft_tokens
        self.cost = cost
        self._keep = keep
        metrics.BILD_ON.set(1)

    def is_on(self) -> bool:
        """Whether the next answer is made so: what it costs here and now decides, unless it is to be kept on."""
        on = self._keep or self.cost.is_on(time.monotonic())
        metrics.BILD_ON.set(on)
        return on

    async def answer(
        self, request: pb.ChatRequest, caller: Caller, outcome: Outcome
    ) -> AsyncGenerator[pb.ChatStreamResponse, None]:
        """The events of the answer.

        Raises:
            Unavailable: before the first event, where the big model cannot be had.
            InvalidInput: the prompt fills the context; or the little model's engine does not know its vocabulary,
                and it was the request that asked for this mode.
        """
        if why := self._big.at_rest:
            raise Unavailable(why)
        told = await self._little.llm.Tokenize(pb.TokenizeRequest(messages=pb.MessageList(messages=request.messages)))
        if not told.vocabulary_sha256 or not told.end_token_ids:
            if outcome.choice.why is Why.REQUEST:
                raise InvalidInput("the little model's engine does not know its vocabulary, so it cannot draft")
            raise Unavailable(Why.UNSUITED)
        room = told.max_context_tokens - len(told.token_ids) - 1
        if room < 1:
            raise InvalidInput(
                f"the prompt has {len(told.token_ids)} tokens, the context holds {told.max_context_tokens}, "
                "answer included"
            )
        asked = request.sampling.max_tokens if request.sampling.HasField("max_tokens") else room
        choice = outcome.choice
        policy = Policy(choice.fallback, choice.rollback, self._max_draft_tokens)
        # The prompt once; each round then takes more as it comes.
        reservation = self._big.reserve(caller, len(told.token_ids))
        verifier = RemoteVerifier(
            self._big.backend.verifier,
            told.vocabulary_sha256,
            told.token_ids,
            choice.rollback,
            told.end_token_ids,
            self._big.patience_s(),
        )
        sequence = _Sequence(told.token_ids, frozenset(told.end_token_ids), StopStrings(request.sampling.stop))
        answer_id = f"chatcmpl-{uuid.uuid4().hex}"
        steps = decode(len(told.token_ids), policy, min(asked, room), sequence.ends)
        back: tuple[int, ...] | Verdict | None = None
        try:
            while True:
                try:
                    step = steps.send(back)  # type: ignore[arg-type]
                except StopIteration:
                    break
                if isinstance(step, Propose):
                    began_s = time.monotonic()
                    wanted = Policy(0.0, policy.rollback, policy.max_draft_tokens) if sequence.alone else policy
                    back = await draft(self._little, [*told.token_ids, *sequence.ids], step, wanted, sequence.ends)
                    sequence.draft_s = time.monotonic() - began_s
                    self._count_draft(back, step, sequence.ends)
                    continue
                verdict = await self._verdict(step, verifier, sequence, reservation, caller, outcome)
                back = verdict
                sequence.ids += step.drafted[: verdict.accepted]
                if verdict.next_token is not None:
                    sequence.ids.append(verdict.next_token)
                del sequence.ids[min(asked, room) :]
                if text := await self._text(sequence, last=False):
                    yield pb.ChatStreamResponse(id=answer_id, model=self._name, delta=text)
                if sequence.stops.met:
                    break
            yield await self._end(sequence, answer_id)
        finally:
            verifier.close()
            if not sequence.sent:
                reservation.cancel()
            outcome.figures |= {
                "big-calls": str(sequence.big_calls),
                "big-tokens": str(len(told.token_ids) + sequence.big_tokens if sequence.big_calls else 0),
                "reconnects": str(verifier.reconnects),
            }

    async def _verdict(
        self,
        step: Verify,
        verifier: RemoteVerifier,
        sequence: _Sequence,
        reservation: Reservation,
        caller: Caller,
        outcome: Outcome,
    ) -> Verdict:
        """The big model's; or the little one's own approval, once the big one is gone."""
        if not sequence.alone:
            try:
                return await self._asked(step, verifier, sequence, reservation, caller, outcome)
            except Unavailable as unavailable:
                if not sequence.big_calls:
                    raise
                sequence.alone = True
                outcome.without_big(unavailable.why)
        elif not step.drafted:
            raise EngineFailed("the little model says nothing")
        return Verdict(len(step.drafted), None)

    async def _asked(
        self,
        step: Verify,
        verifier: RemoteVerifier,
        sequence: _Sequence,
        reservation: Reservation,
        caller: Caller,
        outcome: Outcome,
    ) -> Verdict:
        if not reservation.extend(len(step.drafted) + 1, caller.tenant.cloud_tokens):
            raise Unavailable(Why.BUDGET)
        sequence.sent = True
        try:
            verdict = await verifier.verify(step)
        except TimeoutError as error:
            raise self._big.too_slow(verifier.waited_s) from error
        except EngineFailed as error:
            raise self._big.failed() from error
        except grpc.aio.AioRpcError as error:
            sequence.sent = sequence.big_calls > 0
            if (why := UNABLE.get(error.code())) is not None:
                raise Unavailable(why) from error
            if is_callers_fault(error):
                raise
            raise self._big.meaning(error, verifier.waited_s) from error
        if not sequence.big_calls:
            metrics.CLOUD_CALLS.inc()
            metrics.CLOUD_TOKENS.labels("prompt").inc(len(sequence.prompt))
        outcome.answered_by = "both"
        self._big.state = "up"
        sequence.big_calls += 1
        sequence.big_tokens += len(step.drafted) + 1
        kept = verdict.accepted + (verdict.next_token is not None)
        metrics.CLOUD_TOKENS.labels("answer").inc(len(step.drafted) + 1)
        metrics.BILD_TOKENS.labels("little").inc(verdict.accepted)
        metrics.BILD_TOKENS.labels("big").inc(kept - verdict.accepted)
        metrics.BILD_DISCARDED.inc(len(step.drafted) - verdict.accepted)
        if verdict.accepted < len(step.drafted):
            metrics.BILD_ROLLBACKS.inc()
        self.cost.note(sequence.draft_s, verifier.waited_s, verifier.compute_s, len(step.drafted), kept)
        return verdict

    def _count_draft(self, drafted: tuple[int, ...], step: Propose, ends: Collection[int]) -> None:
        metrics.BILD_RUN_TOKENS.observe(len(drafted))
        if len(drafted) < step.at_most and not (drafted and drafted[-1] in ends):
            metrics.BILD_FALLBACKS.inc()

    async def _text(self, sequence: _Sequence, *, last: bool) -> str:
        """What is new of the text and may be shown: no half characters, no beginnings of stop strings."""
        ids = [token for token in sequence.ids if token not in sequence.ends]
        text = (await self._little.llm.Detokenize(pb.DetokenizeRequest(token_ids=ids))).text if ids else ""
        if not last:
            text = text.rstrip("\ufffd")
        new, sequence.shown = text[sequence.shown :], max(sequence.shown, len(text))
        return sequence.stops.feed(new) if new else ""

    async def _end(self, sequence: _Sequence, answer_id: str) -> pb.ChatStreamResponse:
        text = ""
        if not sequence.stops.met:
            text = await self._text(sequence, last=True)
        if not sequence.stops.met:
            text += sequence.stops.finish()
        ended = sequence.stops.met or (bool(sequence.ids) and sequence.ids[-1] in sequence.ends)
        return pb.ChatStreamResponse(
            id=answer_id,
            model=self._name,
            delta=text,
            finish_reason=pb.STOP if ended else pb.LENGTH,
            usage=pb.Usage(prompt_tokens=len(sequence.prompt), completion_tokens=len(sequence.ids)),
        )
