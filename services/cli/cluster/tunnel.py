"""One connection to a port of a pod, through a WebSocket of the cluster's API: bytes both ways, neither side held up.

Kubernetes' channel protocol v4 cannot tell a pod that its caller has nothing more to say. So a caller who shuts down
its writing side goes on reading what the pod sends, until the pod ends the connection or sends nothing for a while.
"""

import contextlib
import selectors
import socket
import ssl
import time
from typing import Any

from services.kit.errors import NotReady

SILENCE_S = 60.0
"""How long a pod may send nothing to a caller who has nothing more to say: he may be gone altogether."""
MOST_WAITING_BYTES = 2**20
"""Each way; above it the side that sends is read no further."""
_PIECE_BYTES = 16 * 2**10
"""What goes out at once: of TLS one record, so that a socket that takes something takes it all."""
_DATA = b"\0"
_DATA_CHANNEL, _ERROR_CHANNEL = 0, 1


class Tunnel:
    """`carry` in one thread; `end` from any."""

    def __init__(self, websocket: Any) -> None:
        self.half_closed_s: float | None = None
        """Since when the caller has nothing more to say, on the monotonic clock."""
        self._websocket = websocket
        self._pod: socket.socket = websocket.sock
        self._channel = _DATA_CHANNEL
        self._has_begun = {_DATA_CHANNEL: False, _ERROR_CHANNEL: False}
        self._to_pod = bytearray()
        self._to_caller = bytearray()
        self._pod_has_ended = False

    def carry(self, caller: socket.socket) -> None:
        """Returns when the connection has ended. Raises NotReady where the cluster says why the pod was not reached."""
        with selectors.DefaultSelector() as selector, contextlib.suppress(OSError):
            while not (self._pod_has_ended and not self._to_caller):
                self._watch(selector, caller)
                waits_s = None if self.half_closed_s is None else SILENCE_S
                ready = {key.fileobj: events for key, events in selector.select(0 if self._has_more else waits_s)}
                if not ready and not self._has_more:
                    return
                if ready.get(self._pod, 0) & selectors.EVENT_READ or self._has_more:
                    self._read_pod()
                if ready.get(caller, 0) & selectors.EVENT_READ:
                    self._read(caller)
                if ready.get(self._pod, 0) & selectors.EVENT_WRITE:
                    del self._to_pod[: self._pod.send(self._to_pod[:_PIECE_BYTES])]
                if ready.get(caller, 0) & selectors.EVENT_WRITE:
                    del self._to_caller[: caller.send(self._to_caller[:_PIECE_BYTES])]

    def end(self) -> None:
        """Wakes `carry`, which then returns."""
        with contextlib.suppress(OSError):
            # Below TLS, whose state belongs to the thread of `carry`.
            socket.socket.shutdown(self._pod, socket.SHUT_RDWR)

    def close(self) -> None:
        """After `carry`."""
        self._websocket.shutdown()

    @property
    def _has_more(self) -> bool:
        """Whether bytes of the pod wait where no selector sees them."""
        is_wanted = not self._pod_has_ended and len(self._to_caller) < MOST_WAITING_BYTES
        return is_wanted and isinstance(self._pod, ssl.SSLSocket) and self._pod.pending() > 0

    def _watch(self, selector: selectors.BaseSelector, caller: socket.socket) -> None:
        read, write = selectors.EVENT_READ, selectors.EVENT_WRITE
        from_pod = 0 if self._pod_has_ended or len(self._to_caller) >= MOST_WAITING_BYTES else read
        to_pod = write if self._to_pod and not self._pod_has_ended else 0
        is_heard = self.half_closed_s is None and not self._pod_has_ended and len(self._to_pod) < MOST_WAITING_BYTES
        for side, events in (
            (self._pod, from_pod | to_pod),
            (caller, (read if is_heard else 0) | (write if self._to_caller else 0)),
        ):
            known = selector.get_map().get(side)
            if known is not None and not events:
                selector.unregister(side)
            elif known is not None:
                selector.modify(side, events)
            elif events:
                selector.register(side, events)

    def _read(self, caller: socket.socket) -> None:
        piece = caller.recv(_PIECE_BYTES)
        if piece:
            self._send(_DATA + piece)
        else:
            self.half_closed_s = time.monotonic()

    def _read_pod(self) -> None:
        from websocket import ABNF, WebSocketException

        try:
            frame = self._websocket.recv_frame()
        except (WebSocketException, OSError):
            self._pod_has_ended = True
            return
        if frame.opcode == ABNF.OPCODE_CLOSE:
            self._pod_has_ended = True
        elif frame.opcode == ABNF.OPCODE_PING:
            self._send(frame.data, ABNF.OPCODE_PONG)
        elif frame.opcode in (ABNF.OPCODE_BINARY, ABNF.OPCODE_CONT):
            self._take(frame.data, is_first=frame.opcode == ABNF.OPCODE_BINARY)

    def _take(self, data: bytes, is_first: bool) -> None:
        if is_first:
            if not data:
                return
            self._channel, data = data[0], data[1:]
            if self._has_begun.get(self._channel) is False:
                self._has_begun[self._channel] = True
                data = data[2:]  # the port, which each channel begins with
        if self._channel == _DATA_CHANNEL:
            self._to_caller += data
        elif data:
            raise NotReady(f"the connection failed: {data.decode(errors='replace').strip()}")

    def _send(self, data: bytes, opcode: int | None = None) -> None:
        from websocket import ABNF

        # Whole frames in one queue: an answer to a ping may not come between the halves of another frame.
        self._to_pod += ABNF.create_frame(data, ABNF.OPCODE_BINARY if opcode is None else opcode).format()


def dial(client: Any, namespace: str, pod: str, port: int) -> Tunnel:
    """Raises what the client raises, ApiException where the cluster refuses, and NotReady where the pod is not there.

    Args:
        client: a `kubernetes.client.ApiClient`.
    """
    from kubernetes.client.exceptions import ApiException
    from kubernetes.stream.ws_client import create_websocket, get_websocket_url
    from websocket import WebSocketBadStatusException, WebSocketException

    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward"
    headers = {"sec-websocket-protocol": "v4.channel.k8s.io"}
    client.update_params_for_auth(headers, [], ["BearerToken"], path, "GET", None)
    url = get_websocket_url(f"{client.configuration.host}{path}", [("ports", str(port))])
    try:
        return Tunnel(create_websocket(client.configuration, url, headers))
    except WebSocketBadStatusException as error:
        if error.status_code in (401, 403):
            raise ApiException(status=error.status_code, reason=str(error)) from error
        raise NotReady(f"{pod} cannot be reached: the cluster answers {error.status_code}") from error
    except (WebSocketException, OSError) as error:
        raise NotReady(f"{pod} cannot be reached: {error}") from error
