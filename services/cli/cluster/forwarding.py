"""Ports of this machine that lead to a release's pods, through the cluster's API: whoever may forward needs no Ingress.

Each connection is one of its own to a pod that is ready now, so when a pod goes the next connection goes to the next
pod; those it had end, as they would without this, and clients connect again. None waits for another: each finds its
pod, and is carried, in a thread of its own.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from services.cli.cluster.access import INSTANCE, Cluster
from services.cli.cluster.snapshot import COMPONENT, condition, name_of
from services.cli.cluster.tunnel import Tunnel, dial
from services.kit.errors import EngineFailed, LedgeError, NotReady
from services.kit.kubernetes_access import told

POD_WAIT_S = 60.0
"""How long a connection waits for a pod that is ready."""
LOOK_EVERY_S = 1.0
MOST_CONNECTIONS = 256
MOST_LOOKS = 4
"""Of connections that ask for pods at the same time."""


@dataclass
class Forward:
    """One local port and the service behind it. Threads of its own; `close` ends it and every connection."""

    cluster: Cluster
    release: str
    service: str
    pod_port: int
    tell: Callable[[str], None]
    port: int = 0
    """0: any free one, told when it listens."""
    _listener: socket.socket | None = None
    _open: dict[socket.socket, Tunnel | None] = field(default_factory=dict)
    """Caller → the way to a pod, once it is found."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    """Over what is kept here; never held over a call of the cluster."""
    _looks: threading.Semaphore = field(default_factory=lambda: threading.BoundedSemaphore(MOST_LOOKS))
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
            for caller, tunnel in self._open.items():
                _end(caller, tunnel)

    def _accept(self, listener: socket.socket) -> None:
        while not self._is_closed:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                if len(self._open) >= MOST_CONNECTIONS and not self._end_a_half_closed():
                    caller.close()
                    continue
                self._open[caller] = None
            threading.Thread(target=self._serve, args=(caller,), name="forward-connection", daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        tunnel = None
        try:
            tunnel = self._dial()
            with self._lock:
                self._open[caller] = tunnel
                if self._is_closed:
                    return
            tunnel.carry(caller)
        except LedgeError as error:
            self.tell(f"{self.service}: {error.message}")
        finally:
            with self._lock:
                self._open.pop(caller, None)
            caller.close()
            if tunnel is not None:
                tunnel.close()

    def _end_a_half_closed(self) -> bool:
        """Makes room: the caller who has said nothing more for longest is most likely gone."""
        waiting = [
            (tunnel.half_closed_s, caller)
            for caller, tunnel in self._open.items()
            if tunnel is not None and tunnel.half_closed_s is not None
        ]
        if not waiting:
            return False
        _, caller = min(waiting, key=lambda each: each[0])
        _end(caller, self._open.pop(caller))
        return True

    def _dial(self) -> Tunnel:
        """A connection to a pod that is ready."""
        ends_s = time.monotonic() + POD_WAIT_S
        while True:
            try:
                pod = self._ready_pod()
                with told(f"create pods/portforward in {self.cluster.namespace}", self.cluster.host):
                    return dial(self.cluster.client, self.cluster.namespace, pod, self.pod_port)
            except NotReady:
                if time.monotonic() >= ends_s or self._is_closed:
                    raise
            time.sleep(LOOK_EVERY_S)

    def _ready_pod(self) -> str:
        with self._looks:
            pods = self.cluster.objects("pods", f"{INSTANCE}={self.release},{COMPONENT}={self.service}")
        ready = [
            name_of(pod)
            for pod in pods
            if condition(pod, "Ready").get("status") == "True" and not pod["metadata"].get("deletionTimestamp")
        ]
        if not ready:
            raise NotReady(f"no pod is ready: `ledge status --cluster --namespace {self.cluster.namespace}` says why")
        with self._lock:
            before = self._pod
            if before not in ready:
                self._pod = ready[0]
            pod = self._pod
        if before and pod != before:
            self.tell(f"{self.service}: {before} is gone, {pod} takes over")
        return pod


def _end(caller: socket.socket, tunnel: Tunnel | None) -> None:
    """What carries between them then ends of itself."""
    with contextlib.suppress(OSError):
        caller.shutdown(socket.SHUT_RDWR)
    if tunnel is not None:
        tunnel.end()
