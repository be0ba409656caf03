"""The little model of Big Little decoding behind its llm service: any engine that tells log-probabilities can draft.

Greedy tokens are the most probable ones, so the log-probability of each tells how sure the model is. A draft is a
stream that is closed as soon as it is not; the service's prefix cache makes the next one cheap.
"""

import math
from collections.abc import Collection, Sequence
from contextlib import aclosing

from ledge.llm.v1 import llm_pb2 as pb

from services.hybrid.backend import Backend, events
from services.hybrid.bild.decoding import Policy, Propose, is_confident


async def draft(
    little: Backend, sequence: Sequence[int], step: Propose, policy: Policy, ends: Collection[int]
) -> tuple[int, ...]:
    """The tokens that the little model is sure of, at most as many as are asked for."""
    request = pb.CompleteStreamRequest(
        complete=pb.CompleteRequest(
            token_ids=pb.TokenIds(ids=sequence),
            sampling=pb.Sampling(temperature=0, max_tokens=step.at_most, top_logprobs=0),
        )
    )
    drafted: list[int] = []
    async with aclosing(events(little.llm.CompleteStream(request))) as stream:
        async for event in stream:
            for one in event.logprobs:
                if not is_confident(math.exp(one.logprob), policy) or len(drafted) == step.at_most:
                    return tuple(drafted)
                drafted.append(one.token_id)
                if one.token_id in ends:
                    return tuple(drafted)
            if event.finish_reason == pb.STOP and ends and len(drafted) < step.at_most:
                # The engine keeps the end to itself; it was its best token, and is verified like any other.
                drafted.append(min(ends))
    return tuple(drafted)
