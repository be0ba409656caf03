"""`ledge connect` against an API server that forwards ports: reached, and reached again when a pod goes."""

import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.cluster.forwarding_server import ForwardingServer, forwarding_server
from tests.cli.cluster.installs_on_file import objects
from tests.ledge_command import Ledge


class Pod:
    """Answers every call with its name."""

    def __init__(self, name: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(name)))
                self.end_headers()
                self.wfile.write(name.encode())

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[ForwardingServer]:
    with forwarding_server() as server:
        for each in objects("rolling"):
            if each["kind"] == "Deployment":
                server.put(named(each, each["metadata"]["name"]))
        yield server


@pytest.fixture
def pods() -> Iterator[list[Pod]]:
    found = [Pod("first"), Pod("second")]
    yield found
    for pod in found:
        pod.close()


def named(object: dict[str, Any], name: str) -> dict[str, Any]:
    """The same as a part of `gateway`."""
    labels = {**object["metadata"]["labels"], "app.kubernetes.io/component": "gateway"}
    metadata = {key: value for key, value in object["metadata"].items() if key != "deletionTimestamp"}
    return {**object, "metadata": {**metadata, "name": name, "labels": labels}}


def put_pod(server: ForwardingServer, name: str, port: int, is_ready: bool = True) -> None:
    (pod, *_) = [each for each in objects("rolling") if each["kind"] == "Pod"]
    pod["status"]["conditions"] = [{"type": "Ready", "status": str(is_ready)}]
    server.put(named(pod, name))
    server.targets[name] = port


class Connected:
    """`ledge connect`, running; `address` is the gateway's."""

    def __init__(self, command: Ledge, *arguments: str) -> None:
        self.process = command.start("connect", "--port", "0", *arguments)
        self.lines: queue.Queue[str] = queue.Queue()
        self.told: list[str] = []
        assert self.process.stdout is not None
        out = self.process.stdout
        self._reader = threading.Thread(target=lambda: [self.lines.put(line) for line in out], daemon=True)
        self._reader.start()
        self.address = self.wait_for("open this in a browser").split()[0]

    def wait_for(self, text: str) -> str:
        while True:
            line = self.lines.get(timeout=60)
            self.told.append(line)
            if text in line:
                return line

    def close(self) -> int:
        self.process.terminate()
        code = self.process.wait(20)
        self._reader.join(5)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        return code


def test_the_gateway_is_reached_and_the_next_pod_when_it_goes(
    server: ForwardingServer, pods: list[Pod], tmp_path: Path
) -> None:
    first, second = pods
    put_pod(server, "gateway-a", first.port)
    command = Ledge(tmp_path / "state", KUBECONFIG=str(server.kubeconfig(tmp_path / "kubeconfig")))
    connected = Connected(command)
    try:
        with httpx.Client(base_url=connected.address, timeout=30) as client:
            assert [client.get("/").text for _ in range(3)] == ["first"] * 3
        put_pod(server, "gateway-a", first.port, is_ready=False)
        put_pod(server, "gateway-b", second.port)
        assert httpx.get(connected.address, timeout=30).text == "second"
        connected.wait_for("gateway: gateway-a is gone, gateway-b takes over")
        put_pod(server, "gateway-b", second.port, is_ready=False)
        waiting = threading.Thread(target=lambda: answers.append(httpx.get(connected.address, timeout=60).text))
        answers: list[str] = []
        waiting.start()
        put_pod(server, "gateway-a", first.port)
        waiting.join(60)
        assert answers == ["first"], "held until a pod was ready"
    finally:
        assert connected.close() == 130


def test_a_caller_who_may_not_forward_is_told(server: ForwardingServer, pods: list[Pod], tmp_path: Path) -> None:
    put_pod(server, "gateway-a", pods[0].port)
    server.may_forward = False
    command = Ledge(tmp_path / "state", KUBECONFIG=str(server.kubeconfig(tmp_path / "kubeconfig")))
    connected = Connected(command)
    try:
        with pytest.raises(httpx.TransportError):
            httpx.get(connected.address, timeout=30)
        connected.wait_for("the cluster does not let you create pods/portforward in site")
    finally:
        connected.close()


def test_a_caller_who_may_not_see_the_services_is_told_and_does_not_wait(
    server: ForwardingServer, pods: list[Pod], tmp_path: Path
) -> None:
    put_pod(server, "gateway-a", pods[0].port)
    server.forbidden = {"deployments"}
    command = Ledge(tmp_path / "state", KUBECONFIG=str(server.kubeconfig(tmp_path / "kubeconfig")))
    told = " ".join(command.run("connect", "--port", "0", code=1).stderr.split())
    assert "which services the release ledge has cannot be seen" in told
    assert "the cluster does not let you list deployments in site" in told
