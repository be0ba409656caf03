"""Service processes that a bench measures: each on free ports, told ready by its own log, always stopped."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import psutil

from services.kit.errors import EngineFailed

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 15.0
KEPT_LOG_LINES = 50
CALL_LINE = '"event": "call"'
INHERITED = ("LEDGE_MODELS_DIR", "LEDGE_MODELS_CATALOG", "LEDGE_DEPLOY_DIR", "LEDGE_OFFLINE")


class RunningService:
    """One `python -m services.<name>` with `LEDGE_*` settings of its own; the context manager waits until it is ready.

    ```python
    with RunningService("llm", {"LEDGE_ENGINE": "llamacpp", "LEDGE_MODEL": "smollm2-135m-instruct"}) as llm:
        open_channel(llm.address)
    ```

    Of the caller's own `LEDGE_*` and `NIM_*` settings only those that say where models lie are passed on. All log
    lines are read, so that a full pipe never holds the service up.

    Raises:
        EngineFailed: it ended, or was not ready in time; says its last words.
    """

    def __init__(
        self, name: str, settings: Mapping[str, str] | None = None, start_timeout_s: float = START_TIMEOUT_S
    ) -> None:
        self.name = name
        self._start_timeout_s = start_timeout_s
        inherited = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("LEDGE_", "NIM_")) or key in INHERITED
        }
        quiet = {"LEDGE_PORT": "0", "LEDGE_OPS_PORT": "0", "LEDGE_SETTLE_S": "0", "LEDGE_DRAIN_S": "5"}
        self._environment = {**inherited, **quiet, **(settings or {})}
        self._lines: deque[str] = deque(maxlen=KEPT_LOG_LINES)
        self._events: dict[str, dict[str, Any]] = {}
        self._ended = False
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"services.{self.name}"],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self._wait_for("ready")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def address(self) -> str:
        """Host and port of its gRPC (the gateway's: HTTP) door."""
        return f"127.0.0.1:{self._wait_for('listening')['port']}"

    @property
    def ops_url(self) -> str:
        return f"http://127.0.0.1:{self._wait_for('listening')['ops_port']}"

    def kill(self) -> None:
        """SIGKILL, for benches of what survives one."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """SIGTERM, then SIGKILL for one that does not end."""
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._reader.join()
        if self.process.stderr is not None:
            self.process.stderr.close()

    def _read(self) -> None:
        if self.process.stderr is None:
            return
        for line in self.process.stderr:
            if CALL_LINE in line:  # thousands a second, nobody waits for one
                continue
            with self._changed:
                self._lines.append(line.rstrip())
                with contextlib.suppress(ValueError, TypeError, KeyError):
                    entry = json.loads(line)
                    self._events.setdefault(entry["event"], entry)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _wait_for(self, event: str) -> dict[str, Any]:
        with self._changed:
            in_time = self._changed.wait_for(lambda: event in self._events or self._ended, self._start_timeout_s)
            if event in self._events:
                return self._events[event]
        why = "ended" if in_time else f"was not ready within {self._start_timeout_s:.0f} s"
        raise EngineFailed(f"{self.name} {why}; its last words: {' | '.join(list(self._lines)[-3:]) or '(none)'}")


def resident_bytes(pid: int) -> int:
    """Resident memory of a process, pages that it shares counted whole."""
    return int(psutil.Process(pid).memory_info().rss)


def proportional_bytes(pid: int) -> int:
    """Memory of a process, shared pages divided among those that share them (PSS): these may be added up."""
    return int(psutil.Process(pid).memory_full_info().pss)
