"""supervisord (supervisord.org) as the local run uses it: configured from a plan, spoken to over its unix socket.

A service that ends is started again: at once after a good run, after 1 s, 2 s, … when it ended within START_S;
after START_RETRIES such starts in a row it is given up (FATAL), and the next `ledge up` tries anew.
"""

import contextlib
import functools
import http.client
import os
import secrets
import shlex
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import psutil
from supervisor.xmlrpc import SupervisorTransport

from services.cli.local.plan import TIERS, PlannedService, RunPlan
from services.cli.local.state import StateDirectory
from services.kit.auth import PEER
from services.kit.errors import EngineFailed, InvalidInput

START_S = 5
START_RETRIES = 20
STOP_TIMEOUT_S = 20
POLL_S = 0.05
LOG_BYTES = 10 * 2**20
LOG_BACKUPS = 3
MARK = "LEDGE_SUPERVISED_BY"
"""Environment variable by which a process of a run is known even when its supervisor is gone."""


@dataclass(frozen=True)
class ProcessState:
    """One service as supervisord sees it."""

    name: str
    state: str
    """STARTING and RUNNING: the process is there. BACKOFF: it ended too soon and is tried again. FATAL: given up.
    STOPPED, STOPPING, EXITED, UNKNOWN as they say."""
    pid: int
    """0: no process."""
    started_at_s: float
    """Seconds since the epoch, of the last start."""
    exit_status: int
    """Of the last end; negative numbers do not occur, a signal shows as 0 here."""
    reason: str


class Supervisor:
    """The supervisor of one state directory. Nothing is contacted before a method is called."""

    def __init__(self, state: StateDirectory) -> None:
        self._state = state

    @property
    def is_running(self) -> bool:
        try:
            return bool(self._call(lambda rpc: rpc.getState())["statename"] == "RUNNING")
        except NotRunning:
            return False

    @property
    def pid(self) -> int | None:
        """Of the supervisor itself; None where no process of that number is our supervisord."""
        try:
            pid = int(self._state.pid_file.read_text())
            arguments = psutil.Process(pid).cmdline()
        except (OSError, ValueError, psutil.Error):
            return None
        return pid if str(self._state.configuration) in arguments else None

    def start(self, plan: RunPlan, on_start: Callable[[int], None]) -> None:
        """Starts supervisord, and with it every service of the plan; returns when it answers.

        Args:
            on_start: told the process id at once, so that a caller who is interrupted knows what to end.

        Raises:
            EngineFailed: it did not come up; says its last words.
        """
        self._state.write(self._state.configuration, configuration(plan, self._state))
        # Restarts are counted from this log: it begins with the run.
        for old in self._state.logs.glob("supervisord.log*"):
            old.unlink(missing_ok=True)
        words = self._state.logs / "supervisord.err"
        with words.open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "-c", str(self._state.configuration)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=_environment(),
                # Ctrl-C in the terminal of `up` is for `up`.
                start_new_session=True,
                cwd=self._state.path,
            )
        on_start(process.pid)
        while not self.is_running:
            try:
                process.wait(POLL_S)
            except subprocess.TimeoutExpired:
                continue
            last = words.read_text(errors="replace").strip().splitlines()[-1:] or ["(no words)"]
            raise EngineFailed(f"the supervisor ended as it started: {last[0]}")
        # It outlives this command; Popen would warn that it does.
        process.returncode = 0

    def states(self) -> list[ProcessState]:
        """Of all services, in the plan's order of tiers. Raises NotRunning."""
        return [
            ProcessState(
                name=info["name"],
                state=info["statename"],
                pid=info["pid"],
                started_at_s=float(info["start"]),
                exit_status=info["exitstatus"],
                reason=info["spawnerr"],
            )
            for info in self._call(lambda rpc: rpc.getAllProcessInfo())
        ]

    def start_service(self, name: str) -> None:
        """Starts one that was given up or stopped; one that runs is left alone."""
        with contextlib.suppress(xmlrpc.client.Fault):
            self._call(lambda rpc: rpc.startProcess(name, False))

    def stop_service(self, name: str) -> None:
        """Stops one and waits until it is gone; one that does not run is left alone."""
        with contextlib.suppress(xmlrpc.client.Fault):
            self._call(lambda rpc: rpc.stopProcess(name, True))

    def restarts(self, name: str) -> int:
        """How often supervisord has started a service again since the run began."""
        needle = f"spawned: '{name}' with pid"
        spawned = sum(
            line.count(needle)
            for path in self._state.logs.glob("supervisord.log*")
            for line in path.read_text(errors="replace").splitlines()
        )
        return max(0, spawned - 1)

    def stop(self) -> None:
        """Stops all services, callers before what they call, and then supervisord. Returns when all is gone."""
        pid = self.pid
        if pid is None:
            return
        try:
            process = psutil.Process(pid)
            try:
                # Left alone, supervisord stops one service after the other, a second each.
                for tier in range(max(TIERS.values()), -1, -1):
                    self._stop_tier(tier)
                self._call(lambda rpc: rpc.shutdown())
            except (NotRunning, xmlrpc.client.Fault):
                process.terminate()
            self._wait_for_end(process)
        except psutil.NoSuchProcess:
            return

    def _wait_for_end(self, process: psutil.Process) -> None:
        give_up_s = time.monotonic() + STOP_TIMEOUT_S * 4
        while time.monotonic() < give_up_s:
            try:
                process.wait(POLL_S)
                return
            except psutil.TimeoutExpired:
                # Its loop sleeps for up to a second at a time, unless somebody calls.
                with contextlib.suppress(NotRunning, xmlrpc.client.Fault):
                    self._call(lambda rpc: rpc.getState())
        process.kill()
        process.wait()

    def _stop_tier(self, tier: int) -> None:
        names = [process.name for process in self.states() if TIERS.get(process.name, 0) == tier]
        for name in names:
            # A fault is one that does not run.
            with contextlib.suppress(xmlrpc.client.Fault):
                self._call(functools.partial(_stop, name))
        give_up_s = time.monotonic() + STOP_TIMEOUT_S + 5
        while any(process.pid for process in self.states() if process.name in names):
            if time.monotonic() > give_up_s:
                raise NotRunning
            time.sleep(POLL_S)

    def _call(self, call: Callable[[Any], Any]) -> Any:
        if not self._state.socket.is_socket():
            raise NotRunning
        proxy = xmlrpc.client.ServerProxy(
            "http://127.0.0.1", transport=SupervisorTransport(None, None, f"unix://{self._state.socket}")
        )
        try:
            with proxy:
                return call(cast(Any, proxy).supervisor)
        except (OSError, http.client.HTTPException) as error:
            raise NotRunning from error


