"""HTTP connections within bounds: no more than so many, and none kept for whoever never finishes a request's head.

connections   1 … max ............ max + SPARE ............
              served normally  │  one request each:      │  closed at once
                               │  health is answered,    │
                               │  the rest is refused    │
"""

import asyncio
from collections.abc import Callable
from typing import Any

import h11
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

SPARE = 64
"""Connections past the bound that are still heard, so that probes find health and callers are told why."""
SPARE_HEAD_TIMEOUT_S = 2.0


class Connection(H11Protocol):
    """Closes after `head_timeout_s` without a whole head, whether nothing came or some of it; uvicorn waits for ever.

    Args:
        max_connections: past it, `crowded` answers instead of the app.
        crowded: the app of a connection too many; it lets none be kept.
    """

    def __init__(
        self, *args: Any, head_timeout_s: float, max_connections: int, crowded: ASGIApp, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._head_timeout_s = head_timeout_s
        self._max_connections = max_connections
        self._crowded = crowded
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        excess = len(self.connections) - self._max_connections
        if excess > SPARE:
            self.transport.abort()
            return
        if excess > 0:
            self.app = self._crowded
            self.ws_protocol_class = None
            self._head_timeout_s = min(self._head_timeout_s, SPARE_HEAD_TIMEOUT_S)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._expect_head()
        else:
            self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(self._head_timeout_s, self.transport.close)

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def connections(head_timeout_s: float, max_connections: int, crowded: ASGIApp) -> Callable[..., Connection]:
    """What uvicorn makes its connections with."""

    def connection(*args: Any, **kwargs: Any) -> Connection:
        return Connection(
            *args, head_timeout_s=head_timeout_s, max_connections=max_connections, crowded=crowded, **kwargs
        )

    return connection
