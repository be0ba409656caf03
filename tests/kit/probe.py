"""A service for the kit's own tests: `Chat` does what the first message tells it to, over the llm contract.

    echo …            answers with the text
    sleep SECONDS     waits, then answers with the seconds its deadline had left at the start
    raise CLASS …     raises that error
    call ADDRESS …    sends the rest of the words to another probe and passes its answer on
    seen              answers with the request id, tenant and trace id it was called with

`ChatStream` sends the words of `echo` one by one, waiting for the file named first to exist before the last;
`flood` sends 64 KiB messages for ever, `hang` one message and no more. `Verify` answers each draft with its position,
until one at 13.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from ledge.llm.v1 import llm_pb2 as pb
from ledge.llm.v1 import llm_pb2_grpc as rpc
from opentelemetry import trace

from services.kit import errors
from services.kit.client import connect
from services.kit.config import ServiceConfig
from services.kit.context import current_call
from services.kit.server import run


class Probe(rpc.LlmServiceServicer, rpc.VerifierServiceServicer):
    def __init__(self, config: ServiceConfig) -> None:
        self._config = config
        self.calls = 0
        self.cancelled = asyncio.Event()
        self.stream_ended = asyncio.Event()

    def mount(self, server: Any) -> None:
        rpc.add_LlmServiceServicer_to_server(self, server)
        rpc.add_VerifierServiceServicer_to_server(self, server)

    def models(self) -> list[Any]:
        return []

    async def close(self) -> None:
        pass

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        self.calls += 1
        if self.calls < 3:
            raise errors.NotReady("not yet")
        return pb.ListModelsResponse()

    async def Chat(self, request: pb.ChatRequest, context: Any) -> pb.ChatResponse:
        self.calls += 1
        return answer(await self._do(request.messages[0].content))

    async def _do(self, order: str) -> str:
        word, _, rest = order.partition(" ")
        call = current_call()
        assert call is not None
        if word == "sleep":
            left_s = call.remaining_s()
            try:
                await asyncio.sleep(float(rest))
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
            return str(left_s)
        if word == "raise":
            name, _, message = rest.partition(" ")
            kind = getattr(errors, name, None) or {"ValueError": ValueError}[name]
            raise kind(message, 2.5) if name == "Overloaded" else kind(message)
        if word == "call":
            address, _, rest = rest.partition(" ")
            async with connect(address, self._config, pb.DESCRIPTOR) as channel:
                with errors.step("the next hop"):
                    response = await rpc.LlmServiceStub(channel).Chat(ask(rest))
                return response.choices[0].message.content
        if word == "seen":
            trace_id = format(trace.get_current_span().get_span_context().trace_id, "032x")
            return f"{call.request_id} {call.tenant} {trace_id}"
        return rest

    async def ChatStream(self, request: pb.ChatStreamRequest, context: Any) -> AsyncIterator[pb.ChatStreamResponse]:
        order, *rest = request.chat.messages[0].content.split()
        try:
            if order == "flood":
                while True:
                    yield pb.ChatStreamResponse(delta="x" * 2**16)
            if order == "hang":
                yield pb.ChatStreamResponse(delta="x")
                await asyncio.sleep(30)
        finally:
            self.stream_ended.set()
        file, *words = rest
        for word in words[:-1]:
            yield pb.ChatStreamResponse(delta=word)
        deadline_s = time.monotonic() + 30
        while not Path(file).exists() and time.monotonic() < deadline_s:
            await asyncio.sleep(0.01)
        yield pb.ChatStreamResponse(delta=words[-1])

    async def Verify(
        self, request_iterator: AsyncIterator[pb.VerifyRequest], context: Any
    ) -> AsyncIterator[pb.VerifyResponse]:
        async for request in request_iterator:
            if request.draft.position == 13:
                raise errors.InvalidInput("13")
            yield pb.VerifyResponse(position=request.draft.position)


def ask(order: str) -> pb.ChatRequest:
    return pb.ChatRequest(messages=[pb.Message(role=pb.Message.USER, content=order)])


def answer(text: str) -> pb.ChatResponse:
    return pb.ChatResponse(choices=[pb.ChatChoice(message=pb.Message(role=pb.Message.ASSISTANT, content=text))])


async def build(config: ServiceConfig) -> Probe:
    return Probe(config)


if __name__ == "__main__":
    run("probe", ServiceConfig, pb.DESCRIPTOR, build)
