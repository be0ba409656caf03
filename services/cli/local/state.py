"""The state directory of a local run: its records, its logs, its documents, and the lock of whoever changes it.

state/
├── run.json            what runs: profile, addresses, plan      ├── data/                what `retrieval` keeps
├── supervisord.conf    made from the plan                       ├── logs/<service>.log   rotated
├── supervisord.pid                                              └── up.lock              one `up` or `down` at a time
└── supervisord.sock    or in the temporary directory, where the path would be too long for a socket
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.cli.local.plan import RunPlan
from services.kit.errors import EngineFailed
from services.kit.models.lock import exclusive
from services.kit.ops import release

MAX_SOCKET_PATH_BYTES = 100
"""The kernel takes 107; supervisord first binds a name that is a little longer."""


@dataclass(frozen=True)
class RunRecord:
    """What `up` started, for the commands that come after it."""

    release: str
    profile: str
    fingerprint: str
    services: dict[str, dict[str, Any]]
    """Name → address, ops_url, engine, model, health_name."""
    log_offsets: dict[str, int]
    """Name → where in its log this run begins, in bytes."""


class StateDirectory:
    """Made when it is first written to. Any number of processes may read it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.logs = path / "logs"
        self.configuration = path / "supervisord.conf"
        self.pid_file = path / "supervisord.pid"
        self.supervisor_log = self.logs / "supervisord.log"
        self._record = path / "run.json"

    @property
    def socket(self) -> Path:
        """supervisord's, readable by this user alone."""
        beside = self.path / "supervisord.sock"
        if len(os.fsencode(beside)) <= MAX_SOCKET_PATH_BYTES:
            return beside
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"ledge-{os.getuid()}-{digest}.sock"

    def log(self, service: str) -> Path:
        return self.logs / f"{service}.log"

    def make(self) -> None:
        """Raises EngineFailed where it cannot be written."""
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EngineFailed(
                f"cannot make the state directory {self.path} ({error.strerror}): name another with LEDGE_STATE_DIR"
            ) from error

    @contextlib.contextmanager
    def locked(self, on_wait: Any = lambda: None) -> Iterator[None]:
        """Held while a run is started or stopped."""
        self.make()
        with exclusive(self.path / "up.lock", on_wait):
            yield

    def log_bytes(self, service: str) -> int:
        path = self.log(service)
        return path.stat().st_size if path.is_file() else 0

    def write_record(self, plan: RunPlan) -> None:
        facts = ("address", "ops_url", "engine", "model", "health_name")
        services = {service.name: {fact: getattr(service, fact) for fact in facts} for service in plan.services}
        body = {
            "release": release(),
            "profile": plan.profile,
            "fingerprint": plan.fingerprint,
            "services": services,
            "log_offsets": {service.name: self.log_bytes(service.name) for service in plan.services},
        }
        self.write(self._record, json.dumps(body, indent=1))

    def record(self) -> RunRecord | None:
        """None where nothing was ever started, or the record cannot be read."""
        try:
            return RunRecord(**json.loads(self._record.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def forget(self) -> None:
        """Removes what only a running suite needs; logs and documents stay."""
        for path in (self._record, self.configuration, self.pid_file, self.socket):
            path.unlink(missing_ok=True)

    def write(self, path: Path, text: str) -> None:
        """Whole or not at all, readable by this user alone. Raises EngineFailed."""
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            unfinished.touch(mode=0o600)
            unfinished.write_text(text)
            unfinished.replace(path)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise EngineFailed(
                f"cannot write {path} ({error.strerror}): make room or rights there, or name another place "
                "with LEDGE_STATE_DIR"
            ) from error
