"""Real service processes for tests: started on free ports, told ready by their own log, always stopped."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
START_TIMEOUT_S = 60.0
_ALL: set["ServiceProcess"] = set()


class ServiceProcess:
    """One `python -m services.<name>` with `LEDGE_*` settings; `wait_for` follows its log."""

    def __init__(
        self,
        name: str,
        settings: dict[str, str] | None = None,
        cwd: Path = ROOT,
        module: str | None = None,
        python: str = sys.executable,
    ) -> None:
        defaults = {"LEDGE_PORT": "0", "LEDGE_OPS_PORT": "0", "LEDGE_SETTLE_S": "0", "LEDGE_DRAIN_S": "10"}
        self.name = name
        self.log: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            [python, "-m", module or f"services.{name}"],
            env={**os.environ, **defaults, **(settings or {})},
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
        )
        _ALL.add(self)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            try:
                entry = json.loads(line)
            except ValueError:
                entry = {"event": line.rstrip()}
            with self._changed:
                self.log.append(entry)
                self._changed.notify_all()
        with self._changed:
            self.log.append({"event": "(end of log)"})
            self._changed.notify_all()

    def wait_for(self, event: str, timeout_s: float = START_TIMEOUT_S, **fields: Any) -> dict[str, Any]:
        """The first log line with this event and fields; fails with the whole log if it ends or time runs out."""
        wanted = {"event": event, **fields}.items()

        def found() -> dict[str, Any] | None:
            fitting = (entry for entry in self.log if wanted <= entry.items() or entry["event"] == "(end of log)")
            return next(fitting, None)

        with self._changed:
            self._changed.wait_for(lambda: found() is not None, timeout_s)
            entry = found()
        if entry is None or entry["event"] != event:
            raise AssertionError(f"{self.name} never said {event!r}; its log:\n" + "\n".join(map(str, self.log)))
        return entry

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S) -> "ServiceProcess":
        self.wait_for("ready", timeout_s)
        return self

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.wait_for('listening')['port']}"

    @property
    def ops_url(self) -> str:
        return f"http://127.0.0.1:{self.wait_for('listening')['ops_port']}"

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def wait(self, timeout_s: float = 30.0) -> int:
        return self.process.wait(timeout_s)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join(5)
        assert self.process.stderr is not None
        self.process.stderr.close()
        _ALL.discard(self)


@contextmanager
def service(name: str, start_timeout_s: float = START_TIMEOUT_S, **settings: str) -> Iterator[ServiceProcess]:
    """Starts a service and waits until it is ready: `with service("llm", LEDGE_ENGINE="scripted") as llm: …`."""
    process = ServiceProcess(name, settings)
    try:
        yield process.wait_ready(start_timeout_s)
    finally:
        process.close()
