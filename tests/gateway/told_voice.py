"""A voice service that says what a test tells it to, over real gRPC: for what the gateway's door does with it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from ledge.voice.v1 import voice_pb2 as pb

WAIT_S = 20


@dataclass
class Talk:
    """One `Converse`, as the service sees it."""

    context: Any
    metadata: dict[str, Any]
    session: pb.Session
    requests: "asyncio.Queue[pb.ConverseRequest]" = field(default_factory=asyncio.Queue)
    half_closed: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """The call was ended from the other side."""
    finish: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by a test to end it from this one."""
    status: tuple[grpc.StatusCode, str] | None = None

    async def tell(self, **event: Any) -> None:
        await self.context.write(pb.ConverseResponse(**event))

    async def heard(self) -> pb.ConverseRequest:
        return await asyncio.wait_for(self.requests.get(), WAIT_S)

    def fail(self, code: grpc.StatusCode, message: str) -> None:
        self.status = (code, message)
        self.finish.set()


class ToldVoice:
    """Each call is a `Talk`; it has told `session_created` by then."""

    def __init__(self) -> None:
        self._talks: asyncio.Queue[Talk] = asyncio.Queue()

    def mount(self, server: grpc.aio.Server) -> None:
        handler = grpc.stream_stream_rpc_method_handler(
            self._converse, pb.ConverseRequest.FromString, pb.ConverseResponse.SerializeToString
        )
        service = grpc.method_handlers_generic_handler("ledge.voice.v1.VoiceService", {"Converse": handler})
        server.add_generic_rpc_handlers((service,))

    async def _converse(self, requests: Any, context: Any) -> None:
        metadata = {key: value for key, value in context.invocation_metadata()}
        first = await context.read()
        talk = Talk(context, metadata, first.session)
        reading = asyncio.create_task(self._read(talk))
        try:
            await talk.tell(session_created=pb.SessionState(id="sess_1", session=first.session))
            await self._talks.put(talk)
            await talk.finish.wait()
            if talk.status:
                await context.abort(*talk.status)
        except asyncio.CancelledError:
            talk.over.set()
            raise
        finally:
            reading.cancel()

    async def talk(self) -> Talk:
        """The next session that was opened."""
        return await asyncio.wait_for(self._talks.get(), WAIT_S)

    async def _read(self, talk: Talk) -> None:
        while (request := await talk.context.read()) is not grpc.aio.EOF:
            await talk.requests.put(request)
        talk.half_closed.set()


@contextlib.asynccontextmanager
async def told_voice() -> AsyncIterator[tuple[ToldVoice, grpc.aio.Server, str]]:
    """The service, its server, and its address."""
    server = grpc.aio.server()
    voice = ToldVoice()
    voice.mount(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield voice, server, f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
