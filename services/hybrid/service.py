"""LlmService over two models: decides, hands on, and tells what was done.

What one model answers alone is carried as bytes, unread: a hybrid service in front of a model costs a hop and no more.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from ledge.hybrid.v1 import hybrid_pb2 as hybrid_messages
from ledge.hybrid.v1 import hybrid_pb2_grpc as hybrid_rpc
from ledge.llm.v1 import llm_pb2 as pb
from ledge.model.v1 import model_pb2

from services.hybrid.backend import Backend
from services.hybrid.big import Big, Caller, Unavailable
from services.hybrid.bild.answering import BigLittle
from services.hybrid.cascade import cascade
from services.hybrid.choice import Choice, Request, Settings, choose
from services.hybrid.guided import guided
from services.hybrid.kinds import CHAT, COMPLETION, Kind
from services.hybrid.modes import Mode, Why
from services.hybrid.naming import Naming
from services.hybrid.outcome import Outcome
from services.hybrid.tenants import Tenants
from services.kit.context import current_call
from services.kit.errors import InvalidInput

LLM_SERVICE = "ledge.llm.v1.LlmService"


class HybridService(hybrid_rpc.HybridServiceServicer):
    """Answers both contracts. One event loop; holds nothing of a call after it ends."""

    def __init__(
        self,
        little: Backend,
        big: Big | None,
        naming: Naming,
        tenants: Tenants,
        settings: Settings,
        big_little: BigLittle | None,
    ) -> None:
        self._little = little
        self._big = big
        self._naming = naming
        self._tenants = tenants
        self._settings = settings
        self._big_little = big_little

    def mount(self, server: Any) -> None:
        hybrid_rpc.add_HybridServiceServicer_to_server(self, server)
        # Without serializers messages stay bytes on their way through.
        unary: dict[str, Any] = {
            "Chat": self._unary(CHAT),
            "Complete": self._unary(COMPLETION),
            "Tokenize": self._tokens("Tokenize", pb.TokenizeRequest),
            "Detokenize": self._tokens("Detokenize", pb.DetokenizeRequest),
            "ListModels": self._list_models,
        }
        streams: dict[str, Any] = {"ChatStream": self._stream(CHAT), "CompleteStream": self._stream(COMPLETION)}
        handlers: dict[str, Any] = {
            name: grpc.unary_unary_rpc_method_handler(handler) for name, handler in unary.items()
        }
        handlers |= {name: grpc.unary_stream_rpc_method_handler(handler) for name, handler in streams.items()}
        server.add_registered_method_handlers(LLM_SERVICE, handlers)

    def models(self) -> Sequence[model_pb2.ModelInfo]:
        return self._naming.models

    async def close(self) -> None:
        await self._little.close()
        if self._big is not None:
            await self._big.backend.close()

    async def Decide(self, request: hybrid_messages.DecideRequest, context: Any) -> hybrid_messages.DecideResponse:
        caller = self._caller()
        choice = await self._choice(request.chat, caller)
        mode, why, to_big = choice.mode, choice.why, choice.to_big
        if mode is not Mode.LOCAL and (hindrance := self._hindrance_now(choice, caller)):
            mode, why, to_big = Mode.LOCAL, hindrance, False
        response = hybrid_messages.DecideResponse(mode=mode.message, why=why.value, big=to_big)
        if choice.score is not None:
            response.score, response.threshold = choice.score, choice.threshold
        return response

    async def GetStatus(
        self, request: hybrid_messages.GetStatusRequest, context: Any
    ) -> hybrid_messages.GetStatusResponse:
        caller = self._caller()
        tenant = caller.tenant
        response = hybrid_messages.GetStatusResponse(mode=tenant.mode.message, local_only=tenant.local_only)
        if self._big is None:
            return response
        calls, tokens = self._big.budget.left(caller.name, tenant.cloud_calls, tenant.cloud_tokens)
        if calls is not None:
            response.calls_left = calls
        if tokens is not None:
            response.tokens_left = tokens
        response.window_ends_in_s = self._big.budget.window_ends_in_s()
        response.big = self._big.state
        if self._big_little is not None:
            cost = self._big_little.cost
            response.bild = self._big_little.is_on()
            response.bild_token_s, response.big_token_s = cost.bild_token_s, cost.big_token_s
        return response

    def _unary(self, kind: Kind) -> Any:
        async def answer(raw: bytes, context: Any) -> bytes:
            request = _parsed(kind.request, raw)
            caller = self._caller()
            outcome = Outcome(await self._choice(request, caller))
            try:
                if outcome.choice.to_little:
                    return await self._little.bytes_unary(kind.unary, self._for_little(request, raw))
                events = [event async for event in self._events(kind, request, caller, outcome)]
                whole: bytes = kind.collect(events).SerializeToString()
                return whole
            finally:
                outcome.tell()

        return answer

    def _stream(self, kind: Kind) -> Any:
        async def answer(raw: bytes, context: Any) -> AsyncIterator[bytes]:
            request = getattr(_parsed(kind.stream_request, raw), kind.inner)
            caller = self._caller()
            outcome = Outcome(await self._choice(request, caller))
            try:
                if outcome.choice.to_little:
                    if request.model in self._naming.both:
                        raw = kind.streamed(_unnamed(request)).SerializeToString()
                    await outcome.announce(context)
                    async with aclosing(self._little.bytes_stream(kind.stream, raw)) as messages:
                        async for message in messages:
                            yield message
                    return
                begun = False
                async with aclosing(self._events(kind, request, caller, outcome)) as events:
                    async for event in events:
                        if not begun:
                            begun = True
                            await outcome.announce(context)
                        yield event.SerializeToString()
            finally:
                outcome.tell()

        return answer

    async def _events(self, kind: Kind, request: Any, caller: Caller, outcome: Outcome) -> AsyncGenerator[Any, None]:
        """The answer where the big model has a part in it; the little one's where that cannot be had."""
        asked = self._unnamed_by_us(request)
        try:
            async with aclosing(self._of_mode(kind, asked, caller, outcome)) as events:
                async for event in events:
                    yield event
                return
        except Unavailable as unavailable:
            if outcome.choice.why is Why.MODEL:
                raise self._naming.gone(request.model, unavailable.why) from unavailable
            outcome.without_big(unavailable.why)
        raw = kind.streamed(_unnamed(request)).SerializeToString()
        read = getattr(pb, f"{kind.stream}Response").FromString
        async with aclosing(self._little.bytes_stream(kind.stream, raw)) as messages:
            async for message in messages:
                yield read(message)

    async def _of_mode(self, kind: Kind, request: Any, caller: Caller, outcome: Outcome) -> AsyncGenerator[Any, None]:
        """Raises Unavailable before the first event where the big model cannot be had."""
        big, choice = self._big, outcome.choice
        if big is None:
            raise Unavailable(Why.NO_BIG)
        match choice.mode:
            case Mode.CASCADE:
                stream: AsyncGenerator[Any, None] = cascade(big, self._little, kind, request, caller, outcome)
            case Mode.GUIDE:
                stream = guided(big, self._little, request, self._naming.name, caller, outcome)
            case Mode.BILD if self._big_little is not None and self._big_little.is_on():
                stream = self._big_little.answer(request, caller, outcome)
            case _:
                if choice.mode is Mode.BILD:
                    outcome.why = Why.UNPROFITABLE
                stream = big.answer(kind, request, caller, outcome)
                outcome.answered_by = "big"
        try:
            async with aclosing(stream) as events:
                async for event in events:
                    yield event
        except Unavailable:
            outcome.answered_by = "little"
            raise

    def _tokens(self, method: str, request_class: Any) -> Any:
        async def answer(raw: bytes, context: Any) -> bytes:
            request = _parsed(request_class, raw)
            if request.model in await self._naming.big():
                call = current_call()
                if self._big is None or (call is not None and call.local_only) or self._caller().tenant.local_only:
                    raise InvalidInput(f"{request.model!r} is the big model, and the request is labelled local only")
                return await self._big.backend.bytes_unary(method, raw)
            await self._check_model(request.model)
            if request.model in self._naming.both:
                request.model = ""
                raw = request.SerializeToString()
            return await self._little.bytes_unary(method, raw)

        return answer

    async def _list_models(self, raw: bytes, context: Any) -> bytes:
        models = await self._naming.listed()
        return pb.ListModelsResponse(models=models).SerializeToString()

    def _caller(self) -> Caller:
        call = current_call()
        name = "" if call is None else call.tenant
        return Caller(name, self._tenants.of(name))

    async def _choice(self, request: Request, caller: Caller) -> Choice:
        call = current_call()
        # Most requests name no model, and then nobody needs to be asked for names.
        names = await self._naming.names(request.model) if request.model else self._naming.none
        labelled = call is not None and call.local_only
        return choose(request, caller.tenant, labelled, names, self._settings)

    async def _check_model(self, name: str) -> None:
        """Raises NotFound for a name that is none of ours."""
        if name:
            await self._naming.names(name)

    def _hindrance_now(self, choice: Choice, caller: Caller) -> Why | None:
        """What would keep the big model from its part just now."""
        if self._big is None:
            return Why.NO_BIG
        if choice.mode is Mode.ROUTE and not choice.to_big:
            return None
        if why := self._big.at_rest:
            return why
        tenant = caller.tenant
        if 0 in self._big.budget.left(caller.name, tenant.cloud_calls, tenant.cloud_tokens):
            return Why.BUDGET
        if choice.mode is Mode.BILD and self._big_little is not None and not self._big_little.is_on():
            return Why.UNPROFITABLE
        return None

    def _for_little(self, request: Any, raw: bytes) -> bytes:
        if request.model in self._naming.both:
            changed: bytes = _unnamed(request).SerializeToString()
            return changed
        return raw

    def _unnamed_by_us(self, request: Any) -> Any:
        """As the backends are asked: by no name of ours, and without the choice that was ours to make."""
        asked = _unnamed(request) if request.model in self._naming.both or not request.model else request
        asked.ClearField("hybrid")
        return asked


def _unnamed(request: Any) -> Any:
    request.model = ""
    return request


def _parsed(request_class: Any, raw: bytes) -> Any:
    try:
        return request_class.FromString(raw)
    except DecodeError as error:
        raise InvalidInput("the request is not a message of this call") from error
