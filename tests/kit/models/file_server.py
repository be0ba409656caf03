"""A web server for files that can break a connection in the middle, hold it open, refuse ranges, or redirect."""

import queue
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Request:
    path: str
    range: str | None
    authorization: str | None


@dataclass
class FileServer:
    """Start it with `with`. What it does is set by its fields, at any time."""

    files: dict[str, bytes]
    takes_ranges: bool = True
    drop_after_bytes: list[int] = field(default_factory=list)
    """The connection of each following request breaks after so many bytes, until the list is used up."""
    hold_after_bytes: int | None = None
    """Every longer response stops there, and tells `held`, until `release` is set."""
    statuses: list[int] = field(default_factory=list)
    """What the following requests are answered with instead."""
    redirect_to: str | None = None
    held: "queue.Queue[str]" = field(default_factory=queue.Queue)
    broken: threading.Event = field(default_factory=threading.Event)
    """Set when a client left before its response ended."""
    release: threading.Event = field(default_factory=threading.Event)
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Self:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner._answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait_for_hold(self, path: str) -> None:
        """Until the response for `path` was sent as far as `hold_after_bytes`."""
        held = self.held.get(timeout=30)
        assert held == path, f"{held} was asked for instead of {path}"

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        self.requests.append(Request(handler.path, asked, handler.headers.get("Authorization")))
        content = self.files.get(handler.path)
        if self.statuses or content is None:
            self._head(handler, self.statuses.pop(0) if self.statuses else 404, {"Content-Length": "0"})
        elif self.redirect_to is not None:
            self._head(handler, 302, {"Location": self.redirect_to + handler.path, "Content-Length": "0"})
        else:
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.takes_ranges else 0
            headers = {"Content-Length": str(len(content) - start)}
            if handler.path.endswith("/"):
                headers["Content-Type"] = "text/html"
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._head(handler, 206 if start else 200, headers)
            self._body(handler, content[start:])

    def _body(self, handler: BaseHTTPRequestHandler, content: bytes) -> None:
        try:
            if self.drop_after_bytes:
                handler.wfile.write(content[: self.drop_after_bytes.pop(0)])
                handler.close_connection = True
            elif (held_at := self.hold_after_bytes) is not None:
                handler.wfile.write(content[:held_at])
                handler.wfile.flush()
                if len(content) > held_at:
                    self.held.put(handler.path)
                    self.release.wait()
                handler.wfile.write(content[held_at:])
            else:
                handler.wfile.write(content)
        except (BrokenPipeError, ConnectionResetError):
            self.broken.set()
            handler.close_connection = True

    def _head(self, handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
