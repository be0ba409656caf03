"""A wire that can be listened to and cut: TCP between a client and a service, byte by byte."""

import contextlib
import socket
import threading
from collections.abc import Iterator

PREFACE_BYTES = 24
"""What a client says before its first frame (RFC 9113, section 3.4)."""


class Wire:
    """Forwards connections to `address`; keeps what went each way.

    Args:
        most_up_bytes: when more was sent to the service, the wire ends for good.
    """

    def __init__(self, address: str, most_up_bytes: int | None = None) -> None:
        self._most_up_bytes = most_up_bytes
        host, _, port = address.rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._up = bytearray()
        self._down = bytearray()
        self._cut_in_bytes: int | None = None
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def up(self) -> bytes:
        """Everything that was sent to the service."""
        with self._lock:
            return bytes(self._up)

    @property
    def down(self) -> bytes:
        with self._lock:
            return bytes(self._down)

    def cut(self) -> None:
        """Breaks all connections; new ones are taken as before."""
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def cut_after(self, more_bytes: int) -> None:
        """Breaks all connections when so many more bytes have gone either way, in the middle of whatever they are."""
        with self._lock:
            self._cut_in_bytes = more_bytes

    def close(self) -> None:
        # A thread that accepts is woken only so.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._target)
            except OSError:
                near.close()
                continue
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.connections += 1
                self._open |= {near, far}
            threading.Thread(target=self._carry, args=(near, far, self._up), daemon=True).start()
            threading.Thread(target=self._carry, args=(far, near, self._down), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, kept: bytearray) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                with self._lock:
                    data, breaks = self._until_cut(data)
                    kept += data
                if self._most_up_bytes is not None and len(self._up) > self._most_up_bytes:
                    self.close()
                target.sendall(data)
                if breaks:
                    self.cut()
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _until_cut(self, data: bytes) -> tuple[bytes, bool]:
        """What of it is still carried, and whether that was the last."""
        if self._cut_in_bytes is None:
            return data, False
        data = data[: self._cut_in_bytes]
        self._cut_in_bytes -= len(data)
        if self._cut_in_bytes:
            return data, False
        self._cut_in_bytes = None
        return data, True


@contextlib.contextmanager
def wire_to(address: str, most_up_bytes: int | None = None) -> Iterator[Wire]:
    wire = Wire(address, most_up_bytes)
    try:
        yield wire
    finally:
        wire.close()


def data_bytes(sent: bytes) -> int:
    """The frames of HTTP/2 that carry messages (RFC 9113, section 4.1); `sent` begins with a frame."""
    place = told = 0
    while place + 9 <= len(sent):
        size = 9 + int.from_bytes(sent[place : place + 3])
        told += size if sent[place + 3] == 0 else 0
        place += size
    return told
