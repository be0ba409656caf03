"""A registry in memory that keeps to OCI's distribution protocol: wrong bytes and unknown callers are refused."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit


class SmallRegistry(ThreadingHTTPServer):
    """What was pushed, and what was asked for."""

    def __init__(self, user: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.user = user
        """`name:password` for which the token is given; none: everybody may push."""
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.uploaded: list[str] = []
        self.realm = f"http://{self.place}"
        """Where tokens are given."""
        self.told: list[str] = []
        """What callers said of themselves."""

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_port}"


@contextmanager
def small_registry(user: str = "") -> Iterator[SmallRegistry]:
    server = SmallRegistry(user)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: SmallRegistry
    TOKEN: ClassVar = "a-token"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        basic = base64.b64encode(self.server.user.encode()).decode()
        self._note()
        if self.headers.get("Authorization") != f"Basic {basic}":
            self._answer(401, {})
        else:
            self._answer(200, {}, json.dumps({"token": self.TOKEN}).encode())

    def do_HEAD(self) -> None:
        if self._may_come_in():
            self._answer(200 if self.path.rpartition("/")[2] in self.server.blobs else 404, {})

    def do_POST(self) -> None:
        if self._may_come_in():
            self._answer(202, {"Location": f"{self.path}one?state=x"})

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self._may_come_in():
            return
        where = urlsplit(self.path)
        if "/manifests/" in where.path:
            document = json.loads(body)
            parts = [document["config"], *document["layers"]]
            if all(part["digest"] in self.server.blobs for part in parts):
                self.server.manifests[where.path.removeprefix("/v2/")] = body
                self._answer(201, {})
            else:
                self._answer(400, {}, b"MANIFEST_BLOB_UNKNOWN")
            return
        (digest,) = parse_qs(where.query)["digest"]
        if digest != f"sha256:{hashlib.sha256(body).hexdigest()}":
            self._answer(400, {}, b"DIGEST_INVALID")
            return
        self.server.blobs[digest] = body
        self.server.uploaded.append(digest)
        self._answer(201, {})

    def _note(self) -> None:
        if said := self.headers.get("Authorization"):
            self.server.told.append(said)

    def _may_come_in(self) -> bool:
        self._note()
        if not self.server.user or self.headers.get("Authorization") == f"Bearer {self.TOKEN}":
            return True
        realm = f'Bearer realm="{self.server.realm}/token",service="small"'
        self._answer(401, {"WWW-Authenticate": realm})
        return False

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
