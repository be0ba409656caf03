"""What the two models, and both together, are called; learnt from their services, and remembered for a while."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from ledge.model.v1 import model_pb2

from services.hybrid.backend import Backend
from services.hybrid.choice import Names
from services.hybrid.modes import Mode, Why
from services.kit.errors import LedgeError, NotFound, NotReady, Overloaded

KNOWN_FOR_S = 30.0
UNKNOWN_FOR_S = 2.0
ASK_TIMEOUT_S = 2.0


class Naming:
    """Shared by all calls of one event loop."""

    none = Names()

    def __init__(
        self,
        name: str,
        mode: Mode,
        little: Backend,
        big: Backend | None,
        window_ends_in_s: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.both = frozenset({name})
        self._mode = mode
        self._little = _Side(little, clock)
        self._big = _Side(big, clock)
        self._window_ends_in_s = window_ends_in_s

    @property
    def models(self) -> Sequence[model_pb2.ModelInfo]:
        """What is known without asking."""
        little, big = self._little.models, self._big.models
        together = model_pb2.ModelInfo(id=self.name, engine="hybrid")
        if little:
            together.max_context_tokens = little[0].max_context_tokens
        # Who words most answers is trusted as that model is.
        wording = big if self._mode is Mode.CLOUD and big else little
        if wording:
            together.answer_policy = wording[0].answer_policy
        return [together, *little, *big]

    async def listed(self) -> Sequence[model_pb2.ModelInfo]:
        """Both together first. A service that cannot be asked is left out."""
        await self._little.ask()
        await self._big.ask()
        return self.models

    async def big(self) -> frozenset[str]:
        """Names of the big model that are not the little one's too."""
        await self._little.ask()
        await self._big.ask()
        return self._big.names - self._little.names

    async def names(self, wanted: str) -> Names:
        """All names, `wanted` among them or ours for both. Raises NotFound where it is nobody's."""
        if wanted not in self.both:
            await self._little.ask()
            await self._big.ask()
            known = self._little.names | self._big.names
            # Where a service did not tell its names, it is asked with the request itself.
            if wanted not in known and self._little.told and self._big.told:
                raise NotFound(f"no model {wanted!r} here; there are {', '.join(map(repr, sorted(known | self.both)))}")
        return Names(self._little.names, self._big.names)

    def gone(self, model: str, why: Why) -> LedgeError:
        """What a request is told that named the big model, and nothing but it."""
        if why is Why.BUDGET:
            return Overloaded(f"the budget for {model!r} is spent", retry_after_s=max(0.05, self._window_ends_in_s()))
        return NotReady(f"{model!r} cannot be had now ({why.value}); name no model, and the little one answers")


class _Side:
    """One backend's models."""

    def __init__(self, backend: Backend | None, clock: Callable[[], float]) -> None:
        self._backend = backend
        self._clock = clock
        self._ask_after_s = -1.0
        self.models: list[Any] = []
        self.told = backend is None
        self.names: frozenset[str] = frozenset()

    async def ask(self) -> None:
        if self._backend is None or self._clock() < self._ask_after_s:
            return
        try:
            self.models = await self._backend.models(ASK_TIMEOUT_S)
        except grpc.aio.AioRpcError:
            self._ask_after_s = self._clock() + UNKNOWN_FOR_S
            return
        self.told = True
        self.names = frozenset(name for model in self.models for name in (model.id, *model.aliases) if name)
        self._ask_after_s = self._clock() + KNOWN_FOR_S
