"""One forwarded port against an API server: connections that are slow, cut in half, large or too many."""

import base64
import queue
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import trustme
import yaml

from services.cli.cluster import forwarding
from services.cli.cluster.access import Cluster
from services.cli.cluster.forwarding import Forward
from tests.cli.cluster.forwarding_server import ForwardingServer, forwarding_server
from tests.cli.cluster.test_connect import put_pod

TIMEOUT_S = 20
LARGE_BYTES = 8 * 2**20


@pytest.fixture(params=["http", "https"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ForwardingServer]:
    """Its kubeconfig is `kubeconfig` in `tmp_path`."""
    tls, authority = None, ""
    if request.param == "https":
        made = trustme.CA()
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.issue_cert("127.0.0.1").configure_cert(tls)
        authority = base64.b64encode(made.cert_pem.bytes()).decode()
    with forwarding_server(tls) as server:
        kubeconfig = server.kubeconfig(tmp_path / "kubeconfig")
        if authority:
            found = yaml.safe_load(kubeconfig.read_text())
            found["clusters"][0]["cluster"]["certificate-authority-data"] = authority
            kubeconfig.write_text(yaml.safe_dump(found))
        yield server


class Opened:
    """A forward, and what it told."""

    def __init__(self) -> None:
        self.told: queue.Queue[str] = queue.Queue()
        self.forward = Forward(Cluster("site"), "ledge", "gateway", 8000, self.told.put)
        self.forward.listen()

    def call(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.forward.port), timeout=TIMEOUT_S)


@pytest.fixture
def opened(server: ForwardingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    opened = Opened()
    yield opened
    opened.forward.close()


@contextmanager
def pod(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serves each connection in a thread; its port."""

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with connection:
            serve(connection)

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def all_of(caller: socket.socket) -> bytes:
    with caller:
        return b"".join(iter(lambda: caller.recv(2**16), b""))


def echo(connection: socket.socket) -> None:
    connection.sendall(connection.recv(100))


def test_a_caller_with_nothing_more_to_say_still_gets_the_answer(server: ForwardingServer, opened: Opened) -> None:
    def serve(connection: socket.socket) -> None:
        question = connection.recv(100)
        was_cut = bool(select.select([connection], [], [], 0.5)[0])
        connection.sendall(b"was cut" if was_cut else b"answer to " + question)

    with pod(serve) as port:
        put_pod(server, "gateway-a", port)
        caller = opened.call()
        caller.sendall(b"question")
        caller.shutdown(socket.SHUT_WR)
        assert all_of(caller) == b"answer to question"


def test_one_pod_that_is_slow_to_be_reached_keeps_nobody_from_another(server: ForwardingServer, opened: Opened) -> None:
    server.hanging["gateway-a"] = threading.Event()
    with pod(echo) as port:
        put_pod(server, "gateway-a", port)
        slow = opened.call()
        slow.sendall(b"slow")
        assert server.hangs.wait(TIMEOUT_S)
        put_pod(server, "gateway-a", port, is_ready=False)
        put_pod(server, "gateway-b", port)
        try:
            other = opened.call()
            other.sendall(b"other")
            assert all_of(other) == b"other"
        finally:
            server.hanging["gateway-a"].set()
        assert all_of(slow) == b"slow"


def test_a_large_answer_arrives_whole_though_the_pod_has_long_ended(server: ForwardingServer, opened: Opened) -> None:
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(b"x" * LARGE_BYTES)
        ended.set()

    with pod(serve) as port:
        put_pod(server, "gateway-a", port)
        caller = opened.call()
        caller.sendall(b"all")
        first = caller.recv(2**16)
        rest = all_of(caller)
        assert ended.wait(TIMEOUT_S)
        assert len(first) + len(rest) == LARGE_BYTES


def test_a_large_question_arrives_whole(server: ForwardingServer, opened: Opened) -> None:
    def serve(connection: socket.socket) -> None:
        got = 0
        while got < LARGE_BYTES:
            got += len(connection.recv(2**16))
        connection.sendall(str(got).encode())

    with pod(serve) as port:
        put_pod(server, "gateway-a", port)
        caller = opened.call()
        caller.sendall(b"x" * LARGE_BYTES)
        assert all_of(caller) == str(LARGE_BYTES).encode()


def test_callers_who_may_be_gone_make_room_for_those_who_come(
    server: ForwardingServer, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "MOST_CONNECTIONS", 1)
    came = threading.Event()

    def serve(connection: socket.socket) -> None:
        if connection.recv(100) == b"next":
            connection.sendall(b"served")
        else:
            came.set()
            connection.recv(100)

    with pod(serve) as port:
        put_pod(server, "gateway-a", port)
        gone = opened.call()
        gone.sendall(b"goes")
        assert came.wait(TIMEOUT_S)
        refused = opened.call()
        assert all_of(refused) == b"", "one is too many while he may still speak"
        gone.shutdown(socket.SHUT_WR)
        answers = b""
        while not answers:  # until it is seen that the first has nothing more to say
            caller = opened.call()
            caller.sendall(b"next")
            try:
                answers = all_of(caller)
            except ConnectionResetError:
                continue
        assert answers == b"served"
        assert all_of(gone) == b""


def test_a_caller_who_is_gone_does_not_hold_his_connection(
    server: ForwardingServer, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.cli.cluster.tunnel.SILENCE_S", 0.1)
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        while connection.recv(100):
            pass
        ended.set()

    with pod(serve) as port:
        put_pod(server, "gateway-a", port)
        with opened.call() as caller:
            caller.sendall(b"goes")
        assert ended.wait(TIMEOUT_S)


def test_why_a_pods_port_is_not_reached_is_told(server: ForwardingServer, opened: Opened) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    put_pod(server, "gateway-a", port)
    assert all_of(opened.call()) == b""
    assert "Connection refused" in opened.told.get(timeout=TIMEOUT_S)
