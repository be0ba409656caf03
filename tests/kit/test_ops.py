import asyncio
import socket

from services.kit import ops


async def test_connections_send_at_once_and_are_cut_when_the_other_end_takes_nothing() -> None:
    listener = ops.listen("127.0.0.1", 0, "LEDGE_OPS_PORT", client_timeout_s=1.5)
    accepted: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()

    class Probe(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.set_result(transport.get_extra_info("socket"))

    async with await asyncio.get_running_loop().create_server(Probe, sock=listener):
        _, writer = await asyncio.open_connection(*listener.getsockname())
        connection = await accepted
        # With Nagle's algorithm an answer would wait 40 ms for the acknowledgement of its own head.
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1500
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        writer.close()
        await writer.wait_closed()
