"""VerifierService over gRPC: one session a stream, whose drafts an engine scores (Big Little decoding).

open (prompt, vocabulary) ──► draft ──► score ──► verdict ──► draft ──► …
                                │ what stands, and the model's own token, are the context of the next
                                └ a lower position than the context's length: cut back first
"""

import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
from ledge.llm.v1 import llm_pb2 as pb
from ledge.llm.v1 import llm_pb2_grpc as rpc

from services.kit.errors import InvalidInput, Overloaded
from services.llm.engine import Model, Scorer, Scores, Scoring
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
        try:
            scoring: Scoring | None = None
            async for request in request_iterator:
                match request.WhichOneof("request"):
                    case "open" if scoring is None:
                        scoring = await self._opened(request.open, context)
                    case "draft" if scoring is not None:
                        yield await self._verdict(scoring, request.draft)
                    case _:
                        raise InvalidInput("a session begins with `open`, and has drafts and nothing else after it")
        finally:
            self._sessions -= 1
            if scoring is not None:
                await scoring.close()

    async def _opened(self, asked: pb.VerifyOpen, context: Any) -> Scoring:
        check_model(asked.model, self._model)
        if not self._model.vocabulary_sha256 or asked.tokenizer_sha256 != self._model.vocabulary_sha256:
            await context.abort(
                grpc.StatusCode.FAILED_PRECONDITION, f"the drafts' vocabulary is another than {self._model.id} has"
            )
        if not asked.prompt_token_ids:
            raise InvalidInput("the prompt is empty")
        if len(asked.prompt_token_ids) >= self._model.max_context_tokens:
            raise InvalidInput(
                f"the prompt has {len(asked.prompt_token_ids)} tokens, the context holds "
                f"{self._model.max_context_tokens}, answer included"
            )
        return self._engine.open_scoring(read_token_ids(asked.prompt_token_ids, self._model))

    async def _verdict(self, scoring: Scoring, draft: pb.VerifyDraft) -> pb.VerifyResponse:
        if not 1 <= draft.position <= scoring.length:
            raise InvalidInput(f"the draft starts at {draft.position}, the context has {scoring.length} tokens")
        if len(draft.token_ids) > MAX_DRAFT_TOKENS:
            raise InvalidInput(f"{len(draft.token_ids)} drafted tokens; a draft has up to {MAX_DRAFT_TOKENS}")
        room = self._model.max_context_tokens - draft.position
        if len(draft.token_ids) + 1 > room:
            raise InvalidInput(f"{draft.position} tokens and {len(draft.token_ids)} drafted ones fill the context")
        if draft.HasField("rollback_threshold") and not draft.rollback_threshold >= 0:
            raise InvalidInput("rollback_threshold is below 0, or no number")
        began_s = time.monotonic()
        scores = await scoring.score(draft.position, read_token_ids(draft.token_ids, self._model))
        compute_ms = (time.monotonic() - began_s) * 1000
        threshold = draft.rollback_threshold if draft.HasField("rollback_threshold") else None
        accepted = standing(draft.token_ids, scores, threshold)
        ended = accepted > 0 and draft.token_ids[accepted - 1] in draft.end_token_ids
        response = pb.VerifyResponse(accepted=accepted, position=draft.position + accepted, compute_ms=compute_ms)
        if not ended:
            response.next_token_id = scores.most_probable[accepted]
            response.position += 1
        if not draft.verdict_only:
            response.negative_logprobs.extend(scores.negative_logprobs)
            response.argmax_token_ids.extend(scores.most_probable[: len(draft.token_ids)])
        return response


def standing(drafted: Any, scores: Scores, threshold: float | None) -> int:
    """How many drafted tokens stand: those before the first that is too improbable and not the most probable."""
    if threshold is None:
        return len(drafted)
    for place, token in enumerate(drafted):
        if token != scores.most_probable[place] and scores.negative_logprobs[place] > threshold:
            return place
    return len(drafted)
