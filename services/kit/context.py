"""What travels with a call through every hop: deadline, request id, tenant, label, and the timings it gathers.

The server sets it, the client reads it. Python's gRPC passes on none of this by
itself. The trace travels beside it, in OpenTelemetry's own context.
"""

import time
import uuid
from contextvars import ContextVar
from dataclasses import dataclass, field

REQUEST_ID_KEY = "ledge-request-id"
TENANT_KEY = "ledge-tenant"
LOCAL_ONLY_KEY = "ledge-local-only"
"""The label of what must not leave the site; the gateway takes it as a header of the same name."""

DONE_WITHOUT_KEY = "ledge-done-without"
"""What an answer is made without, in a stream's initial metadata; compositions pass it on as `degraded`."""


@dataclass(frozen=True, slots=True)
class CallContext:
    """One call as its server sees it."""

    deadline_s: float | None = None
    """On the monotonic clock; None: no deadline."""
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    tenant: str = ""
    """Name of the API key that was used; empty without keys."""
    timings_ms: dict[str, float] = field(default_factory=dict)
    """Sent back as trailing metadata `ledge-<name>-ms`."""
    local_only: bool = False
    """Nothing of this call goes to a model outside the site."""
    notes: dict[str, str] = field(default_factory=dict)
    """What was decided; sent back as trailing metadata `ledge-<name>`. Printable ASCII."""

    def remaining_s(self) -> float | None:
        """Seconds until the deadline, never below zero; None without a deadline."""
        return None if self.deadline_s is None else max(0.0, self.deadline_s - time.monotonic())

    def note_timing(self, name: str, elapsed_ms: float) -> None:
        """Keeps the longest of the timings noted under a name: parts of a call run side by side."""
        self.timings_ms[name] = max(self.timings_ms.get(name, 0.0), elapsed_ms)


_current: ContextVar[CallContext | None] = ContextVar("ledge_call", default=None)


def current_call() -> CallContext | None:
    """The call being served in this task; None outside one."""
    return _current.get()


def enter_call(call: CallContext) -> None:
    """Makes `call` the current one for the rest of this task."""
    _current.set(call)


def is_local_only(label: str) -> bool:
    """Whether the label is set. Who sends it at all means it, unless it plainly says no."""
    return label.strip().lower() not in ("", "0", "false", "no")


def request_id_of(given: str) -> str:
    """A caller's own request id where it is a plain token of at most 128 characters, else a new one."""
    plain = given.isascii() and given.isprintable() and " " not in given
    return given if plain and 0 < len(given) <= 128 else uuid.uuid4().hex
