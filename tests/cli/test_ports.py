"""Who holds a port that the suite wants: a server, or a connection that only passes."""

import os
import socket

from services.cli.local.plan import PlannedService
from services.cli.local.ports import busy_ports


def holder_of(port: int) -> str:
    environment = {"LEDGE_HOST": "127.0.0.1", "LEDGE_PORT": str(port)}
    (busy,) = busy_ports([PlannedService("rag", None, None, f"127.0.0.1:{port}", "", environment)])
    return busy.sentence()


def test_a_server_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        told = holder_of(server.getsockname()[1])
    assert f"(process {os.getpid()})" in told
    assert "passing" not in told


def test_an_outgoing_connection_is_told_as_one() -> None:
    # The kernel takes its ports from the range that the documented ones lie in.
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.connect(server.getsockname())
        told = holder_of(client.getsockname()[1])
    assert "taken by a passing connection of `" in told
    assert f"(process {os.getpid()})" in told
