"""The `ledge` command as a process of its own, with a state directory and ports that no other run uses."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from services.cli.local.ports import free_bases
from services.cli.local.supervisor import MARK

ROOT = Path(__file__).parent.parent
COMMAND_TIMEOUT_S = 280


class Ledge:
    """Calls of `ledge` that share one state directory; `close` ends whatever they have started."""

    def __init__(self, state: Path, **settings: str) -> None:
        inherited = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
        port_base, gateway_port = free_bases()
        self.state = state
        self.environment = {
            **inherited,
            "LEDGE_STATE_DIR": str(state),
            "LEDGE_PORT_BASE": str(port_base),
            "LEDGE_GATEWAY_PORT": str(gateway_port),
            **settings,
        }

    def start(self, *arguments: str, **settings: str) -> "subprocess.Popen[str]":
        """The command, still running."""
        return subprocess.Popen(
            [sys.executable, "-m", "services.cli", *arguments],
            env={**self.environment, **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def run(self, *arguments: str, code: int | None = 0, **settings: str) -> "subprocess.CompletedProcess[str]":
        """The command, ended; fails unless its exit code is `code` (None: any)."""
        with self.start(*arguments, **settings) as process:
            out, err = process.communicate(timeout=COMMAND_TIMEOUT_S)
        if code is not None and process.returncode != code:
            raise AssertionError(f"ledge {' '.join(arguments)}: exit {process.returncode}\n{out}\n{err}")
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def json(self, *arguments: str, code: int | None = 0, **settings: str) -> Any:
        """What the command prints for programs."""
        return json.loads(self.run(*arguments, "--json", code=code, **settings).stdout)

    def service(self, name: str) -> dict[str, Any]:
        """One service of `ledge status`, whatever state the others are in."""
        services: list[dict[str, Any]] = self.json("status", code=None)["services"]
        return next(service for service in services if service["name"] == name)

    def processes(self) -> list[psutil.Process]:
        """Everything of this run that lives: the supervisor, the services and their children."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            supervised = process.environ().get(MARK) == str(self.state)
            return supervised or str(self.state / "supervisord.conf") in process.cmdline()
        except (psutil.Error, OSError):
            return False

    def close(self) -> None:
        if not self.state.exists():
            return
        self.run("down", code=None)
        left = self.processes()
        for process in left:
            process.kill()
        assert not left, "`ledge down` left processes behind"
