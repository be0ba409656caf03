"""A small API server of Kubernetes in this process, over HTTP: it keeps objects as the real one does.

Create refuses a name that is taken (409 AlreadyExists), replace an object of another resourceVersion than the one it
holds (409 Conflict), every write counts the version on. Lists take label selectors of equality. Whom `forbidden` names
may not be touched (403).
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

CLUSTER_WIDE = {"nodes"}
PLACES = {
    "Pod": "api/v1/pods",
    "Event": "api/v1/events",
    "PersistentVolumeClaim": "api/v1/persistentvolumeclaims",
    "Service": "api/v1/services",
    "Node": "api/v1/nodes",
    "Deployment": "apis/apps/v1/deployments",
    "ReplicaSet": "apis/apps/v1/replicasets",
    "Job": "apis/batch/v1/jobs",
    "Lease": "apis/coordination.k8s.io/v1/leases",
}


class ApiServer:
    """Objects by (path of the kind, namespace, name). Safe in any thread."""

    def __init__(self) -> None:
        self.logs: dict[str, str] = {}
        """pod/container → what it wrote."""
        self.forbidden: set[str] = set()
        """Kinds in the plural that nobody may touch."""
        self.failing: list[tuple[str, int]] = []
        """(method, status) of requests that come next and are answered with that, in order."""
        self.requests: list[tuple[str, str]] = []
        """(method, path) of each, in order."""
        self._objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._version = 0
        self._lock = threading.Lock()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else {}
                url = urlsplit(self.path)
                status, answer = api.answer(self.command, url.path, parse_qs(url.query), body)
                content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/plain" if isinstance(answer, str) else "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = _serve

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def kubeconfig(self, path: Path, namespace: str = "site") -> Path:
        """Writes one that leads here."""
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "here", "cluster": {"server": self.url}}],
                    "users": [{"name": "me", "user": {"token": "anything"}}],
                    "contexts": [{"name": "c", "context": {"cluster": "here", "user": "me", "namespace": namespace}}],
                    "current-context": "c",
                }
            )
        )
        return path

    def put(self, object: Mapping[str, Any]) -> None:
        """Keeps an object as it is, in place of one of its name."""
        path, _, plural = PLACES[object["kind"]].rpartition("/")
        namespace = "" if plural in CLUSTER_WIDE else object["metadata"].get("namespace", "site")
        with self._lock:
            self._keep((f"{path}/{plural}", namespace, object["metadata"]["name"]), dict(object))

    def get(self, kind: str, name: str, namespace: str = "site") -> dict[str, Any] | None:
        with self._lock:
            return self._objects.get((PLACES[kind], namespace, name))

    def answer(self, method: str, path: str, query: Mapping[str, list[str]], body: dict[str, Any]) -> tuple[int, Any]:
        """The status and the body."""
        with self._lock:
            self.requests.append((method, path))
            if self.failing and self.failing[0][0] == method:
                return _status(self.failing.pop(0)[1], "", "etcdserver: request timed out")
            parts = path.strip("/").split("/")
            group, rest = (parts[:2], parts[2:]) if parts[0] == "api" else (parts[:3], parts[3:])
            namespace = ""
            if rest[0] == "namespaces" and len(rest) > 2:
                namespace, rest = rest[1], rest[2:]
            plural, name, sub = (*rest, "", "")[:3]
            if plural in self.forbidden:
                return _status(403, "Forbidden", f"{plural} is forbidden")
            if sub == "log":
                text = self.logs.get(f"{name}/{query.get('container', [''])[0]}")
                return (200, text) if text is not None else _status(400, "BadRequest", "no such container")
            key = ("/".join([*group, plural]), namespace, name)
            if not name and method == "GET":
                return 200, {
                    "kind": "List",
                    "items": self._listed(key[0], namespace, query.get("labelSelector", [""])[0]),
                }
            if method == "POST":
                key = (key[0], namespace, body["metadata"]["name"])
                if key in self._objects:
                    return _status(409, "AlreadyExists", f"{plural} {key[2]!r} already exists")
                return 201, self._keep(key, body)
            held = self._objects.get(key)
            if held is None:
                return _status(404, "NotFound", f"{plural} {name!r} not found")
            if method == "PUT":
                if body["metadata"].get("resourceVersion") not in (None, held["metadata"]["resourceVersion"]):
                    return _status(409, "Conflict", "the object has been modified")
                return 200, self._keep(key, body)
            if method == "DELETE":
                del self._objects[key]
                return _status(200, "", "")
            return 200, held

    def _keep(self, key: tuple[str, str, str], object: dict[str, Any]) -> dict[str, Any]:
        self._version += 1
        kept = {**object, "metadata": {**object["metadata"], "resourceVersion": str(self._version)}}
        self._objects[key] = kept
        return kept

    def _listed(self, kind: str, namespace: str, selector: str) -> list[dict[str, Any]]:
        wanted = dict(part.split("=", 1) for part in selector.split(",") if part)
        return [
            object
            for (of_kind, of_namespace, _), object in sorted(self._objects.items())
            if of_kind == kind
            and namespace in ("", of_namespace)
            and wanted.items() <= object["metadata"].get("labels", {}).items()
        ]

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def api_server() -> Iterator[ApiServer]:
    """Listens while the block runs."""
    server = ApiServer()
    server.start()
    try:
        yield server
    finally:
        server.close()


def _status(code: int, reason: str, message: str) -> tuple[int, Any]:
    return code, {"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": code}
