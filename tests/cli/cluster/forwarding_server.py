"""The part of an API server that forwards ports: a WebSocket a connection, in Kubernetes' channel protocol v4.

after the handshake      channel 0 and channel 1 each begin with the port, two bytes, little-endian
then, either way         channel 0: data; channel 1: an error, from the server alone
"""

import contextlib
import json
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Response
from websockets.sync.server import ServerConnection, serve

from tests.kubernetes_server import ApiServer

_PATH = re.compile(r"/api/v1/namespaces/[^/]+/pods/([^/]+)/portforward")


class ForwardingServer(ApiServer):
    """An API server whose pods' ports lead to ports of this machine."""

    def __init__(self) -> None:
        super().__init__()
        self._server.server_close()  # `serve` listens in its place
        self.targets: dict[str, int] = {}
        """pod → the port behind it, whichever was asked for."""
        self.may_forward = True
        self.hanging: dict[str, threading.Event] = {}
        """pod → what its connections wait for before they are made."""
        self.hangs = threading.Event()
        """Set when one does."""

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    port = 0
    scheme = "http"

    def respond(self, _connection: ServerConnection, request: Any) -> Response | None:
        url = urlsplit(request.path)
        if found := _PATH.fullmatch(url.path):
            if found[1] in self.hanging:
                self.hangs.set()
                self.hanging[found[1]].wait()
            if request.headers.get("Authorization") != "Bearer anything":
                return _json(401, {"message": "Unauthorized"})
            return None if self.may_forward else _json(403, {"message": "pods/portforward is forbidden"})
        return _json(*self.answer("GET", url.path, parse_qs(url.query), {}))

    def forward(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        url = urlsplit(connection.request.path)
        found = _PATH.fullmatch(url.path)
        assert found is not None
        port = int(parse_qs(url.query)["ports"][0]).to_bytes(2, "little")
        for channel in (b"\0", b"\1"):
            connection.send(channel + port)
        try:
            pod = socket.create_connection(("127.0.0.1", self.targets[found[1]]))
        except OSError as error:
            connection.send(b"\1" + f"error forwarding port to pod {found[1]}: {error.strerror}".encode())
            return
        with pod:
            back = threading.Thread(target=_send, args=(pod, connection), daemon=True)
            back.start()
            try:
                for message in connection:
                    assert isinstance(message, bytes)
                    pod.sendall(message[1:])
            except (ConnectionClosed, OSError):
                pass
            with contextlib.suppress(OSError):
                pod.shutdown(socket.SHUT_RDWR)
            back.join()


@contextmanager
def forwarding_server(tls: ssl.SSLContext | None = None) -> Iterator[ForwardingServer]:
    """Listens while the block runs."""
    api = ForwardingServer()
    api.scheme = "https" if tls else "http"
    with serve(
        api.forward,
        "127.0.0.1",
        0,
        ssl=tls,
        process_request=api.respond,
        subprotocols=["v4.channel.k8s.io"],  # type: ignore[list-item]
    ) as server:
        api.port = server.socket.getsockname()[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()


def _send(pod: socket.socket, connection: ServerConnection) -> None:
    try:
        while piece := pod.recv(65536):
            connection.send(b"\0" + piece)
    except (ConnectionClosed, OSError):
        pass
    finally:
        connection.close()


def _json(status: int, content: Any) -> Response:
    body = json.dumps(content).encode()
    headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"})
    return Response(status, HTTPStatus(status).phrase, headers, body)
