"""Whether the ports of a run are free, and who has those that are not."""

import random
import shlex
import socket
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

from services.cli.local.config import KNOWN_PORTS, OPS_OFFSET, ORDER
from services.cli.local.plan import PlannedService
from services.kit.errors import EngineFailed


@dataclass(frozen=True)
class BusyPort:
    """A port of the plan that something else listens on."""

    port: int
    service: str
    owner: str
    """Command and process id, or "another user's process"."""

    def sentence(self) -> str:
        if self.service in KNOWN_PORTS:
            setting = f"`LEDGE_{self.service.upper()}_PORT=N ledge up`"
        else:
            setting = f"`ledge up {'--gateway-port' if self.service == 'gateway' else '--port-base'} N`"
        return (
            f"port {self.port}, where {self.service} would listen, is taken by {self.owner}: "
            f"stop that, or choose another with {setting}"
        )


def busy_ports(services: Iterable[PlannedService]) -> list[BusyPort]:
    """The ports of these services that cannot be bound now."""
    return [
        BusyPort(port, service.name, _owner(port))
        for service in services
        for port in service.ports
        if not _is_free(service.environment["LEDGE_HOST"].strip("[]"), port)
    ]


def free_bases(host: str = "127.0.0.1") -> tuple[int, int]:
    """A `port_base` and a `gateway_port` that are free now, for a run beside another. Raises EngineFailed."""
    # Below what the kernel hands out by itself, so that no connection takes one of them meanwhile.
    for base in random.sample(range(12_000, 30_000, 20), 50):
        taken = len(ORDER) + len(KNOWN_PORTS)
        numbers = [base + place for place in range(taken + 1)]
        numbers += [number + OPS_OFFSET for number in numbers[:-1]]
        if all(_is_free(host, number) for number in numbers):
            return base, base + taken
    raise EngineFailed("no row of free ports was found on this machine")


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the services bind: a port whose last connections only fade away is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _owner(port: int) -> str:
    try:
        here = [it for it in psutil.net_connections(kind="tcp") if it.laddr and it.laddr.port == port and it.pid]
        # The kernel gives outgoing connections ports of the same range as the documented ones.
        holder = min(here, key=lambda it: it.status != psutil.CONN_LISTEN)
        process = psutil.Process(holder.pid)
        command = shlex.join(process.cmdline())
    except (psutil.Error, OSError, ValueError):
        return "another process (`ss -tanp` as root tells which)"
    short = command if len(command) <= 100 else f"{command[:100]}…"
    what = "" if holder.status == psutil.CONN_LISTEN else "a passing connection of "
    return f"{what}`{short}` (process {process.pid})"
