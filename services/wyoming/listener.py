"""Takes connections, as many as are allowed, and lets them end when the door stops."""

import asyncio
import contextlib
import socket

from wyoming.error import Error

from services.kit.errors import Overloaded
from services.wyoming.config import WyomingConfig
from services.wyoming.connection import Connection
from services.wyoming.peers import Peers
from services.wyoming.wire import MAX_LINE_BYTES, Gone, Wire


class Listener:
    """The TCP server. `start` listens, `stop` drains; one event loop, used once."""

    def __init__(self, peers: Peers, config: WyomingConfig) -> None:
        self._peers = peers
        self._config = config
        self._draining = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, listening: socket.socket) -> None:
        self._server = await asyncio.start_server(self._connected, sock=listening, limit=MAX_LINE_BYTES)

    async def stop(self, drain_s: float) -> None:
        """Takes no more connections, closes those that wait, and lets the others finish what they do."""
        self._server.close()
        self._draining.set()
        if self._connections:
            await asyncio.wait(self._connections, timeout=drain_s)
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer, self._config)
        crowded = len(self._connections) >= self._config.max_connections
        serving = self._refuse(wire) if crowded else Connection(wire, self._peers, self._config, self._draining).run()
        task = asyncio.create_task(serving)
        if not crowded:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

    async def _refuse(self, wire: Wire) -> None:
        error = Overloaded(f"all {self._config.max_connections} connections of the door are taken", retry_after_s=1)
        with contextlib.suppress(Gone):
            await wire.write(Error(error.message, code=error.reason))
        await wire.close()
