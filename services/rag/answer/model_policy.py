"""Knows how the model at hand is trusted to answer: by quoting the evidence, or by composing from it."""

import time
from collections.abc import Callable

import grpc
from ledge.llm.v1 import llm_pb2
from ledge.rag.v1 import rag_pb2 as pb

from services.rag.peers import Peers

KNOWN_FOR_S = 30.0
UNKNOWN_FOR_S = 15.0
TIMEOUT_S = 2.0


class ModelPolicy:
    """Asks the llm service what its model's catalogue entry says, and remembers it for a while. Share it."""

    def __init__(self, peers: Peers, configured: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._llm = peers.llm
        self._configured = configured
        self._clock = clock
        self._known: pb.Policy | None = None
        self._ask_after_s = -1.0

    async def get(self, within_s: float = TIMEOUT_S) -> "pb.Policy | None":
        """QUOTE or COMPOSE; None: the llm service cannot be asked, so there is nobody to compose.

        Args:
            within_s: how long the caller can wait for it; one who cannot leaves what is known as it is.
        """
        if self._configured != "model":
            return pb.COMPOSE if self._configured == "compose" else pb.QUOTE
        if self._clock() >= self._ask_after_s:
            known = await self._ask(min(within_s, TIMEOUT_S))
            if known is None and within_s < TIMEOUT_S:
                return self._known
            self._known = known
            self._ask_after_s = self._clock() + (UNKNOWN_FOR_S if known is None else KNOWN_FOR_S)
        return self._known

    async def _ask(self, timeout_s: float) -> "pb.Policy | None":
        try:
            models = (await self._llm.ListModels(llm_pb2.ListModelsRequest(), timeout=timeout_s)).models
        except grpc.aio.AioRpcError:
            return None
        return pb.COMPOSE if models and models[0].answer_policy == "compose" else pb.QUOTE
