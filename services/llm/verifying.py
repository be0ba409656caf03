"""VerifierService over gRPC: one session a stream, whose drafts an engine scores (Big Little decoding).

open (prompt, vocabulary) ──► draft ──► score ──► verdict ──► draft ──► …
                                │ what stands, and the model's own token, are the context of the next
                                └ a lower position than the context's length: cut back first
"""

import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
from ledge.llm.v1 import llm_pb2 as pb
from ledge.llm.v1 import llm_pb2_grpc as rpc

from services.kit.errors import InvalidInput, Overloaded
from services.llm.engine import Model, Scorer, Scoring
from services.llm.request import check_model, read_token_ids

MAX_SESSIONS = 64
MAX_DRAFT_TOKENS = 1024
BUSY_RETRY_S = 1.0


class Verifying(rpc.VerifierServiceServicer):
    """Shared by all sessions of one event loop."""

    def __init__(self, engine: Scorer, model: Model, max_sessions: int = MAX_SESSIONS) -> None:
        self._engine = engine
        self._model = model
        self._max_sessions = max_sessions
        self._sessions = 0

    async def Verify(
        self, request_iterator: AsyncIterator[pb.VerifyRequest], context: Any
    ) -> AsyncIterator[pb.VerifyResponse]:
        if self._sessions >= self._max_sessions:
            raise Overloaded(f"{self._sessions} sessions are open, and no more are", retry_after_s=BUSY_RETRY_S)
        self._sessions += 1
        session: _Session | None = None
        try:
            async for request in request_iterator:
                match request.WhichOneof("request"):
                    case "open" if session is None:
                        session = await self._opened(request.open, context)
                    case "draft" if session is not None:
                        yield await session.verdict(request.draft)
                    case _:
                        raise InvalidInput("a session begins with `open`, and has drafts and nothing else after it")
        finally:
            self._sessions -= 1
            if session is not None:
                await session.scoring.close()

    async def _opened(self, asked: pb.VerifyOpen, context: Any) -> "_Session":
        check_model(asked.model, self._model)
        if not self._model.vocabulary_sha256 or asked.tokenizer_sha256 != self._model.vocabulary_sha256:
            await context.abort(
                grpc.StatusCode.FAILED_PRECONDITION, f"the drafts' vocabulary is another than {self._model.id} has"
            )
        prompt = read_token_ids(asked.prompt_token_ids, self._model)
        if not prompt:
            raise InvalidInput("the prompt is empty")
        if len(prompt) >= self._model.max_context_tokens:
            raise InvalidInput(
                f"the prompt has {len(prompt)} tokens, the context holds {self._model.max_context_tokens}, "
                "answer included"
            )
        return _Session(self._engine.open_scoring(prompt), len(prompt), self._model)


class _Session:
    """What stands of one sequence, and the model's own token after it, which is not computed yet."""

    def __init__(self, scoring: Scoring, length: int, model: Model) -> None:
        self.scoring = scoring
        self._length = length
        self._own: int | None = None
        self._model = model

    async def verdict(self, draft: pb.VerifyDraft) -> pb.VerifyResponse:
        drafted = read_token_ids(draft.token_ids, self._model)
        self._check(draft, drafted)
        follows_own = self._own is not None and draft.position == self._length + 1
        lead = [self._own] if follows_own and self._own is not None else []
        began_s = time.monotonic()
        scores = await self.scoring.score(draft.position - len(lead), [*lead, *drafted])
        compute_ms = (time.monotonic() - began_s) * 1000
        negative_logprobs, best = scores.negative_logprobs[len(lead) :], scores.most_probable[len(lead) :]
        accepted = len(drafted)
        if draft.HasField("rollback_threshold"):
            accepted = standing(drafted, negative_logprobs, best, draft.rollback_threshold)
        ended = accepted > 0 and drafted[accepted - 1] in draft.end_token_ids
        self._length = draft.position + accepted
        self._own = None if ended else best[accepted]
        response = pb.VerifyResponse(accepted=accepted, compute_ms=compute_ms)
        if self._own is not None:
            response.next_token_id = self._own
        if not draft.verdict_only:
            response.position = self._length + (self._own is not None)
            response.negative_logprobs.extend(negative_logprobs)
            response.argmax_token_ids.extend(best[: len(drafted)])
        return response

    def _check(self, draft: pb.VerifyDraft, drafted: Sequence[int]) -> None:
        length = self._length + (self._own is not None)
        if not 1 <= draft.position <= length:
            raise InvalidInput(f"the draft starts at {draft.position}, the context has {length} tokens")
        if len(drafted) > MAX_DRAFT_TOKENS:
            raise InvalidInput(f"{len(drafted)} drafted tokens; a draft has up to {MAX_DRAFT_TOKENS}")
        if draft.position + len(drafted) >= self._model.max_context_tokens:
            raise InvalidInput(
                f"{draft.position} tokens and {len(drafted)} drafted ones fill the context, which holds "
                f"{self._model.max_context_tokens}"
            )
        if draft.HasField("rollback_threshold") and not draft.rollback_threshold >= 0:
            raise InvalidInput("rollback_threshold is below 0, or no number")


def standing(drafted: Sequence[int], negative_logprobs: Sequence[float], best: Sequence[int], threshold: float) -> int:
    """How many drafted tokens stand: those before the first that is too improbable and not the most probable."""
    for place, token in enumerate(drafted):
        if token != best[place] and negative_logprobs[place] > threshold:
            return place
    return len(drafted)
