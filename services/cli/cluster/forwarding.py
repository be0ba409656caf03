"""Ports of this machine that lead to a release's pods, through the cluster's API: whoever may forward needs no Ingress.

Each connection is one of its own to a pod that is ready now, so when a pod goes the next connection goes to the next
pod; those it had end, as they would without this, and clients connect again.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from services.cli.cluster.access import INSTANCE, Cluster
from services.cli.cluster.snapshot import COMPONENT, condition, name_of
from services.kit.errors import EngineFailed, LedgeError, NotReady
from services.kit.kubernetes_access import told

POD_WAIT_S = 60.0
"""How long a connection waits for a pod that is ready."""
LOOK_EVERY_S = 1.0
MOST_CONNECTIONS = 256
_PIECE_BYTES = 64 * 2**10


@dataclass
class Forward:
    """One local port and the service behind it. Threads of its own; `close` ends it and every connection."""

    cluster: Cluster
    """Of this forward alone."""
    release: str
    service: str
    pod_port: int
    tell: Callable[[str], None]
    port: int = 0
    """0: any free one, told when it listens."""
    _listener: socket.socket | None = None
    _open: set[socket.socket] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _pod: str = ""
    _is_closed: bool = False

    def listen(self) -> None:
        """Raises EngineFailed where the port is taken."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", self.port))
        except OSError as error:
            listener.close()
            raise EngineFailed(f"port {self.port} for {self.service} is in use: choose another") from error
        listener.listen(128)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), name="forward", daemon=True).start()

    def close(self) -> None:
        self._is_closed = True
        if self._listener is not None:
            # A thread in accept() is woken by the one, and by the other on systems that differ.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        with self._lock:
            for each in self._open:
                _end(each)

    def _accept(self, listener: socket.socket) -> None:
        while not self._is_closed:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                if len(self._open) >= MOST_CONNECTIONS:
                    caller.close()
                    continue
                self._open.add(caller)
            threading.Thread(target=self._serve, args=(caller,), name="forward-connection", daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        try:
            pod = self._dial()
            try:
                back = threading.Thread(target=_pump, args=(pod, caller), name="forward-back", daemon=True)
                back.start()
                _pump(caller, pod)
                back.join()
            finally:
                pod.close()
        except LedgeError as error:
            self.tell(f"{self.service}: {error.message}")
        finally:
            with self._lock:
                self._open.discard(caller)
            caller.close()

    def _dial(self) -> Any:
        """A connection to a pod that is ready, which takes what a socket takes."""
        ends_s = time.monotonic() + POD_WAIT_S
        while True:
            with self._lock:
                try:
                    return self._to(self._ready_pod())
                except NotReady:
                    if time.monotonic() >= ends_s or self._is_closed:
                        raise
            time.sleep(LOOK_EVERY_S)

    def _ready_pod(self) -> str:
        pods = self.cluster.objects("pods", f"{INSTANCE}={self.release},{COMPONENT}={self.service}")
        ready = [
            name_of(pod)
            for pod in pods
            if condition(pod, "Ready").get("status") == "True" and not pod["metadata"].get("deletionTimestamp")
        ]
        if not ready:
            raise NotReady(f"no pod is ready: `ledge status --cluster --namespace {self.cluster.namespace}` says why")
        if self._pod not in ready:
            if self._pod:
                self.tell(f"{self.service}: {self._pod} is gone, {ready[0]} takes over")
            self._pod = ready[0]
        return self._pod

    def _to(self, pod: str) -> Any:
        from kubernetes import client
        from kubernetes.client.exceptions import ApiException
        from kubernetes.stream import portforward

        what = f"create pods/portforward in {self.cluster.namespace}"
        with told(what, self.cluster.host):
            try:
                api = client.CoreV1Api(self.cluster.client)
                forward = portforward(
                    api.connect_get_namespaced_pod_portforward, pod, self.cluster.namespace, ports=str(self.pod_port)
                )
            except ApiException as error:
                # The client tells of a refused handshake by words alone.
                if "403" in str(error.reason):
                    raise ApiException(status=403, reason=error.reason) from error
                raise NotReady(f"{pod} cannot be reached: {error.reason}") from error
        found = forward.socket(self.pod_port)
        found.setblocking(True)
        return found


def _pump(source: Any, sink: Any) -> None:
    """Passes on what comes until one side ends; then both do."""
    try:
        while piece := source.recv(_PIECE_BYTES):
            sink.sendall(piece)
    except OSError:
        pass
    finally:
        _end(source)
        _end(sink)


def _end(side: Any) -> None:
    with contextlib.suppress(OSError):
        side.shutdown(socket.SHUT_RDWR)
