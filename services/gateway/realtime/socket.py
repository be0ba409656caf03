"""A WebSocket connection that is not cut off when the gateway stops: an answer under way is finished first."""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from services.gateway.realtime.session import SERVER_LEAVES

CLOSE_TIMEOUT_S = 2.0


class Socket(WebSocketsSansIOProtocol):
    """Reads no further than the app takes, and writes no further than the client takes. Pings tell who is gone."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.close_timeout = CLOSE_TIMEOUT_S

    def shutdown(self) -> None:
        """Tells the app, which closes the connection when it is done; uvicorn's own would close it at once."""
        if self.handshake_complete and not self.close_sent:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": SERVER_LEAVES})
        else:
            super().shutdown()
