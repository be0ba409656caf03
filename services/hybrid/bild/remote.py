"""The big model of Big Little decoding behind a VerifierService: token ids go up, verdicts come down.

A session is one stream for one sequence. What breaks (a connection, a server that stops) costs one session opened anew,
with all tokens that stand as its prompt, and the same draft again; nothing that was not verified ever stands.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

import grpc
from ledge.llm.v1 import llm_pb2 as pb

from services.hybrid import metrics
from services.hybrid.bild.decoding import Verdict, Verify
from services.kit.errors import EngineFailed, upstream_details


class RemoteVerifier:
    """For one sequence and one task.

    Args:
        stub: of VerifierService.
        vocabulary_sha256: of the little model, as its Tokenize tells it.
        first_within_s: how long the first verdict may take, prompt included; the others too.
    """

    def __init__(
        self,
        stub: Any,
        vocabulary_sha256: bytes,
        prompt: Sequence[int],
        rollback: float,
        ends: Collection[int],
        first_within_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stub = stub
        self._vocabulary_sha256 = vocabulary_sha256
        self._sequence = list(prompt)
        self._rollback = rollback
        self._ends = list(ends)
        self._within_s = first_within_s
        self._clock = clock
        self._call: Any = None
        self.reconnects = 0
        self.waited_s = 0.0
        """For the last verdict, whether it came or not."""
        self.compute_s = 0.0
        """Of the last verdict."""

    async def verify(self, step: Verify) -> Verdict:
        """Raises AioRpcError or TimeoutError where a second session fails too; EngineFailed for a senseless verdict."""
        del self._sequence[step.position :]
        draft = pb.VerifyDraft(
            position=step.position,
            token_ids=step.drafted,
            rollback_threshold=self._rollback,
            # They matter to what follows an end; most drafts have none, and lines are thin.
            end_token_ids=self._ends if step.drafted and step.drafted[-1] in self._ends else (),
            verdict_only=True,
        )
        if self._call is None:
            response = await self._asked_anew(draft)
        else:
            try:
                response = await self._asked(draft)
            except (grpc.aio.AioRpcError, TimeoutError, asyncio.InvalidStateError) as error:
                self._end()
                if isinstance(error, grpc.aio.AioRpcError) and _is_final(error):
                    raise
                self.reconnects += 1
                metrics.VERIFY_RECONNECTS.inc()
                response = await self._asked_once_more(draft)
        verdict = _read(response, step, self._ends)
        self._sequence += step.drafted[: verdict.accepted]
        if verdict.next_token is not None:
            self._sequence.append(verdict.next_token)
        return verdict

    def close(self) -> None:
        """Ends the session; the service frees its context."""
        self._end()

    async def _asked_once_more(self, draft: pb.VerifyDraft) -> pb.VerifyResponse:
        try:
            return await self._asked_anew(draft)
        except grpc.aio.AioRpcError as error:
            # What ends the old session is told before the channel knows that its connection is gone: the new one may
            # have been opened on it. The second is not.
            if upstream_details(error) or error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return await self._asked_anew(draft)

    async def _asked_anew(self, draft: pb.VerifyDraft) -> pb.VerifyResponse:
        self._call = self._stub.Verify()
        try:
            opened = pb.VerifyOpen(tokenizer_sha256=self._vocabulary_sha256, prompt_token_ids=self._sequence)
            await self._sent(pb.VerifyRequest(open=opened))
            return await self._asked(draft)
        except asyncio.InvalidStateError:
            # The other side ended the stream while it was written to; the status tells why.
            await self._raise_status()
            raise
        except BaseException:
            self._end()
            raise

    async def _asked(self, draft: pb.VerifyDraft) -> pb.VerifyResponse:
        began_s = self._clock()
        try:
            async with asyncio.timeout(self._within_s):
                await self._sent(pb.VerifyRequest(draft=draft))
                response = await self._call.read()
        finally:
            self.waited_s = self._clock() - began_s
        if response is grpc.aio.EOF:
            await self._raise_status()
        self.compute_s = response.compute_ms / 1000
        metrics.VERIFY_SECONDS.observe(self.waited_s)
        metrics.VERIFY_BYTES.labels("down").inc(response.ByteSize())
        answer: pb.VerifyResponse = response
        return answer

    async def _sent(self, request: pb.VerifyRequest) -> None:
        await self._call.write(request)
        metrics.VERIFY_BYTES.labels("up").inc(request.ByteSize())

    async def _raise_status(self) -> None:
        code = await self._call.code()
        # Nobody ends a session in good order but its client: what does, is stopping.
        code = grpc.StatusCode.UNAVAILABLE if code is grpc.StatusCode.OK else code
        trailing = await self._call.trailing_metadata()
        raise grpc.aio.AioRpcError(
            code, await self._call.initial_metadata(), trailing, await self._call.details() or "the session ended"
        )

    def _end(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None


def _is_final(error: grpc.aio.AioRpcError) -> bool:
    """Whether the service itself refused: asking it again changes nothing. A session may also just be too old."""
    passing = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    return bool(upstream_details(error)) and error.code() not in passing


def _read(response: pb.VerifyResponse, step: Verify, ends: Collection[int]) -> Verdict:
    """Raises EngineFailed for what is no verdict on this draft."""
    accepted = response.accepted
    if accepted > len(step.drafted):
        raise EngineFailed("the big model's verdict is not on the draft that it was sent")
    ended = accepted > 0 and step.drafted[accepted - 1] in ends
    return Verdict(accepted, None if ended else response.next_token_id)
