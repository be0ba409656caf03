"""A gRPC service with nothing in it, for `ledge bench orchestration` to measure against.

`BARE_PEERS` absent: a backend. A unary call answers with as many bytes as it asks for; a stream waits, then speaks
piece by piece at a given speed. With `BARE_PEERS`, four addresses: a chain that makes the calls of an answer one after
the other, the first two side by side, and passes the stream on. No checks, no logs, no metrics, no contract.
"""

import asyncio
import json
import os
import struct
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc

UNARY = "/bare.Service/Unary"
STREAM = "/bare.Service/Stream"
SIZE = struct.Struct("<I")
LIMIT = ("grpc.max_receive_message_length", 1 << 28)


async def unary(request: bytes, context: Any) -> bytes:
    return bytes(SIZE.unpack_from(request)[0])


async def speak(request: bytes, context: Any) -> AsyncIterator[bytes]:
    said = json.loads(request)
    await asyncio.sleep(said["delay_s"])
    for piece in said["pieces"]:
        await asyncio.sleep(len(piece) / said["characters_per_s"])
        yield piece.encode()


class Chain:
    """The calls of one answer."""

    def __init__(self, addresses: list[str]) -> None:
        self._channels = [grpc.aio.insecure_channel(address, options=[LIMIT]) for address in addresses]
        self._unary: list[Any] = [channel.unary_unary(UNARY) for channel in self._channels]
        self._stream: Any = self._channels[3].unary_stream(STREAM)

    async def answer(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        asked = json.loads(request)
        embed, count, search, rerank = asked["calls"]
        await asyncio.gather(self._call(0, *embed), self._call(1, *count))
        await self._call(1, *search)
        await self._call(2, *rerank)
        async for piece in self._stream(json.dumps(asked["speech"]).encode()):
            yield piece

    async def _call(self, peer: int, sent_bytes: int, answered_bytes: int) -> None:
        await self._unary[peer](SIZE.pack(answered_bytes) + bytes(max(0, sent_bytes - SIZE.size)))


async def main() -> None:
    peers = json.loads(os.environ.get("BARE_PEERS", "null"))
    stream = Chain(peers).answer if peers else speak
    server = grpc.aio.server(options=[LIMIT])
    handlers: dict[str, Any] = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Stream": grpc.unary_stream_rpc_method_handler(stream),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bare.Service", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    for event in ({"event": "listening", "port": port}, {"event": "ready"}):
        print(json.dumps(event), file=sys.stderr, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