class NotRunning(EngineFailed):
    """No supervisor answers in this state directory."""

    def __init__(self) -> None:
        super().__init__("the suite is not running: start it with `ledge up`")


def left_behind(state: StateDirectory) -> list[psutil.Process]:
    """Processes of an earlier run of this state directory whose supervisor is gone."""
    return [process for process in psutil.process_iter() if _mark_of(process) == str(state.path)]


def end(processes: list[psutil.Process]) -> None:
    """SIGTERM, then SIGKILL for those that do not go."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(processes, timeout=STOP_TIMEOUT_S)
    for process in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn)


def _stop(name: str, rpc: Any) -> None:
    rpc.stopProcess(name, False)


def _environment() -> dict[str, str]:
    """The caller's, which the services inherit. Where calls need a key, the services get one of their own to call
    each other: it exists in their memory only."""
    environment = dict(os.environ)
    keyed = environment.get("LEDGE_API_KEYS") or environment.get("LEDGE_API_KEYS_FILE")
    if keyed and not environment.get("LEDGE_PEER_API_KEY"):
        key = secrets.token_urlsafe(32)
        environment["LEDGE_PEER_API_KEY"] = key
        environment["LEDGE_API_KEYS"] = ",".join(filter(None, [environment.get("LEDGE_API_KEYS"), f"{PEER}={key}"]))
    return environment


def _mark_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None


def configuration(plan: RunPlan, state: StateDirectory) -> str:
    """supervisord's configuration file for a plan. Raises InvalidInput for values that the file cannot hold."""
    lines = [
        "; Made by `ledge up` from the profile; changes here are overwritten.",
        "[unix_http_server]",
        f"file = {_value(state.socket)}",
        "chmod = 0600",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
        "[supervisord]",
        f"logfile = {_value(state.supervisor_log)}",
        "logfile_maxbytes = 1MB",
        "logfile_backups = 3",
        f"pidfile = {_value(state.pid_file)}",
        "silent = true",
        *(["user = root"] if os.getuid() == 0 else []),
    ]
    for service in plan.services:
        lines += _program(service, state)
    return "\n".join(lines) + "\n"


def _program(service: PlannedService, state: StateDirectory) -> Iterator[str]:
    # supervisord's own `environment=` cannot hold every value; env(1) becomes the service, so nothing stays between.
    variables = [f"{name}={value}" for name, value in {**service.environment, MARK: str(state.path)}.items()]
    yield f"[program:{service.name}]"
    yield f"command = {_value(shlex.join(['/usr/bin/env', *variables, *service.command]))}"
    yield f"directory = {_value(state.path)}"
    yield f"priority = {10 + service.tier}"
    yield "autorestart = true"
    yield f"startsecs = {START_S}"
    yield f"startretries = {START_RETRIES}"
    yield f"stopwaitsecs = {STOP_TIMEOUT_S}"
    yield "killasgroup = true"
    yield "redirect_stderr = true"
    yield f"stdout_logfile = {_value(state.log(service.name))}"
    yield f"stdout_logfile_maxbytes = {LOG_BYTES}"
    yield f"stdout_logfile_backups = {LOG_BACKUPS}"


def _value(value: str | Path) -> str:
    text = str(value)
    if any(bad in text for bad in ("\n", " ;", " #")):
        raise InvalidInput(f"supervisord's configuration cannot hold {text!r}: take out line breaks, ' ;' and ' #'")
    return text.replace("%", "%%")
